package node

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metric is one number that the node tells of itself.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(*Node) float64
}

func counter(name, help string, read func(*Node) uint64) metric {
	return metric{prometheus.NewDesc("conclave_"+name+"_total", help, nil, nil), prometheus.CounterValue,
		func(n *Node) float64 { return float64(read(n)) }}
}

func gauge(name, help string, read func(*Node) int) metric {
	return metric{prometheus.NewDesc("conclave_"+name, help, nil, nil), prometheus.GaugeValue,
		func(n *Node) float64 { return float64(read(n)) }}
}

// ownMetrics lists the numbers, without names of people or groups.
func ownMetrics() []metric {
	return []metric{
		counter("gossip_outbound_dropped", "Payloads that found a peer's outbound queue full.", func(n *Node) uint64 { return n.net.Drops().Outbound }),
		counter("gossip_validation_dropped", "Copies of payloads that found the validation queue full.", func(n *Node) uint64 { return n.net.Drops().Validation }),
		counter("gossip_rejected", "Payloads that no honest peer sends.", func(n *Node) uint64 { return n.net.Drops().Rejected }),
		counter("gossip_ignored", "Payloads that were not relayed.", func(n *Node) uint64 { return n.net.Drops().Ignored }),
		counter("gossip_strangers", "Payloads from peers outside the group.", func(n *Node) uint64 { return n.net.Drops().Strangers }),
		counter("records_left", "Records that found no room and were left to catch-up.", func(n *Node) uint64 { return n.counts.backlog.Load() }),
		counter("records_late", "Records beyond their author's budget, taken last and not relayed.", func(n *Node) uint64 { return n.counts.late.Load() }),
		counter("payloads_unpublished", "Own payloads that found no room and were left to catch-up.", func(n *Node) uint64 { return n.counts.unpublished.Load() }),
		counter("epochs_not_relayed", "Epochs beyond what one member may mint in an hour.", func(n *Node) uint64 { return n.counts.tooManyEpochs.Load() }),
		counter("streams_refused", "Streams of peers that ask too often.", func(n *Node) uint64 { return n.counts.refusedStreams.Load() }),
		counter("followers_cut", "Followers of events that did not keep up.", func(n *Node) uint64 { return n.counts.cutFollowers.Load() }),
		gauge("peers", "Peers that a connection stands to.", func(n *Node) int { return len(n.net.Connected()) }),
		gauge("groups", "Groups and conversations, former ones included.", func(n *Node) int { return len(n.allRooms()) }),
		gauge("jobs_waiting", "Jobs that wait for the loops of all groups.", func(n *Node) int { return n.sum(func(r *room) int { return len(r.jobs) }) }),
		gauge("records_late_waiting", "Records beyond a budget that wait for a quiet moment.", func(n *Node) int { return n.sum(func(r *room) int { return r.late.len() }) }),
		gauge("payloads_waiting", "Own payloads that wait to be published.", func(n *Node) int { return n.sum(func(r *room) int { return r.out.len() }) }),
	}
}

func (n *Node) sum(of func(*room) int) (total int) {
	for _, r := range n.allRooms() {
		total += of(r)
	}
	return total
}

// collector tells a node's metrics to Prometheus.
type collector struct {
	n    *Node
	list []metric
}

// Collector returns the node's own metrics. They can be collected once the node
// is Ready.
func (n *Node) Collector() prometheus.Collector { return collector{n, ownMetrics()} }

func (c collector) Describe(to chan<- *prometheus.Desc) {
	for _, m := range c.list {
		to <- m.desc
	}
}

func (c collector) Collect(to chan<- prometheus.Metric) {
	for _, m := range c.list {
		to <- prometheus.MustNewConstMetric(m.desc, m.kind, m.read(c.n))
	}
}
