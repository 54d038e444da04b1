package sim

import (
	"maps"
	"slices"

	"conclave/keys"
)

// copy is a backup of a home.
func (d disk) copy() disk {
	d.keys, d.entries, d.messages = maps.Clone(d.keys), maps.Clone(d.entries), maps.Clone(d.messages)
	d.out, d.latest, d.waits = maps.Clone(d.out), maps.Clone(d.latest), maps.Clone(d.waits)
	d.alarms, d.owner = maps.Clone(d.alarms), d.owner.copy()
	return d
}

// backUp keeps a copy of some homes now and then.
func (w *world) backUp(n *member) error {
	c := n.disk.copy()
	n.backup = &c
	return nil
}

// rollBack puts an old home in the place of the present one, where what n has
// signed since is in reach: "a home rolled back by other means while no peer is
// reachable is detected at first contact, not prevented". (S8)
func (n *member) rollBack() bool {
	w := n.w
	if w.calm || n.backup == nil || n.evil || !w.chance(0.3) || !n.othersHoldAll() {
		return false
	}
	w.count("fault: home rolled back")
	w.logf("%s starts from an old home", n.name)
	n.disk, n.backup, n.rolled = *n.backup, nil, true
	for _, o := range n.disk.out {
		w.book.items[o.ID].again = true
	}
	return true
}

// othersHoldAll reports whether those who are connected, and will serve n, hold
// every record that n signed and that left it.
func (n *member) othersHoldAll() bool {
	w := n.w
	held := func(h keys.Hash) bool {
		return slices.ContainsFunc(w.all, func(p *member) bool {
			if p == n || !p.up || p.busy || p.side != n.side || w.deaf[pair{n, p}] || w.deaf[pair{p, n}] || !p.m.Serves(n.me) {
				return false
			}
			_, entry := p.disk.entries[h]
			_, message := p.disk.messages[h]
			return entry || message && p.m.Visible(h)
		})
	}
	for h := range n.disk.entries {
		if f := w.oracle.by[h]; f.Author == n.me && !held(h) {
			return false
		}
	}
	for h, s := range n.disk.messages {
		if s.Author == n.me && !held(h) {
			return false
		}
	}
	return true
}

// compareAll compares heights with everyone in reach before anything is signed.
func (n *member) compareAll() {
	n.comparing = true
	defer func() { n.comparing = false }()
	for _, p := range n.w.all {
		if n.up && n.w.streams(n, p) && p.m.Serves(n.me) {
			miss, err := p.m.MissingAt(n.me, n.m.Heights())
			if err != nil {
				continue
			}
			for _, payload := range miss.Records {
				n.w.give(n, payload)
			}
			n.w.giveMessages(n, p, miss.Messages, len(miss.Messages)+1)
		}
	}
}
