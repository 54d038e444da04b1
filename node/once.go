package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"conclave/group"
	"conclave/keys"
	"conclave/node/store"
)

// A send may carry a key of its sender's choice. What was given under one is kept
// with it, in the write that makes the lines durable: whoever got no answer asks
// again with the same key, and is answered for the same lines.
//
//	/i/<hash of the key>    onceRow

const (
	onceKept = 4096                // keys of a group
	onceAge  = 24 * 60 * 60 * 1000 // ms that one is kept

	// MaxOnceKey is the most bytes that such a key has.
	MaxOnceKey = 255
)

// ErrOtherBody: the key was used for something else.
var ErrOtherBody = &Error{Kind: KindUsage, Message: "this key was used for other lines", Hint: "a key belongs to one send: give each a fresh one"}

// onceRow is what was given under a key.
type onceRow struct {
	_    struct{} `cbor:",toarray"`
	Made uint64   // Unix milliseconds
	Body keys.Hash
	IDs  []keys.ItemID
}

// once is a send with a key, on its way through the loop, which sets repeat.
type once struct {
	key    keys.Hash
	row    onceRow
	repeat bool  // row is of the send before
	first  *once // where that is one of the same turn
}

func newOnce(key string, texts []string, plain bool, items []group.Item) (*once, error) {
	switch {
	case key == "":
		return nil, nil
	case len(key) > MaxOnceKey:
		return nil, &Error{Kind: KindUsage, Message: "the key is longer than 255 bytes"}
	}
	o := &once{key: keys.Sum([]byte(key))}
	o.row.Body = keys.Sum(keys.Marshal(struct {
		_     struct{} `cbor:",toarray"`
		Texts []string
		Plain bool
	}{Texts: texts, Plain: plain}))
	for _, it := range items {
		o.row.IDs = append(o.row.IDs, it.ID)
	}
	return o, nil
}

// usedKeys are the keys that the loop knows, the oldest first.
type usedKeys []usedKey

type usedKey struct {
	key  keys.Hash
	made uint64
}

func (u usedKeys) has(key keys.Hash) bool {
	return slices.ContainsFunc(u, func(k usedKey) bool { return k.key == key })
}

func onceKey(key keys.Hash) string { return "/i/" + key.String() }

func (d *disk) loadOnce() (u usedKeys, err error) {
	for rec, err := range d.space.Scan(store.Query{Prefix: "/i"}) {
		if err != nil && rec.Key == "" {
			return nil, err
		}
		var row onceRow
		key, bad := keys.ParseHash(strings.TrimPrefix(rec.Key, "/i/"))
		if err == nil && bad == nil && keys.Unmarshal(rec.Value, &row) == nil {
			u = append(u, usedKey{key, row.Made})
		}
	}
	slices.SortStableFunc(u, func(a, b usedKey) int { return cmp.Compare(a.made, b.made) })
	return u, nil
}

// put adds the rows of a turn's sends to its batch, and takes those away that are
// too old or too many. The keys that it returns count once the batch is durable.
func (u usedKeys) put(d *disk, b *store.Batch, now uint64, sends []*once) usedKeys {
	if len(sends) == 0 {
		return u
	}
	u = slices.Clone(u)
	for _, o := range sends {
		u = slices.DeleteFunc(u, func(k usedKey) bool { return k.key == o.key }) // it had expired
		o.row.Made = now
		d.space.Put(b, onceKey(o.key), keys.Marshal(o.row))
		u = append(u, usedKey{o.key, now})
	}
	for ; len(u) > onceKept || len(u) > 0 && u[0].made+onceAge < now; u = u[1:] {
		d.space.Delete(b, onceKey(u[0].key))
	}
	return u
}

// recall looks, for each send with a key, whether the key was used. Then nothing
// is sent: the job is answered for the lines of the first. Only called from the
// loop.
func (r *room) recall(js []job) {
	first := map[keys.Hash]*once{} // of this turn
	for i := range js {
		o := js[i].once
		if o == nil {
			continue
		}
		before, twin := first[o.key]
		switch {
		case twin && before.row.Body == o.row.Body:
			o.row, o.repeat, o.first = before.row, true, before
			js[i].events = nil
		case twin:
			js[i].refuse(ErrOtherBody)
		case r.used.has(o.key):
			if err := r.recallRow(&js[i]); err != nil {
				js[i].refuse(err)
			}
		}
		if !twin && js[i].once != nil && !o.repeat {
			first[o.key] = o
		}
	}
}

