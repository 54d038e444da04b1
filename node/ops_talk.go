package node

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"conclave/group"
	"conclave/keys"
	"conclave/node/api/words"
)

// MaxTexts is how many texts one Send takes.
const MaxTexts = 256

// Send gives texts to a group. When it returns they are durable and will leave
// exactly once: sent already, or held for a key. With wait it returns when all
// are sent. On an error those answered stand.
func (n *Node) Send(ctx context.Context, ref string, texts []string, plain, wait bool) ([]Sent, error) {
	return n.SendOnce(ctx, "", ref, texts, plain, wait)
}

// SendOnce is Send under a key of the caller's choice, which is remembered with
// the group for a day, the last 4,096 of them. Given again with the same texts it
// sends nothing: it answers for the lines of the first time, as they stand now.
// With others its error is ErrOtherBody. An empty key is none.
func (n *Node) SendOnce(ctx context.Context, key, ref string, texts []string, plain, wait bool) ([]Sent, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return nil, err
	}
	return r.send(ctx, key, texts, plain, wait)
}

func (r *room) send(ctx context.Context, key string, texts []string, plain, wait bool) ([]Sent, error) {
	if len(texts) == 0 || len(texts) > MaxTexts {
		return nil, &Error{Kind: KindUsage, Message: fmt.Sprintf("1 to %d texts at a time", MaxTexts)}
	}
	items := make([]group.Item, len(texts))
	for i, t := range texts {
		if len(t) > group.MaxItemText || !utf8.ValidString(t) || t == "" {
			return nil, &Error{Kind: KindUsage, Message: "text is empty, too long or not UTF-8", Hint: "a line has 1 byte to 32 KiB"}
		}
		id, err := keys.NewItemID()
		if err != nil {
			return nil, personError(err)
		}
		items[i] = group.Item{ID: id, Text: t}
	}
	given, err := newOnce(key, texts, plain, items)
	if err != nil {
		return nil, err
	}
	var blind []keys.PeerID
	held := map[keys.ItemID]bool{}
	j := job{events: []group.Event{group.Send{Items: items, Plain: plain}}, once: given}
	j.look = func(m *group.Machine) {
		blind = cannotRead(m, plain)
		if given != nil && given.repeat {
			held = heldAmong(m, given.row.IDs)
		}
	}
	if wait {
		j.wait = make(chan group.SentItem, len(items))
	}
	rds, err := r.ask(ctx, j)
	if err != nil {
		return nil, personError(err)
	}
	var out []Sent
	if given != nil && given.repeat {
		if out, err = r.recalled(ctx, given.row, held, plain); err != nil {
			return nil, err
		}
	} else {
		out = r.sentAnswers(ctx, items, rds[0].Sent, plain)
	}
	names := peerTexts(blind)
	for i := range out {
		out[i].CannotRead = names
	}
	if wait {
		return r.awaitSent(ctx, out, j.wait)
	}
	return out, nil
}

// mostBlind is how many members an answer to Send names.
const mostBlind = 32

// cannotRead lists members who, as far as this node knows, do not hold the key
// that a line goes out under now: none while there is no such key.
func cannotRead(m *group.Machine, plain bool) (out []keys.PeerID) {
	cur, held := m.Current()
	if plain || !held || !m.Settings().E2EE {
		return nil
	}
	for _, p := range m.Members() {
		if !m.Holds(p, cur.EID) {
			if out = append(out, p); len(out) == mostBlind {
				break
			}
		}
	}
	return out
}

func peerTexts(peers []keys.PeerID) []string {
	out := make([]string, len(peers))
	for i, p := range peers {
		out[i] = p.String()
	}
	return out
}

