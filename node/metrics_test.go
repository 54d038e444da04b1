package node

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"conclave/group"
)

// read returns the present value of each metric of a node.
func (p *player) read() map[string]float64 {
	p.t.Helper()
	all := prometheus.NewPedanticRegistry()
	ok(p.t, all.Register(p.Collector()))
	families, err := all.Gather()
	ok(p.t, err)
	out := map[string]float64{}
	for _, f := range families {
		m := f.GetMetric()[0]
		out[f.GetName()] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return out
}

// TestMetrics_DropsAreCounted: what finds no room is counted, each kind by
// itself, and the node's status says that something was lost.
func TestMetrics_DropsAreCounted(t *testing.T) {
	ann := inMemory(t, "ann")
	r := ann.roomOf(newGroup(t, CreateGroup{}, ann))
	before := ann.read()
	o := newOutlet(r) // nobody empties it
	o.add(make([][]byte, outletBacklog+3))
	full := &room{n: ann.Node, syncer: newSyncer(r), jobs: make(chan job)}
	if full.post(group.Tick{}, group.Tick{}) {
		t.Error("there was room")
	}
	for range busBacklog + 1 { // nobody reads them
		if len(ann.bus.subs) == 0 {
			_, err := ann.Events(t.Context(), 0)
			ok(t, err)
		}
		ann.bus.publish(Event{Kind: "group"})
	}
	after := ann.read()
	for name, want := range map[string]float64{
		"conclave_payloads_unpublished_total": 3, "conclave_records_left_total": 2, "conclave_followers_cut_total": 1,
		"conclave_streams_refused_total": 0, "conclave_groups": 0,
	} {
		if got := after[name] - before[name]; got != want {
			t.Errorf("%s grew by %v, want %v", name, got, want)
		}
	}
	s, err := ann.Status(within(t))
	ok(t, err)
	if s.Dropped != 5 {
		t.Errorf("status says %d", s.Dropped)
	}
}
