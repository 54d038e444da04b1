package node

import (
	"context"
	"errors"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
	"conclave/node/store"
)

const (
	keysPerAsk  = 64
	keyTimeout  = 20 * time.Second
	bundleLife  = 7 * 24 * time.Hour  // before it is replaced
	bundleGrace = 14 * 24 * time.Hour // after that, before its private half is erased
)

// askKeys asks p for the room keys that this node lacks and may have.
func (r *room) askKeys(ctx context.Context, p keys.PeerID) error {
	var want []keys.Hash
	if err := r.look(ctx, func(m *group.Machine) { want = m.Wanted() }); err != nil || len(want) == 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, keyTimeout)
	defer cancel()
	s, err := r.n.net.Open(ctx, p, protoKey)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := put(s, keyAsk{GID: r.gid, Bundle: r.n.ownBundle().Raw(), EIDs: want[:min(len(want), keysPerAsk)]}); err != nil {
		return err
	}
	return r.takeKeys(ctx, s)
}

// takeKeys opens the envelopes of a keyAnswer.
func (r *room) takeKeys(ctx context.Context, s *mesh.Stream) error {
	var a keyAnswer
	if err := get(s, &a); err != nil {
		return err
	}
	if len(a.Items) > keysPerAsk {
		return group.ErrSize
	}
	var evs []group.Event
	for _, it := range a.Items {
		if len(it.Envelope) != keys.EnvelopeSize {
			continue
		}
		if k, ok := r.openItem(ctx, it); ok {
			evs = append(evs, k)
		}
	}
	if len(evs) == 0 {
		return nil
	}
	_, err := r.do(ctx, evs...)
	return err
}

// openItem opens one envelope with whichever of this node's bundles it was
// sealed to.
func (r *room) openItem(ctx context.Context, it keyItem) (group.KeyReceived, bool) {
	var info keys.EnvelopeInfo
	var kc keys.Hash
	known := false
	if r.look(ctx, func(m *group.Machine) {
		info.Ectx, kc, info.Minter, known = m.EnvelopeFor(it.EID)
	}) != nil || !known {
		return group.KeyReceived{}, false
	}
	info.GID, info.Member = r.gid, r.n.me
	return r.n.openEnvelope(info, kc, it.Envelope, nil)
}

// openChunk opens the envelope for this node in a chunk, if there is one.
func (n *Node) openChunk(gid keys.Hash, c *group.Chunk) (group.KeyReceived, bool) {
	ectx := keys.EnvelopeContext(gid, c.Minter, c.Lane, c.Seq, c.KC)
	info := keys.EnvelopeInfo{GID: gid, Ectx: ectx, Minter: c.Minter, Member: n.me}
	for hash := range n.bag.Bundles() {
		tag := keys.EnvelopeTag(ectx, n.me, hash)
		for _, env := range c.Envelopes {
			if env.Tag == tag {
				return n.openEnvelope(info, c.KC, env.Data, &hash)
			}
		}
	}
	return group.KeyReceived{}, false
}

// openEnvelope opens an envelope with one bundle's private half, or with each
// in turn where it is not known which it was sealed to.
func (n *Node) openEnvelope(info keys.EnvelopeInfo, kc keys.Hash, ct []byte, bundle *keys.Hash) (group.KeyReceived, bool) {
	for hash, b := range n.bag.Bundles() {
		if bundle != nil && hash != *bundle {
			continue
		}
		info.Bundle = hash
		if key, err := keys.OpenEnvelope(b.Seed, info, ct); err == nil {
			return group.KeyReceived{Commit: kc, Key: key}, true
		}
	}
	return group.KeyReceived{}, false
}

