package sim

import (
	"errors"

	"conclave/group"
)

var errBusy = errors.New("sim: node waits for its disk")

// slows lets the disk take its time over what a Step wrote. Until it answers the
// node does nothing: what arrives waits, and nobody is served.
func (n *member) slows(ev group.Event, r *group.Ready) bool {
	w := n.w
	if w.calm || n.comparing || w.now == startOfTime || r.Batch.Empty() && len(r.Keys) == 0 || !w.chance(w.net.slow) {
		return false
	}
	w.count("fault: slow disk")
	n.busy = true
	boot := n.boot
	w.after(uint64(w.between(50, 4000)), func() {
		if n.boot != boot || !n.up {
			return
		}
		n.busy = false
		if n.finish(ev, r) == nil {
			n.goOn()
		}
	})
	return true
}

// waits keeps what comes by itself. What a person wants is refused meanwhile.
func (n *member) waits(ev group.Event) {
	switch ev.(type) {
	case group.Received, group.Based, group.KeyReceived, group.Online, group.Tick, group.Sealed, group.Compared:
		n.waiting = append(n.waiting, ev)
	}
}

// goOn takes what has waited, in order.
func (n *member) goOn() {
	waiting := n.waiting
	n.waiting = nil
	for _, ev := range waiting {
		n.step(ev)
	}
}
