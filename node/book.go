package node

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"

	"conclave/keys"
	"conclave/node/store"
)

const (
	bookKey  = "/addrs"
	maxAddrs = 8
	maxBook  = 1024 // peers; beyond, those go who are in no group with this node any more
)

// book remembers where the peers that matter were reached last.
type book struct {
	n     *Node
	space *store.Space
	mu    sync.Mutex
	addrs map[keys.PeerID][]string
}

func openBook(n *Node) (*book, error) {
	space, err := n.directorySpace()
	if err != nil {
		return nil, err
	}
	b := &book{n: n, space: space, addrs: map[keys.PeerID][]string{}}
	v, err := space.Get(bookKey)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrCorrupt):
		return b, nil // addresses are found again
	case err != nil:
		return nil, err
	}
	return b, json.Unmarshal(v, &b.addrs)
}

// note writes down where a peer that matters is reached now.
func (b *book) note(p keys.PeerID) {
	if !b.n.matters(p) {
		return
	}
	addrs := b.n.net.AddrsOf(p)
	addrs = addrs[:min(len(addrs), maxAddrs)]
	gone := b.gone()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(addrs) == 0 || slices.Equal(b.addrs[p], addrs) {
		return
	}
	b.addrs[p] = addrs
	for _, q := range gone {
		delete(b.addrs, q)
	}
	if err := b.save(); err != nil {
		b.n.log.Warn("keep addresses", "err", err)
	}
}

// save makes the book durable. Called with mu held.
func (b *book) save() error {
	v, err := json.Marshal(b.addrs)
	if err != nil {
		return err
	}
	var batch store.Batch
	b.space.Put(&batch, bookKey, v)
	return b.n.db.Commit(&batch)
}

// may reports whether a peer may be one that mattered: as far as this node can
// tell, which has forgotten all of them where the book is empty.
func (b *book) may(p keys.PeerID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.addrs) == 0 || len(b.addrs[p]) > 0
}

// everyone lists the peers that were reached once and mattered.
func (b *book) everyone() []keys.PeerID {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Keys(b.addrs))
}

// gone lists whom a full book need not remember. Nobody may be asked who matters
// while mu is held: whoever makes a room holds the node's own lock, and asks here.
func (b *book) gone() []keys.PeerID {
	all := b.everyone()
	if len(all) < maxBook {
		return nil
	}
	return slices.DeleteFunc(all, b.n.matters)
}

// noteAll writes down where those of peers are reached who are connected: they
// may matter only since a moment ago.
func (b *book) noteAll(peers []keys.PeerID) {
	for _, p := range b.n.net.Connected() {
		if slices.Contains(peers, p) {
			b.note(p)
		}
	}
}

// keep redials a peer for as long as the node runs.
func (b *book) keep(p keys.PeerID) {
	b.mu.Lock()
	addrs := b.addrs[p]
	b.mu.Unlock()
	if err := b.n.net.Remember(p, addrs...); err != nil {
		b.n.log.Debug("remember", "peer", p.Short(), "err", err)
	}
}

// letGo ends the redialling of a peer that left a group, unless it is in
// another group of this node.
func (b *book) letGo(p keys.PeerID, gid keys.Hash) {
	for _, r := range b.n.allRooms() {
		if r.gid != gid && r.roster.Load().members[p] {
			return
		}
	}
	if b.n.net != nil {
		b.n.net.Forget(p)
	}
}
