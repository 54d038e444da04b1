package node

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"conclave/group"
	"conclave/keys"
	"conclave/node/store"
)

// erasure is what is to go from one group.
type erasure struct {
	records []oldMessage           // to delete
	unlist  []oldMessage           // old, and kept as the end of a log: not to list without a key
	holes   map[hole]uint64        // that come of it
	merged  []hole                 // into those
	keys    map[keys.Hash]int      // room keys to erase, with how many records each sealed
	seen    map[keys.Hash]struct{} // all records under these
	noticed []keys.Hash            // records whose time lies ahead
}

// oldMessage is what is needed of a message record to judge and delete it.
type oldMessage struct {
	stored group.StoredMessage // its place alone
	eid    keys.Hash           // zero: plaintext
	old    bool
}

// planErasure looks through the whole log. A record is deleted if all before it in
// its log are old too, so that a log goes on without holes, and if another follows
// it: the last one says how far the log goes. A key goes when nothing is left under
// it that is not old.
func (r *room) planErasure(ctx context.Context, now, before uint64) (*erasure, error) {
	plan := &erasure{holes: map[hole]uint64{}, keys: map[keys.Hash]int{}, seen: map[keys.Hash]struct{}{}}
	ages, err := r.ages(now, before)
	if err != nil {
		return nil, err
	}
	young := map[keys.Hash]bool{}
	var log []oldMessage
	endLog := func() {
		r.planLog(plan, log)
		log = log[:0]
	}
	err = r.disk.each("/m", func(_ string, v []byte) error {
		s, ok := storedMessage(r.gid, v)
		if !ok {
			return nil
		}
		m := ages.judge(s)
		if len(log) > 0 && (log[0].stored.Author != s.Author || log[0].stored.Lane != s.Lane) {
			endLog()
		}
		log = append(log, m)
		plan.keys[m.eid]++
		plan.seen[s.Hash] = struct{}{}
		young[m.eid] = young[m.eid] || !m.old
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	endLog()
	delete(plan.keys, keys.Hash{})
	for eid := range young {
		if young[eid] {
			delete(plan.keys, eid)
		}
	}
	plan.noticed = ages.news
	return plan, r.addUnused(ctx, plan, ages, young)
}

// addUnused adds the keys that nothing was ever sealed under, and drops those
// whose epoch is not old itself, or may still be used.
func (r *room) addUnused(ctx context.Context, plan *erasure, ages *ages, young map[keys.Hash]bool) error {
	return r.look(ctx, func(m *group.Machine) {
		used := inUse(m)
		for _, e := range m.Epochs() {
			if !ages.isOld(e.EID, e.Time) || slices.Contains(used, e.EID) {
				delete(plan.keys, e.EID)
			} else if _, sealed := plan.keys[e.EID]; e.Held && !sealed && !young[e.EID] {
				plan.keys[e.EID] = 0
			}
		}
	})
}

// inUse lists the epochs that the next line goes out under: here, and at whoever
// holds every key. Older ones are eligible too, but nobody has a reason to use them.
func inUse(m *group.Machine) []keys.Hash {
	var out []keys.Hash
	if cur, held := m.Current(); held {
		out = append(out, cur.EID)
	}
	return append(out, m.Eligible()[:min(1, len(m.Eligible()))]...)
}

// planLog judges one log, in order.
func (r *room) planLog(plan *erasure, log []oldMessage) {
	for i := 1; i < len(log); i++ {
		if log[i].stored.Seq == log[i-1].stored.Seq {
			return // forked: which branch goes on is not for this to judge
		}
	}
	for len(log) > 0 {
		n := 1
		for n < len(log) && log[n].stored.Seq == log[n-1].stored.Seq+1 {
			n++
		}
		r.planRun(plan, log[:n])
		log = log[n:]
	}
}

// planRun judges what follows without a hole.
func (r *room) planRun(plan *erasure, run []oldMessage) {
	n := 0
	for n < len(run)-1 && run[n].old {
		n++
	}
	for _, m := range run[n:] {
		if m.old {
			plan.unlist = append(plan.unlist, m)
		}
	}
	if n == 0 {
		return
	}
	plan.records = append(plan.records, run[:n]...)
	first, last := run[0].stored, run[n-1].stored
	h := hole{last.Author, last.Lane, last.Seq}
	plan.holes[h] = first.Seq - 1
	below := hole{first.Author, first.Lane, first.Seq - 1}
	if from, mine := r.holes[below]; mine { // of earlier days; they change only under retaining
		plan.holes[h] = from
		plan.merged = append(plan.merged, below)
	}
}

// ages tells what is old. A record's time is what its author claims: one that
// lies ahead counts from when it was noticed, or a member could have its lines,
// and their key, kept for ever.
type ages struct {
	now, before uint64
	noticed     map[string]uint64 // by the key under /f
	news        []keys.Hash
}

func futureKey(h keys.Hash) string { return fmt.Sprintf("%s/%x", futurePrefix, h[:16]) }

func (r *room) ages(now, before uint64) (*ages, error) {
	a := &ages{now: now, before: before, noticed: map[string]uint64{}}
	return a, r.disk.each(futurePrefix, func(key string, v []byte) error {
		var at uint64
		if keys.Unmarshal(v, &at) == nil {
			a.noticed[key] = at
		}
		return nil
	})
}

func (a *ages) isOld(h keys.Hash, claimed uint64) bool {
	at, noticed := a.noticed[futureKey(h)]
	if !noticed && claimed > a.now {
		a.news = append(a.news, h)
		return false
	}
	if noticed {
		claimed = min(claimed, at)
	}
	return claimed < a.before
}

func (a *ages) judge(s group.StoredMessage) oldMessage {
	at := group.StoredMessage{Author: s.Author, Lane: s.Lane, Seq: s.Seq, Hash: s.Hash, Ord: s.Ord}
	m := oldMessage{stored: at, old: a.isOld(s.Hash, s.Msg().Time)}
	copy(m.eid[:], s.Msg().EID)
	return m
}

// erase carries a plan out, on the loop: the keys first, durably, then the
// records. What came since the plan was made is left alone.
func (r *room) erase(ctx context.Context, plan *erasure) (out Retention, err error) {
	var failed error
	err = r.look(ctx, func(m *group.Machine) { out, failed = r.onErase(m, plan) })
	if err == nil {
		err = diskError(failed)
	}
	return out, err
}

// onErase is erase. Only called from the loop.
func (r *room) onErase(m *group.Machine, plan *erasure) (out Retention, err error) {
	gone := r.stillUnused(m, plan)
	var b store.Batch
	for _, h := range plan.noticed {
		r.disk.space.Put(&b, futureKey(h), keys.Marshal(r.n.clock()))
	}
	if len(gone)+len(plan.records) == 0 {
		return out, r.n.db.Commit(&b)
	}
	if err := r.disk.bag.Update(func(tx *store.Tx) error {
		for _, eid := range gone {
			tx.EraseRoomKey(r.gid, eid)
		}
		return nil
	}); err != nil {
		return out, err
	}
	point("keys-erased")
	r.disk.erase(&b, plan)
	if err := r.n.db.Commit(&b); err != nil {
		return out, err
	}
	for _, h := range plan.merged {
		delete(r.holes, h)
	}
	for h, from := range plan.holes {
		r.holes[h] = from
	}
	out.Messages = len(plan.records)
	for _, eid := range gone {
		if _, held := m.Key(eid); held {
			out.Keys++
		}
	}
	if err := errors.Join(r.reload(r.n.ownBundle()), r.countAfter(r.reading.Load().readMark)); err != nil {
		r.failed = err // the Machine holds what is erased: nothing more is let out
		r.n.fail(err)
		return out, err
	}
	r.behind = true
	r.wake.Reset(0)
	return out, nil
}

// stillUnused lists the keys of a plan under which nothing was sealed since, and
// nothing will be. Some were erased before.
func (r *room) stillUnused(m *group.Machine, plan *erasure) (out []keys.Hash) {
	used := inUse(m)
	for eid := range plan.keys {
		if slices.Contains(used, eid) || r.disk.bag.Erased(r.gid, eid) {
			continue
		}
		if !slices.ContainsFunc(m.MessagesUnder(eid), func(ref group.MessageRef) bool { _, seen := plan.seen[ref.Hash]; return !seen }) {
			out = append(out, eid)
		}
	}
	slices.SortFunc(out, keys.Hash.Compare)
	return out
}

// erase adds to b what a plan deletes. An old record that stays, as the end of its
// log, is listed no more once its key is erased.
func (d *disk) erase(b *store.Batch, plan *erasure) {
	for _, m := range plan.records {
		s := m.stored
		d.space.Delete(b, recordKey("m", s.Author, s.Lane, s.Seq, s.Hash))
		d.space.Delete(b, messageOrder(s))
		d.space.Delete(b, futureKey(s.Hash))
	}
	for _, m := range plan.unlist {
		if d.bag.Erased(d.gid, m.eid) {
			d.space.Delete(b, messageOrder(m.stored))
		}
	}
	for _, h := range plan.merged {
		d.space.Delete(b, holeKey(h))
	}
	for h, from := range plan.holes {
		d.space.Put(b, holeKey(h), keys.Marshal(from))
	}
	d.space.Put(b, purgeKey, nil)
}
