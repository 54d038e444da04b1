package sim

import (
	"slices"

	"conclave/group"
	"conclave/keys"
)

// catchUpWithAny lets n ask one connected node for what it lacks.
func (w *world) catchUpWithAny(n *member) {
	var some []*member
	for _, p := range w.all {
		if w.linked(n, p) && (n.roster[p.me] || n.asksOf(p)) {
			some = append(some, p)
		}
	}
	if p, ok := pick(w, some); ok {
		w.catchUp(n, p)
	}
}

func (n *member) asksOf(p *member) bool {
	for _, q := range n.asks {
		if q == p {
			return true
		}
	}
	return false
}

// catchUp is one round of the sync stream: n says what it holds, from answers
// with what n lacks and may have; then n asks for keys. It reports how many
// records from had to offer.
func (w *world) catchUp(n, from *member) int {
	if !w.streams(n, from) {
		return 0
	}
	if from.m.Serves(n.me) && !n.m.Behind(w.wire(from.m.Heights())) && w.chance(0.8) && !w.calm {
		n.compared()
		w.askKeys(n, from)
		return 0
	}
	w.count("catch-up")
	miss, err := from.m.MissingAt(n.me, w.wire(n.m.Heights()))
	n.compared()
	if err != nil {
		w.farewell(n, from)
		return 0
	}
	miss.Messages = w.news(n, miss.Messages)
	offered := len(miss.Records) + len(miss.Messages)
	limit := offered + 1
	if !w.calm && w.chance(w.net.cutOff) {
		w.count("fault: catch-up cut off")
		limit = w.rng.IntN(limit)
	}
	for _, b := range miss.Bases {
		n.step(b)
	}
	for _, payload := range miss.Records {
		if limit--; limit < 0 || !n.up {
			return offered
		}
		w.give(n, payload)
	}
	w.askKeys(n, from)
	w.giveMessages(n, from, miss.Messages, limit)
	return offered
}

// news leaves out what n holds of a log with two branches: heads cannot say which
// branch a newest record belongs to that the giver does not know.
func (w *world) news(n *member, refs []group.MessageRef) []group.MessageRef {
	return slices.DeleteFunc(refs, func(r group.MessageRef) bool {
		_, held := n.disk.messages[r.Hash]
		return held && w.book.cheats[r.Author]
	})
}

// farewell tells a former member how its membership ended. Whoever left lets go
// of those who know.
func (w *world) farewell(n, from *member) {
	for _, payload := range from.m.Farewell(n.me) {
		w.count("farewell")
		w.give(n, payload)
	}
	if n.up && n.m.Local().Left && from.m.Removed(n.me) {
		n.swapRoster(nil)
	}
}

// wire lets heights travel, now and then, through the bytes that they travel as.
func (w *world) wire(h group.Heights) group.Heights {
	if w.rng.IntN(16) != 0 {
		return h
	}
	var out group.Heights
	if err := keys.Unmarshal(keys.Marshal(h), &out); err != nil {
		panic(err)
	}
	return out
}

func (w *world) give(n *member, payload []byte) {
	v, err := w.decode(payload)
	if err != nil {
		w.fail("decode", "catch-up offers what Decode refuses: %v", err)
	}
	w.leaves(v)
	n.take(v)
}

// giveMessages hands over message records: runs of one log as ranges, whose last
// signature alone is checked, or one by one.
func (w *world) giveMessages(n, from *member, refs []group.MessageRef, limit int) {
	for len(refs) > 0 && limit > 0 && n.up && from.up {
		if from.busy {
			return
		}
		run := 1
		if w.chance(0.5) {
			for run < len(refs) && run < limit && refs[run].Author == refs[0].Author && refs[run].Lane == refs[0].Lane && refs[run].Seq == refs[0].Seq+uint64(run) {
				run++
			}
		}
		var payloads [][]byte
		for _, ref := range refs[:run] {
			s, ok := from.disk.messages[ref.Hash]
			if !ok {
				w.fail("S9", "%s offers message %d of %s, which is not on its disk", from.name, ref.Seq, w.by[ref.Author].name)
			}
			payloads = append(payloads, s.Payload)
		}
		vs, err := group.DecodeRange(w.gid, payloads)
		if err != nil { // branches of a fork lie side by side
			for _, p := range payloads {
				w.give(n, p)
			}
		}
		for _, v := range vs {
			w.checkPlainGiven(n, from, v)
			w.leaves(v)
			n.take(v)
		}
		refs, limit = refs[run:], limit-run
	}
}

// askKeys is the key stream: n asks for what it lacks, with its newest bundle.
func (w *world) askKeys(n, from *member) {
	if !w.streams(n, from) {
		return
	}
	for i, eid := range n.m.Wanted() {
		if i >= 16 {
			return
		}
		job, err := from.m.Serve(n.me, eid, n.bundle)
		if e := w.oracle.by[eid]; e != nil {
			from.checkServed(n, e, err)
		}
		if err != nil {
			continue
		}
		key, ok := n.openEnvelope(job, w.seal(job)[0])
		if !ok {
			w.fail("L2", "%s cannot open what %s sealed for it", n.name, from.name)
		}
		w.count("key on request")
		n.step(group.KeyReceived{Commit: job.KC, Key: key})
		if !n.up {
			return
		}
	}
}

func (n *member) openEnvelope(job group.SealJob, env group.Envelope) (keys.Secret, bool) {
	info := keys.EnvelopeInfo{GID: n.w.gid, Ectx: job.Ectx, Minter: job.Minter, Member: n.me, Bundle: n.bundle.Hash()}
	key, err := keys.OpenEnvelope(n.seeds[n.bundle.Hash()], info, env.Data)
	return key, err == nil
}
