package group

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"conclave/keys"
)

// onSend takes items into the outbox and lets out what may leave.
func (m *Machine) onSend(s Send) error {
	if err := m.maySend(s); err != nil {
		return err
	}
	if !m.local.Accept {
		m.local.Accept = true
		m.saveLocal()
	}
	for _, it := range s.Items {
		m.local.Next++
		m.out = append(m.out, OutItem{N: m.local.Next, ID: it.ID, Text: it.Text, Plain: s.Plain || !m.st.settings.E2EE, Since: m.now})
	}
	return nil
}

// holdNew stores what this Step took and did not let out. What left at once stands
// in its message, and its number is free again.
func (m *Machine) holdNew() {
	i := len(m.out)
	for i > 0 && m.out[i-1].N > m.taken {
		i--
	}
	if i == len(m.out) {
		m.local.Next = m.taken
	}
	m.r.Batch.OutPut = slices.Clone(m.out[i:])
	if i < len(m.out) || m.r.Batch.Local != nil {
		m.saveLocal()
	}
}

func (m *Machine) maySend(s Send) error {
	if err := m.maySign(); err != nil && !errors.Is(err, ErrCareful) {
		return err // what is taken while careful is held until then
	}
	for _, it := range s.Items {
		if len(it.Text) > MaxItemText || !utf8.ValidString(it.Text) {
			return ErrTooLarge
		}
	}
	switch {
	case len(s.Items) == 0 || len(m.out)+len(s.Items) > MaxOutbox:
		return ErrFull
	case s.Plain && m.requiresE2EE():
		return ErrRequired
	case !s.Plain && !m.st.settings.E2EE && m.st.toggle() != nil && m.local.Accepted != m.st.toggle().eh:
		return ErrOff
	}
	return nil
}

// holdsSealed reports whether an item waits that must be encrypted.
func (m *Machine) holdsSealed() bool {
	return slices.ContainsFunc(m.out, func(o OutItem) bool { return !o.Plain })
}

// flush seals, keeps and publishes what may leave the outbox: items that wait
// together leave together. Plaintext overtakes what waits for a key. What was
// given for encryption never leaves as plaintext.
func (m *Machine) flush() {
	if len(m.out) == 0 || m.maySign() != nil {
		return
	}
	m.flushRun(true, nil)
	if !m.holdsSealed() || !m.st.settings.E2EE {
		return
	}
	cur := m.current()
	if cur == nil {
		return
	}
	if m.softDelay(cur) {
		return
	}
	m.flushRun(false, m.current())
}

// flushRun sends the items of one mode, in as few messages as they fit.
func (m *Machine) flushRun(plain bool, epoch *entry) {
	for {
		var items []OutItem
		size := 8 + m.ctrlSize()
		for _, o := range m.out {
			n := len(o.Text) + 32
			if o.Plain != plain {
				continue
			}
			if len(items) == MaxItems || size+n > MaxMessage {
				break
			}
			items = append(items, o)
			size += n
		}
		if len(items) == 0 {
			return
		}
		m.sealItems(items, epoch)
		m.out = slices.DeleteFunc(m.out, func(o OutItem) bool {
			return slices.ContainsFunc(items, func(i OutItem) bool { return i.N == o.N })
		})
	}
}

// ctrlSize is how many bytes of the next message its control view takes.
func (m *Machine) ctrlSize() int {
	if c := m.citeControl(); c != nil {
		return len(keys.Marshal(c))
	}
	return 0
}

// sealItems makes one message of items under epoch, nil for plaintext, and
// gives it the next place in this node's log.
func (m *Machine) sealItems(out []OutItem, epoch *entry) {
	items := make([]Item, len(out))
	for i, o := range out {
		items[i] = Item{ID: o.ID, Text: o.Text}
	}
	x := m.header(epoch)
	if epoch == nil {
		x.Data = keys.Marshal(items)
	} else {
		salt := Hash(m.fresh("message"))
		commit, ct := keys.SealMessage(keys.SenderKey(m.held[epoch.eh], m.me), salt, x.headerHash(), keys.Marshal(items))
		x.Salt, x.Commit, x.Data = salt[:], commit[:], ct
	}
	rec := m.self.Sign(keys.LabelMessage, m.g.gid, keys.Marshal(x))
	v := Verified{Payload: append([]byte{byte(KindMessage)}, rec.Encode()...), Hash: rec.Hash(), v: x}
	if !m.accept(v) {
		panic(fmt.Sprintf("group: own message %d not acceptable", x.Seq))
	}
	m.cited = cited{view: m.msgs[short(v.Hash)].view, any: true}
	for _, o := range out {
		if o.N <= m.taken {
			m.r.Batch.OutDel = append(m.r.Batch.OutDel, o.N)
		}
		sent := SentItem{ID: o.ID}
		if epoch != nil {
			sent.EID, sent.Gen = epoch.eh, epoch.body.(*Epoch).Gen
		}
		m.r.Sent = append(m.r.Sent, sent)
	}
	m.r.Publish = append(m.r.Publish, v.Payload)
}