// errorOfFirst is what became of the send that a job repeats within one turn.
func errorOfFirst(js []job, outs []outcome, first *once) error {
	for i, j := range js {
		if j.once == first {
			return outs[i].err
		}
	}
	return diskError(store.ErrDiskFull) // it was turned away
}

// refuse answers a job, of which nothing is left.
func (j *job) refuse(err error) {
	j.done <- outcome{err: err}
	*j = job{}
}

func (r *room) recallRow(j *job) error {
	var row onceRow
	v, err := r.disk.space.Get(onceKey(j.once.key))
	if err != nil {
		return err
	}
	if err := keys.Unmarshal(v, &row); err != nil {
		return err
	}
	switch {
	case row.Made+onceAge < r.n.clock():
		return nil // it has expired, and is sent as a new one
	case row.Body != j.once.row.Body:
		return ErrOtherBody
	}
	j.once.row, j.once.repeat, j.events = row, true, nil
	return nil
}

// freshKeys lists the sends with a key of which every step went well.
func freshKeys(js []job, steps []step) (out []*once) {
	failed := map[int]bool{}
	for _, s := range steps {
		for _, i := range s.jobs {
			failed[i] = failed[i] || s.err != nil
		}
	}
	for i, j := range js {
		if j.once != nil && !j.once.repeat && !failed[i] {
			out = append(out, j.once)
		}
	}
	return out
}

// recalled answers for lines that were given before: how each of them stands now.
func (r *room) recalled(ctx context.Context, row onceRow, held map[keys.ItemID]bool, plain bool) ([]Sent, error) {
	items := make([]group.Item, len(row.IDs))
	for i, id := range row.IDs {
		items[i].ID = id
	}
	left, err := r.leftAs(ctx, row, held)
	if err != nil {
		return nil, err
	}
	out := r.sentAnswers(ctx, items, left, plain)
	for i := range out {
		if out[i].State == "held" && !held[row.IDs[i]] {
			out[i].State, out[i].Hint = "sent", "" // and erased since
		}
	}
	return out, nil
}

func heldAmong(m *group.Machine, ids []keys.ItemID) map[keys.ItemID]bool {
	held := map[keys.ItemID]bool{}
	for _, o := range m.Held() {
		if slices.Contains(ids, o.ID) {
			held[o.ID] = true
		}
	}
	return held
}

// leftAs finds among this person's own messages, the newest first, those that the
// lines left in.
func (r *room) leftAs(ctx context.Context, row onceRow, held map[keys.ItemID]bool) (out []group.SentItem, err error) {
	missing := map[keys.ItemID]bool{}
	for _, id := range row.IDs {
		missing[id] = !held[id]
	}
	count := len(row.IDs) - len(held)
	for rec, err := range r.disk.space.Scan(store.Query{Prefix: fmt.Sprintf("/m/%x", r.n.me[:]), Reverse: true}) {
		if errors.Is(err, store.ErrCorrupt) && rec.Key != "" {
			continue
		}
		if err != nil {
			return nil, diskError(err)
		}
		s, ok := storedMessage(r.gid, rec.Value)
		if !ok {
			continue
		}
		sent, made, err := r.itemsIn(ctx, s)
		if err != nil {
			return nil, err
		}
		for _, it := range sent {
			if missing[it.ID] {
				out = append(out, it)
			}
		}
		if len(out) >= count || made+onceAge < row.Made {
			break
		}
	}
	return out, nil
}

// itemsIn lists the lines of an own message, and when it was made.
func (r *room) itemsIn(ctx context.Context, s group.StoredMessage) (out []group.SentItem, made uint64, err error) {
	x := s.Msg()
	err = r.look(ctx, func(m *group.Machine) {
		var of group.SentItem
		var room keys.Secret
		if len(x.EID) > 0 {
			of.EID = keys.Hash(x.EID)
			e, _ := m.Epoch(of.EID)
			of.Gen = e.Gen
			room, _ = m.Key(of.EID)
		}
		items, bad := x.Items(room)
		for _, it := range items {
			of.ID = it.ID
			out = append(out, of)
		}
		if bad != nil {
			out = nil // its key was erased
		}
	})
	return out, x.Time, err
}
