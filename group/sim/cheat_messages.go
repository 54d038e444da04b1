package sim

import (
	"conclave/group"
	"conclave/keys"
)

// newest is n's newest message on its own disk, and its seq of all lanes.
func (n *member) newest() *group.Msg {
	var best *group.Msg
	for _, h := range sortedKeys(n.disk.messages) {
		s := n.disk.messages[h]
		if v, err := n.w.decode(s.Payload); err == nil && s.Author == n.me && (best == nil || s.Seq > best.Seq) {
			best = v.Msg()
		}
	}
	return best
}

func (n *member) signMessage(x *group.Msg) []byte {
	return append([]byte{byte(group.KindMessage)}, n.id.Sign(keys.LabelMessage, n.w.gid, keys.Marshal(x)).Encode()...)
}

// plainly makes x a plaintext message of one line.
func (w *world) plainly(x *group.Msg, text string) {
	e := w.entropy()
	x.EID, x.Salt, x.Commit = nil, nil, nil
	x.Data = keys.Marshal([]group.Item{{ID: keys.ItemID(e[:16]), Text: text}})
}

func (w *world) forkLog(n *member) error {
	last := n.newest()
	if last == nil {
		return errNothing
	}
	x := *last
	w.plainly(&x, "the other branch")
	return w.spread(n, "fork of a log", n.signMessage(&x), w.chance(0.3))
}

// backdate begins an older lane, as if it had been there all the time.
func (w *world) backdate(n *member) error {
	x := &group.Msg{
		GID: w.gid, Author: n.me, Lane: uint64(w.between(1, 3)), Seq: 1, Time: startOfTime, Ctrl: &group.Ctrl{},
	}
	if last := n.newest(); last != nil {
		x.JID = last.JID
	} else if js := w.oracle.of(n).admissions(n.me); len(js) > 0 {
		x.JID = js[0].eh
	} else {
		return errNothing
	}
	w.plainly(x, "backdated")
	if w.chance(0.5) {
		if f := w.oracle.by[x.JID]; f != nil && f.Author != n.me {
			x.Ctrl.Seen = []group.Head{{Author: f.Author, Lane: f.Lane, Seq: f.Seq, Hash: group.Short(f.eh[:16])}}
		}
	}
	return w.spread(n, "backdated", n.signMessage(x), w.chance(0.3))
}

// wildMessage claims absurd numbers and cites what nobody has.
func (w *world) wildMessage(n *member) error {
	last := n.newest()
	if last == nil {
		return errNothing
	}
	x := *last
	v, _ := w.decode(n.signMessage(last))
	x.Seq, x.Prev, x.Ord, x.Time, x.Ctrl = last.Seq+1, v.Hash, 1<<64-1, 1<<62, nil
	if w.chance(0.3) {
		x.Seq = 1<<64 - 1
	}
	if w.chance(0.3) {
		x.Deps = []group.Head{{Author: w.somebody(n).me, Seq: uint64(w.between(1, 99)), Hash: group.Short{byte(w.rng.IntN(256))}}}
	}
	w.plainly(&x, "wild")
	return w.spread(n, "wild", n.signMessage(&x), w.chance(0.3))
}

// plantKey sends a wrong key for an epoch, in a chunk of n's own.
func (w *world) plantKey(n *member) error {
	e, ok := pick(w, n.m.Epochs())
	p := w.somebody(n)
	if !ok || !p.up {
		return errNothing
	}
	p.step(group.KeyReceived{Commit: w.oracle.by[e.EID].body.(*group.Epoch).KC, Key: w.entropy()})
	p.step(group.KeyReceived{Commit: keys.Hash(w.entropy()), Key: w.entropy()})
	return nil
}