// header is the next message of this node, without what is sealed.
func (m *Machine) header(epoch *entry) *Msg {
	x := &Msg{GID: m.g.gid, Author: m.me, Lane: m.lane, Seq: 1, Time: m.now, Deps: m.newestOfOthers(), JID: m.st.incarnation(m.me).eh}
	if top := m.ownTop(); top != nil {
		x.Prev = top.hash
		if top.lane == m.lane {
			x.Seq = top.seq + 1
		}
	}
	x.Ctrl = m.citeControl()
	if epoch != nil {
		x.EID = slices.Clone(epoch.eh[:])
	}
	x.Ord = m.newMessage(Verified{v: x}).ord
	return x
}

func (m *Machine) ownTop() *message {
	var best *message
	for c, log := range m.logs {
		if top := log.top(); c.author == m.me && c.lane <= m.lane && top != nil && (best == nil || c.lane > best.lane) {
			best = top
		}
	}
	return best
}

// citeControl returns the control view to cite, nil where it is that of this
// node's message before.
func (m *Machine) citeControl() *Ctrl {
	heads := m.g.heads(PeerID{}) // this node's own chain too: what it did itself is in its view
	view := m.cited.view
	for _, h := range heads {
		e := m.g.byHash[h.Hash]
		view = view.union(e.past).with(e.idx)
	}
	acks := m.acks(view)
	if m.cited.any && len(acks) == 0 && m.cited.view.holds(view) && m.ownTop() != nil && m.ownTop().lane == m.lane {
		return nil
	}
	return &Ctrl{Seen: heads, Acks: acks[:min(len(acks), maxCited)]}
}

// newestOfOthers names the newest records of others that are not yet behind
// this node's own newest.
func (m *Machine) newestOfOthers() []Head {
	own := uint64(0)
	if top := m.ownTop(); top != nil {
		own = top.ord
	}
	var tops []*message
	for c, log := range m.logs {
		if top := log.top(); c.author != m.me && top != nil && top.ord >= own {
			tops = append(tops, top)
		}
	}
	slices.SortFunc(tops, func(a, b *message) int { return compareOrd(b.ord, a.ord, a.hash, b.hash) })
	var out []Head
	for _, t := range tops[:min(len(tops), MaxDeps)] {
		out = append(out, Head{Author: t.author, Lane: t.lane, Seq: t.seq, Hash: short(t.hash)})
	}
	slices.SortFunc(out, compareHeads)
	return out
}

// headerHash binds the seal to everything in the record but the salt, the
// commitment and the ciphertext.
func (x *Msg) headerHash() Hash {
	h := *x
	h.Salt, h.Commit, h.Data = nil, nil, nil
	return keys.Sum(keys.Marshal(&h))
}

// Cites lists the control entries that a message names.
func (x *Msg) Cites() []Short {
	out := []Short{short(x.JID)}
	if len(x.EID) > 0 {
		out = append(out, Short(x.EID[:16]))
	}
	if x.Ctrl != nil {
		for _, h := range x.Ctrl.Seen {
			out = append(out, h.Hash)
		}
		for _, a := range x.Ctrl.Acks {
			out = append(out, short(a))
		}
	}
	return out
}

// Items returns the lines of a message. key is the room key of its epoch and is
// not used for plaintext. Errors: keys.ErrCommitment, keys.ErrOpen, ErrEncoding,
// ErrBody.
func (x *Msg) Items(key keys.Secret) ([]Item, error) {
	if len(x.EID) == 0 {
		return decodeItems(x.Data)
	}
	pt, err := keys.OpenMessage(keys.SenderKey(key, x.Author), Hash(x.Salt), x.headerHash(), Hash(x.Commit), x.Data)
	if err != nil {
		return nil, err
	}
	return decodeItems(pt)
}