// serveKeys answers a member that lacks room keys.
func (n *Node) serveKeys(ctx context.Context, s *mesh.Stream) {
	var ask keyAsk
	if get(s, &ask) != nil || len(ask.EIDs) > keysPerAsk {
		return
	}
	b, err := keys.ParseBundle(ask.Bundle)
	if err != nil || b.Peer != s.Peer() {
		return
	}
	r := n.roomFor(ask.GID, s.Peer())
	if r == nil {
		put(s, keyAnswer{})
		return
	}
	if v, err := group.Decode(ask.GID, append([]byte{byte(group.KindBundle)}, ask.Bundle...)); err == nil {
		r.deliver(v)
	}
	if err := r.giveKeys(ctx, s, b, ask.EIDs); err != nil && ctx.Err() == nil {
		n.log.Debug("serve keys", "peer", s.Peer().Short(), "err", err)
	}
}

func (r *room) giveKeys(ctx context.Context, s *mesh.Stream, b keys.Bundle, eids []keys.Hash) error {
	jobs := make([]group.SealJob, len(eids))
	refused := make([]error, len(eids))
	if err := r.lookFor(ctx, s.Peer(), func(m *group.Machine) {
		for i, eid := range eids {
			jobs[i], refused[i] = m.Serve(s.Peer(), eid, b)
		}
	}); err != nil {
		return err
	}
	budget := r.n.quotas.of(s.Peer()).envelopes
	var a keyAnswer
	for i, eid := range eids {
		it := keyItem{EID: eid}
		var code group.Refusal
		if errors.As(refused[i], &code) {
			it.Refusal = code
		} else if refused[i] == nil && !budget.Allow() {
			it.Refusal = group.RefusedNotHeld // for now: it asks others, and again
		} else if refused[i] == nil {
			ct, err := keys.SealEnvelope(b, r.gid, jobs[i].Ectx, jobs[i].Minter, jobs[i].Key)
			if err != nil {
				return err
			}
			it.Envelope = ct
		}
		a.Items = append(a.Items, it)
	}
	return put(s, a)
}

// ensureBundle reads this node's bundle, or makes one: at the first start, and
// again when it is a week old. A private half is erased two weeks after its
// bundle was replaced.
func (n *Node) ensureBundle() error {
	now := n.now()
	var newest time.Time
	var old []keys.Hash
	for hash, b := range n.bag.Bundles() {
		if b.Created.After(newest) {
			newest = b.Created
		}
		if now.Sub(b.Created) > bundleLife+bundleGrace {
			old = append(old, hash)
		}
	}
	b, err := keys.ParseBundle(n.dir.Bundle)
	if _, held := n.bag.Bundle(b.Hash()); err != nil || !held || now.Sub(newest) > bundleLife {
		return n.replaceBundle(b.Seq, old)
	}
	n.bundle = b
	return nil
}

func (n *Node) replaceBundle(last uint64, erase []keys.Hash) error {
	b, seed, err := keys.GenerateBundle(n.self, max(last+1, n.clock()))
	if err != nil {
		return err
	}
	if err := n.bag.Update(func(tx *store.Tx) error {
		tx.PutBundle(b.Hash(), seed, n.now())
		for _, h := range erase {
			tx.EraseBundle(h)
		}
		return nil
	}); err != nil {
		return err
	}
	before := n.dir.Bundle
	n.dir.Bundle = b.Raw()
	if err := n.saveDirectory(); err != nil {
		n.dir.Bundle = before
		return err
	}
	n.bundle = b // not before: whoever compares has to see that it is new
	return nil
}

func (n *Node) ownBundle() keys.Bundle {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.bundle
}

// keepBundle replaces the bundle when its time has come, and tells every group.
func (n *Node) keepBundle(ctx context.Context) {
	for pause(ctx, time.Hour) {
		n.mu.Lock()
		before := n.bundle.Seq
		err := n.ensureBundle()
		now := n.bundle
		n.mu.Unlock()
		if err != nil {
			n.log.Warn("replace bundle", "err", err)
			continue
		}
		if now.Seq == before {
			continue
		}
		for _, r := range n.allRooms() {
			if v, err := group.Decode(r.gid, append([]byte{byte(group.KindBundle)}, now.Raw()...)); err == nil {
				r.post(group.NewBundle{Record: v})
			}
		}
	}
}
