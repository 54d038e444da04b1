package node

import (
	"context"
	"fmt"
	"slices"

	"conclave/group"
	"conclave/keys"
	"conclave/node/store"
)

// What waited in the outbox of a backup may have left since, from the node that
// the backup is of, and nobody in reach need know: a line leaves once, so none of
// these leaves by itself. They are parked under /b, and go when a record of this
// person brings the same item ID. Else the person decides.

const parkedPrefix = "/b"

func parkedKey(n uint64) string { return parkedPrefix + "/" + store.Num(n) }

// park moves the outbox aside.
func (d *disk) park(b *store.Batch) (count int, err error) {
	before, err := d.parked()
	if err != nil {
		return 0, err
	}
	err = d.each("/q", func(key string, v []byte) error {
		var o group.OutItem
		if keys.Unmarshal(v, &o) != nil {
			return nil
		}
		d.space.Delete(b, key)
		if slices.ContainsFunc(before, func(p group.OutItem) bool { return p.ID == o.ID }) {
			return nil // parked before, and given to the outbox again
		}
		d.space.Put(b, parkedKey(o.N), v)
		count++
		return nil
	})
	return count, err
}

// parked lists what is parked, oldest first.
func (d *disk) parked() (out []group.OutItem, err error) {
	err = d.each(parkedPrefix, func(_ string, v []byte) error {
		var o group.OutItem
		if keys.Unmarshal(v, &o) == nil {
			out = append(out, o)
		}
		return nil
	})
	return out, err
}

func (d *disk) unpark(items []group.OutItem) error {
	if len(items) == 0 {
		return nil
	}
	var b store.Batch
	for _, o := range items {
		d.space.Delete(&b, parkedKey(o.N))
	}
	return d.db.Commit(&b)
}

// loadParked reads what is parked, and drops of it what has left. Called before
// the loop begins, or from it.
func (r *room) loadParked() (err error) {
	if r.parked, err = r.disk.parked(); err != nil || len(r.parked) == 0 {
		return err
	}
	var own []group.StoredMessage
	if err := r.disk.each(fmt.Sprintf("/m/%x", r.n.me[:]), func(_ string, v []byte) error {
		if s, ok := storedMessage(r.gid, v); ok {
			own = append(own, s)
		}
		return nil
	}); err != nil {
		return err
	}
	r.noteLeft(own)
	return nil
}

// settleParked looks at what came for lines that are parked: at new records, and
// where a key came, at all that it may open. Only called from the loop.
func (r *room) settleParked(rd *group.Ready) {
	if len(r.parked) == 0 {
		return
	}
	if len(rd.Keys) == 0 {
		r.noteLeft(rd.Batch.Messages)
	} else if err := r.loadParked(); err != nil {
		r.n.log.Warn("look for parked lines", "err", err)
	}
}

// noteLeft drops what is parked and stands in one of these records. Only called
// from the loop.
func (r *room) noteLeft(records []group.StoredMessage) {
	left := map[keys.ItemID]bool{}
	for _, s := range records {
		for _, it := range r.ownItems(s) {
			left[it.ID] = true
		}
	}
	gone := slices.DeleteFunc(slices.Clone(r.parked), func(o group.OutItem) bool { return !left[o.ID] })
	if err := r.disk.unpark(gone); err != nil {
		r.n.log.Warn("drop parked lines", "err", err) // seen again at the next start
		return
	}
	r.parked = slices.DeleteFunc(r.parked, func(o group.OutItem) bool { return left[o.ID] })
}

// ownItems opens a record of this person; nil where it is another's, or its key
// is not held.
func (r *room) ownItems(s group.StoredMessage) []group.Item {
	if s.Author != r.n.me {
		return nil
	}
	x := s.Msg()
	var key keys.Secret
	if len(x.EID) > 0 {
		var held bool
		if key, held = r.m.Key(keys.Hash(x.EID)); !held {
			return nil
		}
	}
	items, err := x.Items(key)
	if err != nil {
		return nil
	}
	return items
}

// waiting lists what is parked and was not given to the outbox again. Only
// called from the loop.
func (r *room) waiting(m *group.Machine) []group.OutItem {
	held := m.Held()
	return slices.DeleteFunc(slices.Clone(r.parked), func(o group.OutItem) bool {
		return slices.ContainsFunc(held, func(h group.OutItem) bool { return h.ID == o.ID })
	})
}

// Parked lists the lines of a group that waited to leave when the backup was
// made that this home was restored from, oldest first.
func (n *Node) Parked(ctx context.Context, ref string) ([]LogLine, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return nil, err
	}
	out := []LogLine{}
	err = r.look(ctx, func(m *group.Machine) { out = append(out, r.parkedLines(m)...) })
	return out, err
}

func (r *room) parkedLines(m *group.Machine) (out []LogLine) {
	for _, o := range r.waiting(m) {
		line := r.heldLine(m, o)
		line.Reason = ptr("held when the backup was made; it may have left since: see `conclave held`")
		out = append(out, line)
	}
	return out
}

// SendParked gives what is parked to the outbox after all, under its old IDs.
func (n *Node) SendParked(ctx context.Context, ref string) ([]Sent, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return nil, err
	}
	var items []group.OutItem
	if err := r.look(ctx, func(m *group.Machine) { items = r.waiting(m) }); err != nil {
		return nil, err
	}
	out := []Sent{}
	for len(items) > 0 {
		run := slices.IndexFunc(items, func(o group.OutItem) bool { return o.Plain != items[0].Plain })
		if run < 0 {
			run = len(items)
		}
		run = min(run, MaxTexts)
		sent, err := r.sendAgain(ctx, items[:run])
		if err != nil {
			return out, err
		}
		out, items = append(out, sent...), items[run:]
	}
	return out, nil
}

func (r *room) sendAgain(ctx context.Context, from []group.OutItem) ([]Sent, error) {
	items := make([]group.Item, len(from))
	for i, o := range from {
		items[i] = group.Item{ID: o.ID, Text: o.Text}
	}
	rds, err := r.act(ctx, group.Send{Items: items, Plain: from[0].Plain})
	if err != nil {
		return nil, personError(err)
	}
	return r.sentAnswers(ctx, items, rds[0].Sent, from[0].Plain), nil
}

// DropParked forgets what is parked, and says what it was.
func (n *Node) DropParked(ctx context.Context, ref string) ([]LogLine, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return nil, err
	}
	out := []LogLine{}
	var failed error
	err = r.look(ctx, func(m *group.Machine) {
		lines := r.parkedLines(m)
		if failed = r.disk.unpark(r.parked); failed == nil {
			out, r.parked = append(out, lines...), nil
		}
	})
	if err == nil {
		err = diskError(failed)
	}
	return out, err
}
