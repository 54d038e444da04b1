package sim

import (
	"slices"

	"conclave/group"
	"conclave/keys"
)

// outsiders lets everyone who is out, by anybody's state, try what they can:
// they heard every payload that was ever published, ask everyone for every key,
// and replay what they heard to everyone.
func (w *world) outsiders(_ *member) error {
	some := false
	for _, x := range w.all {
		if w.isOut(x) {
			some = true
			w.askForEverything(x)
		}
	}
	if !some {
		return errNothing
	}
	w.replay()
	return nil
}

// isOut reports whether somebody knows that x is no member.
func (w *world) isOut(x *member) bool {
	for _, n := range w.all {
		if n != x && n.up && n.m.Known() && !n.m.IsMember(x.me) {
			return true
		}
	}
	return false
}

// askForEverything asks every node for the key of every epoch, and opens what
// envelopes went over the topic.
func (w *world) askForEverything(x *member) {
	for _, n := range w.all {
		if n == x || !n.up || n.busy {
			continue
		}
		for _, e := range w.oracle.facts {
			if e.Type != group.TypeEpoch || w.book.holders[e.eh][x.me] {
				continue
			}
			job, err := n.m.Serve(x.me, e.eh, x.bundle)
			n.checkServed(x, e, err)
			if err != nil {
				w.count("outsider refused a key")
				continue
			}
			w.count("outsider given a key")
			w.noteHolds(x, e.eh, job.Key, "asking "+n.name)
		}
		if miss, err := n.m.MissingAt(x.me, group.Heights{}); err == nil && !n.m.IsMember(x.me) {
			w.fail("S1", "%s gives %d records to %s, who is no member there", n.name, len(miss.Messages), x.name)
		}
	}
	for ; x.heard < len(w.book.wire); x.heard++ {
		w.openHeard(x, w.book.wire[x.heard])
	}
}

func (w *world) openHeard(x *member, payload []byte) {
	v, err := w.decode(payload)
	if err != nil || v.Chunk() == nil {
		return
	}
	c := v.Chunk()
	ectx := keys.EnvelopeContext(w.gid, c.Minter, c.Lane, c.Seq, c.KC)
	key, ok := x.openFrom(c, ectx)
	if !ok {
		return
	}
	for _, e := range w.oracle.facts {
		if b, is := e.body.(*group.Epoch); is && b.KC == c.KC {
			w.noteHolds(x, e.eh, key, "an envelope on the topic")
		}
	}
}

// replayAll gives everything that was ever published to everyone once more, in
// the order of then.
func (w *world) replayAll() {
	w.count("everything replayed")
	for _, payload := range slices.Clone(w.book.wire) {
		if v, err := w.decode(payload); err == nil {
			for _, n := range w.all {
				n.take(v)
			}
		}
	}
}

// replay gives some of what was ever published to everyone once more.
func (w *world) replay() {
	for range 20 {
		payload, ok := pick(w, w.book.wire)
		if !ok {
			return
		}
		v, err := w.decode(payload)
		if err != nil {
			continue
		}
		w.count("replayed")
		for _, n := range w.all {
			n.take(v)
		}
	}
}
