package sim

import (
	"fmt"
	"slices"

	"conclave/group"
	"conclave/keys"
)

// ledger is what nobody in the world sees as a whole: everything that left a
// node, who holds which key, and what people asked for.
type ledger struct {
	wire     [][]byte // every payload that was ever published
	left     map[keys.Hash]bool
	messages map[keys.Hash]*group.Msg // every message record that anybody ever held
	numbers  map[number]keys.Hash     // honest people's records
	sealed   map[keys.Hash]*sealing
	under    map[keys.Hash][]*sealing // by epoch, of those that left
	items    map[keys.ItemID]*line
	holders  map[keys.Hash]map[keys.PeerID]bool
	roomKey  map[keys.Hash]keys.Secret
	states   map[string]string    // what a set of entries added up to
	ords     map[keys.Hash]uint64 // exact ord by record
	forged   map[keys.Hash]string // records that somebody made by hand, and how
	cheats   map[keys.PeerID]bool
	twice    map[keys.PeerID]bool // who has signed two entries under one number, or will
	ticks    map[keys.PeerID]int
	minted   map[keys.Hash]standpoint // of an epoch's author then
	inert    map[keys.Hash]string     // entries that count nowhere, ever, and why
	revoked  map[keys.Hash]keys.Hash  // entries beyond the cut of a REVOKE, and that
}

// number is a place in a log.
type number struct {
	kind   group.Kind
	author keys.PeerID
	lane   uint64
	seq    uint64
}

// sealing is one message record at the moment its author sealed it.
type sealing struct {
	hash    keys.Hash
	author  *member
	eid     keys.Hash
	removed []keys.PeerID // whom the author knew as removed
	items   []group.Item
	left    bool
}

// line is one item that a person gave.
type line struct {
	id     keys.ItemID
	author *member
	text   string
	again  bool // was in the outbox of a home that was rolled back
	plain  bool // may leave as plaintext: asked for, or encryption off and acknowledged
	record keys.Hash
	eid    keys.Hash
	old    map[keys.Hash]bool // epochs that were out of use where it was given
}

func newLedger() ledger {
	return ledger{
		left: map[keys.Hash]bool{}, messages: map[keys.Hash]*group.Msg{}, numbers: map[number]keys.Hash{}, sealed: map[keys.Hash]*sealing{},
		under: map[keys.Hash][]*sealing{}, items: map[keys.ItemID]*line{}, holders: map[keys.Hash]map[keys.PeerID]bool{},
		roomKey: map[keys.Hash]keys.Secret{}, states: map[string]string{}, ords: map[keys.Hash]uint64{},
		forged: map[keys.Hash]string{}, cheats: map[keys.PeerID]bool{}, twice: map[keys.PeerID]bool{}, ticks: map[keys.PeerID]int{},
		minted: map[keys.Hash]standpoint{}, inert: map[keys.Hash]string{}, revoked: map[keys.Hash]keys.Hash{},
	}
}

// noteLeft books what this Ready publishes: from now on others have it.
func (n *member) noteLeft(r *group.Ready) {
	for _, payload := range r.Publish {
		v, err := n.w.decode(payload)
		if err != nil {
			n.w.fail("decode", "%s publishes what Decode refuses: %v", n.name, err)
		}
		n.checkDurable(v)
		n.w.tracef("%s publishes %s", n.name, what(v))
		n.w.leaves(v)
	}
}

// what names a record for people.
func what(v group.Verified) string {
	switch {
	case v.Entry() != nil:
		return fmt.Sprintf("%s %d", v.Entry().Type, v.Entry().Seq)
	case v.Msg() != nil:
		return fmt.Sprintf("message %d", v.Msg().Seq)
	}
	return fmt.Sprintf("a record of kind %c", v.Kind())
}

// leaves books one record that left a node, by the topic or by catch-up.
func (w *world) leaves(v group.Verified) {
	if w.book.left[v.Hash] {
		return
	}
	w.book.left[v.Hash] = true
	w.checkOnce(v)
	if s := w.book.sealed[v.Hash]; s != nil {
		s.left = true
		w.book.under[s.eid] = append(w.book.under[s.eid], s)
		w.checkLeftOnce(s)
		w.checkRemovedCannotRead(s)
	}
}

// noteSealed remembers an own message with what its author knew then.
func (n *member) noteSealed(s group.StoredMessage) {
	v, err := n.w.decode(s.Payload)
	if err != nil {
		n.w.fail("decode", "%s wrote what Decode refuses: %v", n.name, err)
	}
	x := v.Msg()
	rec := &sealing{hash: s.Hash, author: n}
	var key keys.Secret
	if len(x.EID) > 0 {
		rec.eid = keys.Hash(x.EID)
		key, _ = n.m.Key(rec.eid)
	}
	if e := n.w.oracle.by[rec.eid]; e != nil && !n.w.oracle.of(n).eligible(e) {
		n.w.fail("ELIGIBLE", "%s seals under epoch %s, which it must not", n.name, rec.eid.Short())
	}
	if rec.items, err = x.Items(key); err != nil {
		n.w.fail("S9", "%s cannot open its own message: %v", n.name, err)
	}
	for _, q := range n.w.all {
		if n.m.Removed(q.me) {
			rec.removed = append(rec.removed, q.me)
		}
	}
	n.w.book.sealed[s.Hash] = rec
}

// noteHolds books that a person holds a key.
func (w *world) noteHolds(p *member, eid keys.Hash, key keys.Secret, how string) {
	hs := w.book.holders[eid]
	if hs == nil {
		hs = map[keys.PeerID]bool{}
		w.book.holders[eid] = hs
	}
	w.checkSameKey(p, eid, key)
	if hs[p.me] {
		return
	}
	hs[p.me] = true
	w.checkMayHold(p, eid, how)
	for _, s := range w.book.under[eid] {
		if slices.Contains(s.removed, p.me) {
			w.checkRemovedCannotRead(s)
		}
	}
}