// sentAnswers says of each item whether it has left.
func (r *room) sentAnswers(ctx context.Context, items []group.Item, sent []group.SentItem, plain bool) []Sent {
	out := make([]Sent, len(items))
	for i, it := range items {
		out[i] = Sent{GroupID: r.gid.String(), MessageID: it.ID.String(), State: "held", Encrypted: !plain, CannotRead: []string{}}
		if k := slices.IndexFunc(sent, func(s group.SentItem) bool { return s.ID == it.ID }); k >= 0 {
			out[i].markSent(sent[k])
		}
	}
	if slices.ContainsFunc(out, func(s Sent) bool { return s.State == "held" }) {
		hint := ""
		r.look(ctx, func(m *group.Machine) { hint = heldReason(m) })
		for i := range out {
			if out[i].State == "held" {
				out[i].Hint = hint
			}
		}
	}
	return out
}

func (s *Sent) markSent(i group.SentItem) {
	s.State, s.Hint = "sent", ""
	s.Encrypted = i.EID != keys.Hash{}
	if s.Encrypted {
		eid := i.EID.String()
		s.Epoch, s.EID = &i.Gen, &eid
	}
}

// heldReason says what held lines wait for.
func heldReason(m *group.Machine) string {
	switch pair := m.Direct(); {
	case !m.Settings().E2EE:
		return words.Say("held.off")
	case pair != nil && len(m.Epochs()) == 0:
		if _, known := m.Bundle(other(*pair, m.Me())); !known {
			return words.Say("held.first")
		}
	}
	if m.Careful() {
		return words.Say("held.comparing")
	}
	if cur, ok := m.Current(); ok {
		return words.Say("held.moment", "n", strconv.FormatUint(cur.Gen+1, 10))
	}
	return words.Say("held.key", "n", strconv.FormatUint(m.Expected(), 10))
}

func (r *room) awaitSent(ctx context.Context, out []Sent, left <-chan group.SentItem) ([]Sent, error) {
	for slices.ContainsFunc(out, func(s Sent) bool { return s.State == "held" }) {
		select {
		case s := <-left:
			for i := range out {
				if out[i].MessageID == s.ID.String() {
					out[i].markSent(s)
				}
			}
		case <-ctx.Done():
			held := slices.IndexFunc(out, func(s Sent) bool { return s.State == "held" })
			hint := out[held].Hint
			r.look(r.n.ctx, func(m *group.Machine) { hint = heldReason(m) }) // may be another by now
			return out[:held], &Error{Kind: TimedOut, Message: "still held: " + hint, Hint: "it is kept and leaves when it can: do not send it again"}
		}
	}
	return out, nil
}

// DM opens the conversation with one person, the same whoever starts it, and
// sends a text if one is given.
func (n *Node) DM(ctx context.Context, peer, text string) (Sent, error) {
	return n.DMOnce(ctx, "", peer, text)
}

// DMOnce is DM with a key for the text, as SendOnce has it.
func (n *Node) DMOnce(ctx context.Context, key, peer, text string) (Sent, error) {
	p, err := parsePeer(peer)
	if err != nil {
		return Sent{}, err
	}
	if p == n.me {
		return Sent{}, &Error{Kind: NotAllowed, Message: "that is your own peer ID", Hint: "give the other person's"}
	}
	gid, pair := group.DirectID(n.me, p)
	r, err := n.addRoom(gid, groupRef{Direct: &pair})
	if err != nil {
		return Sent{}, personError(err)
	}
	if _, err := r.act(ctx, group.AcceptTalk{}); err != nil {
		return Sent{}, personError(err)
	}
	if n.isAsked(gid) {
		if err := n.change(func(d *directory) { d.Groups[gid] = groupRef{Direct: &pair} }); err != nil {
			return Sent{}, err
		}
	}
	n.wakeName()
	r.syncer.from(p)
	if text == "" {
		return Sent{GroupID: gid.String(), State: "open", CannotRead: []string{}}, nil
	}
	sent, err := r.send(ctx, key, []string{text}, false, false)
	if err != nil {
		return Sent{}, err
	}
	return sent[0], nil
}
