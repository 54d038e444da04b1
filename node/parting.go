package node

import (
	"context"
	"maps"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// parting is what stays of a group that this person left, and forgot, before any
// member heard of it: who counts somebody as a member who is gone waits for them,
// and seals to them. It ends with the first member that knows.
// (PROTOCOL.md, "Streams")
type parting struct {
	Records [][]byte                 `json:"records"` // this person's newest control entries; the last is the LEAVE
	Peers   map[keys.PeerID][]string `json:"peers"`   // who is to know, and where they were
	Since   time.Time                `json:"since"`
}

const (
	partingFor  = 30 * 24 * time.Hour
	partingMost = 64 // control entries, none of which any member may have
)

// parting returns what has to stay of a group that is about to be forgotten;
// nothing stays where Peers is empty.
func (r *room) parting(ctx context.Context) (p parting, err error) {
	p = parting{Peers: map[keys.PeerID][]string{}, Since: r.n.now()}
	var bye [][]byte
	if err := r.look(ctx, func(m *group.Machine) {
		if m.Local().Left {
			bye = m.Farewell(r.n.me)
		}
	}); err != nil {
		return p, err
	}
	for _, b := range bye {
		if v, err := group.Decode(r.gid, b); err == nil && v.Entry() != nil && v.Entry().Author == r.n.me {
			p.Records = append(p.Records, b)
		}
	}
	if len(p.Records) == 0 {
		return p, nil
	}
	p.Records = p.Records[max(0, len(p.Records)-partingMost):]
	for _, q := range r.others() {
		addrs := r.n.net.AddrsOf(q)
		p.Peers[q] = addrs[:min(len(addrs), maxAddrs)]
	}
	return p, nil
}

// partings returns those that a peer is to know of.
func (n *Node) partings(p keys.PeerID) map[keys.Hash]parting {
	out := map[keys.Hash]parting{}
	n.read(func(d *directory) {
		for gid, x := range d.Partings {
			if _, ok := x.Peers[p]; ok {
				out[gid] = x
			}
		}
	})
	return out
}

// beginPartings looks for everybody who is to know, at the start of the node.
func (n *Node) beginPartings() error {
	var all map[keys.Hash]parting
	n.read(func(d *directory) { all = maps.Clone(d.Partings) })
	for gid, x := range all {
		if n.now().Sub(x.Since) > partingFor {
			if err := n.parted(gid); err != nil {
				return err
			}
			continue
		}
		n.beginParting(x)
	}
	return nil
}

func (n *Node) beginParting(x parting) {
	for p, addrs := range x.Peers {
		if err := n.net.Remember(p, addrs...); err != nil {
			n.log.Debug("remember", "peer", p.Short(), "err", err)
		}
	}
	for _, p := range n.net.Connected() {
		n.wg.Go(func() { n.partFrom(n.ctx, p) })
	}
}

// parted ends a parting: a member knows.
func (n *Node) parted(gid keys.Hash) error {
	var peers map[keys.PeerID][]string
	err := n.change(func(d *directory) {
		peers = d.Partings[gid].Peers
		delete(d.Partings, gid)
	})
	for p := range peers {
		n.book.letGo(p, gid)
	}
	return err
}

// partFrom asks a peer that appeared whether it knows. Who does not comes for what
// it lacks, as from any member.
func (n *Node) partFrom(ctx context.Context, p keys.PeerID) {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	for gid := range n.partings(p) {
		knows, err := n.knowsOf(ctx, p, gid)
		if err == nil && knows {
			err = n.parted(gid)
		}
		if err != nil && ctx.Err() == nil {
			n.log.Debug("part from a group", "peer", p.Short(), "err", err)
		}
	}
}

// knowsOf reports whether a peer holds this person for a former member.
func (n *Node) knowsOf(ctx context.Context, p keys.PeerID, gid keys.Hash) (bool, error) {
	s, err := n.net.Open(ctx, p, protoSync)
	if err != nil {
		return false, err
	}
	defer s.Close()
	if err := put(s, hello{GID: gid}); err != nil {
		return false, err
	}
	var w welcome
	err = get(s, &w)
	return w.Farewell, err
}

// serveParting gives the entries to a member that catches up, and nothing else.
func (n *Node) serveParting(ctx context.Context, s *mesh.Stream, gid keys.Hash, x parting) error {
	if err := put(s, welcome{Member: true}); err != nil {
		return err
	}
	var theirs group.Heights
	if err := get(s, &theirs); err != nil {
		return err
	}
	if err := put(s, group.Heights{}); err != nil {
		return err
	}
	miss := group.Missing{Records: x.Records}
	if err := put(s, partsOf(miss)); err != nil {
		return err
	}
	var w want
	if err := get(s, &w); err != nil {
		return err
	}
	if err := (&room{n: n, gid: gid}).giveBatches(ctx, s, miss); err != nil {
		return err
	}
	return n.parted(gid)
}
