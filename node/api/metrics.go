package api

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"conclave/node"
)

// serveMetrics answers GET /v1/metrics in Prometheus' text format: what the node
// dropped, refused and has waiting, and the memory and goroutines of the process.
// No person or group is named.
func serveMetrics(mux humago.Mux, a huma.API, n *node.Node) {
	all := prometheus.NewRegistry()
	all.MustRegister(n.Collector(), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	h := promhttp.HandlerFor(all, promhttp.HandlerOpts{MaxRequestsInFlight: 4, DisableCompression: true})
	mux.HandleFunc("GET /v1/metrics", h.ServeHTTP)
	describe(a, "/v1/metrics", "metrics", "Counters and gauges of the node, in Prometheus' text format", "text/plain", &huma.Schema{Type: huma.TypeString})
}
