package api

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"conclave/node"
)

// serveMetrics answers GET /v1/metrics in Prometheus' text format: what the node
// dropped, refused and has waiting, and the memory and goroutines of the process.
// No person or group is named.
func serveMetrics(mux *http.ServeMux, n *node.Node) {
	all := prometheus.NewRegistry()
	all.MustRegister(n.Collector(), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux.Handle("GET /v1/metrics", promhttp.HandlerFor(all, promhttp.HandlerOpts{MaxRequestsInFlight: 4, DisableCompression: true}))
}
