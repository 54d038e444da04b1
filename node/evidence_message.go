package node

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"conclave/group"
	"conclave/keys"
	"conclave/node/api/words"
	"conclave/node/store"
)

// MessageInfo is one line of `message show`.
type MessageInfo struct {
	GroupID    string   `json:"group_id"`
	MessageID  string   `json:"message_id"`
	Sender     string   `json:"sender"`
	SenderName *string  `json:"sender_name"`
	State      string   `json:"state"` // held, sent, delivered; received: somebody else's
	Time       *string  `json:"time"`  // as its sender claims
	Lane       *uint64  `json:"lane"`  // null while it is held, as is what follows
	Seq        *uint64  `json:"seq"`
	Hash       *string  `json:"hash"` // of the record that carries it
	Encrypted  bool     `json:"encrypted"`
	Epoch      *uint64  `json:"epoch"`
	EID        *string  `json:"eid"`
	MintedBy   *string  `json:"minted_by"`
	Readers    []Reader `json:"readers"` // who could read it; null of plaintext, and while it is held
	Says       string   `json:"says"`
}

// Reader is somebody who could read a sealed message.
type Reader struct {
	PeerID    string `json:"peer_id"`
	Name      string `json:"name"`
	Role      string `json:"role"`      // now; none: is out since
	Later     bool   `json:"later"`     // came after the key was made, and and could be handed it all the same
	HoldsKey  bool   `json:"holds_key"` // is known to
	Delivered *bool  `json:"delivered"` // is known to hold the message; null where this node is not its sender
	Says      string `json:"says"`      // all this in words
}

// Message shows a message that this node can read, or holds back: of several
// people who gave one ID to theirs, the message of each.
func (n *Node) Message(ctx context.Context, ref, id string) ([]MessageInfo, error) {
	item, err := keys.ParseItemID(id)
	if err != nil {
		return nil, &Error{Kind: KindUsage, Message: fmt.Sprintf("not a message ID: %.80q", id), Hint: "32 hex digits, as `conclave --json log GROUP` prints"}
	}
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return nil, err
	}
	found, err := r.carrying(ctx, item)
	if err != nil {
		return nil, diskError(err)
	}
	var out []MessageInfo
	if err := r.look(ctx, func(m *group.Machine) {
		for _, s := range found {
			if m.Visible(s.Hash) {
				out = append(out, r.messageInfo(m, s, id))
			}
		}
		for _, o := range m.Held() {
			if o.ID == item {
				out = append(out, r.heldInfo(m, o))
			}
		}
	}); err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, &Error{Kind: NotFound, Message: "no message with this ID that can be read here", Hint: "`conclave --json log GROUP` prints the IDs"}
	}
	return out, nil
}

// carrying returns the records with an item of this ID. The ID lies under the
// seal, so all that can be opened is.
func (r *room) carrying(ctx context.Context, id keys.ItemID) (out []group.StoredMessage, err error) {
	room := maps.Collect(r.disk.bag.RoomKeys(r.gid))
	for rec, err := range r.disk.space.Scan(store.Query{Prefix: "/m"}) {
		if err != nil && rec.Key == "" {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, waitError(ctx)
		}
		s, ok := storedMessage(r.gid, rec.Value)
		if !ok {
			continue // damaged: the log says so
		}
		var eid keys.Hash
		copy(eid[:], s.Msg().EID)
		items, err := s.Msg().Items(room[eid])
		if err == nil && slices.ContainsFunc(items, func(it group.Item) bool { return it.ID == id }) {
			out = append(out, s)
		}
	}
	return out, nil
}

// messageInfo describes a message that has left. Only called from the loop.
func (r *room) messageInfo(m *group.Machine, s group.StoredMessage, id string) MessageInfo {
	x := s.Msg()
	out := MessageInfo{
		GroupID: r.gid.String(), MessageID: id, Sender: x.Author.String(), State: "received", Time: timeText(x.Time),
		Lane: &x.Lane, Seq: &x.Seq, Hash: ptr(s.Hash.String()), Encrypted: len(x.EID) > 0,
	}
	if name := m.Name(x.Author); name != "" {
		out.SenderName = &name
	}
	have, lack, own := m.Delivery(s.Hash)
	if own {
		out.State = "sent"
		if len(have) > 0 && len(lack) == 0 {
			out.State = "delivered"
		}
	}
	if !out.Encrypted {
		out.Says = "plain: everyone who relays it, and whoever is given it, can read it"
		return out
	}
	e, _ := m.Epoch(keys.Hash(x.EID))
	out.Epoch, out.EID, out.MintedBy = &e.Gen, ptr(e.EID.String()), ptr(e.Author.String())
	out.Readers = readers(m, e.EID, have, own)
	out.Says = readersText(e.Gen, out.Readers)
	return out
}

// heldInfo describes a message that waits. Only called from the loop.
func (r *room) heldInfo(m *group.Machine, o group.OutItem) MessageInfo {
	out := MessageInfo{
		GroupID: r.gid.String(), MessageID: o.ID.String(), Sender: m.Me().String(), State: "held", Time: timeText(o.Since),
		Encrypted: !o.Plain, Says: "held, with nobody yet: " + heldReason(m),
	}
	if name := m.Name(m.Me()); name != "" {
		out.SenderName = &name
	}
	return out
}

// readers lists whom an epoch's key was made for, and then who came later and
// could be handed it.
func readers(m *group.Machine, eid keys.Hash, have []keys.PeerID, own bool) []Reader {
	made, later := m.Readers(eid)
	out := []Reader{}
	for i, p := range slices.Concat(made, later) {
		x := Reader{PeerID: p.String(), Name: m.Name(p), Role: m.Role(p), Later: i >= len(made), HoldsKey: m.Holds(p, eid)}
		if own {
			x.Delivered = ptr(p == m.Me() || slices.Contains(have, p))
		}
		x.Says = words.Reader(own && *x.Delivered, x.HoldsKey, x.Role == "none", x.Later)
		out = append(out, x)
	}
	return out
}

func readersText(gen uint64, all []Reader) string {
	later := 0
	for _, x := range all {
		if x.Later {
			later++
		}
	}
	says := fmt.Sprintf("sealed under key %d, which was made for %s", gen, people(len(all)-later))
	if later > 0 {
		says += fmt.Sprintf("; %s who came later could be handed it too, since the group shows its history", people(later))
	}
	return says
}

func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return fmt.Sprintf("%d people", n)
}
