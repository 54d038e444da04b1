package sim

import (
	"fmt"
	"slices"
	"strings"

	"conclave/group"
	"conclave/keys"
)

// checkState is S5: "same set, same state, key choice and display order", S6:
// "void stays void", S11: "one effective owner per term" and S12: "no validity,
// order, state or choice of key changes with a local clock". Every node's state
// is compared with what the sentences of the protocol make of its set.
func (n *member) checkState() {
	w := n.w
	n.checkInert()
	v := w.oracle.of(n)
	key := standpoint{v.set, n.disk.owner.stopped}.key()
	got := n.digest()
	if was, ok := w.book.states[key]; ok {
		if was != got {
			w.fail("S5", "%s and another node hold the same entries and differ:\n%s\n%s", n.name, got, was)
		}
		return
	}
	w.book.states[key] = got
	if want := v.digest(w); got != want {
		w.fail("S5", "%s has\n%s\nand should have\n%s", n.name, got, want)
	}
}

// digest is a node's state as text.
func (n *member) digest() string {
	var b strings.Builder
	ms := n.m.Members()
	slices.SortFunc(ms, keys.PeerID.Compare)
	for _, p := range ms {
		fmt.Fprintf(&b, "%s:%s:%d ", n.w.by[p].name, n.m.Role(p), n.m.Caps(p))
	}
	s := n.m.Settings()
	fmt.Fprintf(&b, "| %s e2ee=%v hist=%d rot=%d max=%d/%d |", s.Name, s.E2EE, s.History, s.RotateBy, s.MaxAge, s.MaxMessages)
	for _, h := range sortedKeys(n.disk.entries) {
		if info, ok := n.m.Entry(h); ok && info.Void {
			fmt.Fprintf(&b, " void %s %s", info.Type, h.Short())
		}
	}
	b.WriteString(" | choice")
	for _, h := range n.m.Eligible() {
		fmt.Fprintf(&b, " %s", h.Short())
	}
	return b.String()
}

// digest is the same for what the oracle thinks.
func (v *view) digest(w *world) string {
	var b strings.Builder
	for _, p := range v.members() {
		role, caps := "member", group.Caps(0)
		g := v.grant(p)
		if g != nil {
			role, caps = "deputy", g.body.(*group.Grant).Caps
		}
		if v.owner() == p {
			role = "owner"
		}
		if v.o.talk != nil {
			role = "member"
		}
		fmt.Fprintf(&b, "%s:%s:%d ", w.by[p].name, role, caps)
	}
	s, _ := v.settings()
	fmt.Fprintf(&b, "| %s e2ee=%v hist=%d rot=%d max=%d/%d |", s.Name, s.E2EE, s.History, s.RotateBy, s.MaxAge, s.MaxMessages)
	var void []keys.Hash
	for _, f := range v.in {
		if v.void(f) {
			void = append(void, f.eh)
		}
	}
	slices.SortFunc(void, keys.Hash.Compare)
	for _, h := range void {
		fmt.Fprintf(&b, " void %s %s", v.o.by[h].Type, h.Short())
	}
	b.WriteString(" | choice")
	for _, h := range v.chosen() {
		fmt.Fprintf(&b, " %s", h.Short())
	}
	return b.String()
}

// checkRestart builds a second machine from the disk: it must stand where the
// first one stands.
func (n *member) checkRestart() {
	again := n.rebuilt()
	a, b := n.standing(n.m), n.standing(again)
	if a != b {
		n.w.fail("restart", "%s would start elsewhere:\nlive    %s\nstarted %s", n.name, a, b)
	}
	n.checkWaits()
	n.w.count("restart compared")
}

// checkWaits holds the disk to keeping only what still waits.
func (n *member) checkWaits() {
	for h := range n.disk.waits {
		_, entry := n.disk.entries[h]
		_, message := n.disk.messages[h]
		if entry || message {
			n.w.fail("restart", "%s keeps %s as waiting, which it took in", n.name, h.Short())
		}
	}
}

// standing is everything of a machine that must survive a restart.
func (n *member) standing(m *group.Machine) string {
	var b strings.Builder
	live := n.m
	n.m = m
	b.WriteString(n.digest())
	n.m = live
	for _, eid := range sortedKeys(n.disk.keys) {
		if k, ok := m.Key(eid); ok && k.Equal(n.disk.keys[eid]) {
			fmt.Fprintf(&b, " key %s", eid.Short())
		}
	}
	for _, h := range sortedKeys(n.disk.messages) {
		if m.Visible(h) {
			fmt.Fprintf(&b, " %s", h.Short())
		}
	}
	for _, o := range m.Held() {
		fmt.Fprintf(&b, " out %d", o.N)
	}
	h := m.Heights()
	for _, c := range h.Control {
		fmt.Fprintf(&b, " c%x.%d", c.Author[:2], c.Seq)
	}
	for _, c := range h.Logs {
		if c.Seq > 0 {
			fmt.Fprintf(&b, " m%x.%d-%d", c.Author[:2], c.Base, c.Seq)
		}
	}
	return b.String()
}

// snapshot is what checkNothingChanged compares with. It is taken where an error
// is likely.
func (n *member) snapshot(ev group.Event) string {
	switch ev.(type) {
	case group.Received, group.Tick, group.Online, group.KeyReceived, group.Sealed, group.Based, group.Compared:
		if n.w.rng.IntN(100) != 0 {
			return ""
		}
	default:
		if n.w.rng.IntN(4) != 0 {
			return ""
		}
	}
	return n.inMemory()
}

func (n *member) inMemory() string {
	return fmt.Sprintf("%v %+v %v %v", n.m.Heights(), n.m.Local(), n.m.Held(), n.m.Eligible())
}

// checkNothingChanged holds Step to "all or nothing: with an error nothing has
// changed".
func (n *member) checkNothingChanged(ev group.Event, before string, err error) {
	n.w.count("refused by the machine")
	if before != "" && before != n.inMemory() {
		n.w.fail("all or nothing", "%s: %T gave %q and changed the machine:\n%s\n%s", n.name, ev, err, before, n.inMemory())
	}
}
