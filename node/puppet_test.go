package node

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// puppet is somebody who speaks the node's protocols by hand: it keeps to them
// or not, as a test wants, and sees every byte that it is given. It has no disk.
type puppet struct {
	t      testing.TB
	id     *keys.Identity
	bundle keys.Bundle
	seed   keys.Secret
	net    *mesh.Mesh
	gid    keys.Hash
	topic  *mesh.Topic

	mu      sync.Mutex
	m       *group.Machine            // nil: it takes no part
	stored  map[keys.Hash][]byte      // payloads of message records, by hash
	heard   [][]byte                  // every payload that came on the topic
	publish func(payload []byte) bool // what leaves; nil: everything
	in, out int                       // bytes of frames, read and written
}

func newPuppet(t testing.TB) *puppet {
	t.Helper()
	id, err := keys.GenerateIdentity()
	ok(t, err)
	p := &puppet{t: t, id: id, stored: map[keys.Hash][]byte{}}
	p.bundle, p.seed, err = keys.GenerateBundle(id, uint64(time.Now().UnixMilli()))
	ok(t, err)
	p.connect()
	return p
}

// connect starts the puppet's network.
func (p *puppet) connect() {
	p.t.Helper()
	var err error
	ctx, cancel := context.WithCancel(context.Background())
	p.net, err = mesh.New(ctx, mesh.Config{Identity: p.id, Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
	ok(p.t, err)
	net := p.net
	go func() { // somebody has to take the events
		for {
			select {
			case <-net.Events():
			case <-ctx.Done():
				return
			}
		}
	}()
	p.t.Cleanup(func() {
		cancel()
		net.Close()
	})
}

func (p *puppet) me() keys.PeerID { return p.id.PeerID() }

// get and put are those of the node, and count.
func (p *puppet) get(s *mesh.Stream, v any) error {
	b, err := s.ReadFrame(maxFrame)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.in += 4 + len(b)
	p.mu.Unlock()
	return keys.Unmarshal(b, v)
}

func (p *puppet) put(s *mesh.Stream, v any) error {
	b := keys.Marshal(v)
	p.mu.Lock()
	p.out += 4 + len(b)
	p.mu.Unlock()
	return s.WriteFrame(b)
}

// know makes the puppet find n, and stay connected.
func (p *puppet) know(n *player) error {
	ok(p.t, p.net.Remember(n.me, n.net.Addrs()...))
	return p.net.Connect(within(p.t), n.me, n.net.Addrs()...)
}

// open opens a stream to n.
func (p *puppet) open(n *player, proto string) *mesh.Stream {
	p.t.Helper()
	s, err := p.net.Open(within(p.t), n.me, proto)
	ok(p.t, err)
	p.t.Cleanup(func() { s.Close() })
	return s
}

// asksToJoin asks n once to be let in and returns the stream after the answer.
func (p *puppet) asksToJoin(n *player, gid keys.Hash) (*mesh.Stream, joinAnswer, error) {
	s, err := p.net.Open(within(p.t), n.me, protoJoin)
	if err != nil {
		return nil, joinAnswer{}, err
	}
	nonce, err := keys.NewEntropy()
	ok(p.t, err)
	req := group.JoinRequest{Approver: n.me, Group: gid[:], Nonce: keys.Hash(nonce), Bundle: p.bundle.Raw()}
	if err := s.WriteFrame(group.SignJoinRequest(p.id, req)); err != nil {
		return nil, joinAnswer{}, err
	}
	var a joinAnswer
	return s, a, get(s, &a)
}

// joins asks until n lets it in, and takes the control log and the keys.
func (p *puppet) joins(n *player, gid string) {
	p.t.Helper()
	ok(p.t, p.tryJoin(n, gid))
}

func (p *puppet) tryJoin(n *player, ref string) error {
	gid, err := keys.ParseHash(ref)
	if err != nil {
		return err
	}
	s, a, err := p.asksToJoin(n, gid)
	if err != nil {
		return err
	}
	s.Close()
	if a.Status != joinRequested {
		return errors.New("not taken")
	}
	if _, err := n.Approve(within(p.t), ref, p.me().String()); err != nil {
		return err
	}
	if s, a, err = p.asksToJoin(n, gid); err != nil {
		return err
	}
	defer s.Close()
	if a.Status != joinJoined {
		return errors.New("not let in")
	}
	p.gid = gid
	p.mu.Lock()
	p.m = group.New(group.Config{GID: gid, Self: p.id, Bundle: p.bundle}, group.Stored{})
	p.mu.Unlock()
	if _, err := p.takeBatches(s); err != nil {
		return err
	}
	return p.takeKeys(s)
}

// takeBatches takes batches until the last and returns all records in them.
func (p *puppet) takeBatches(s *mesh.Stream) (records [][]byte, err error) {
	for {
		var b batch
		if err := p.get(s, &b); err != nil {
			return records, err
		}
		records = append(records, p.takeBatch(b)...)
		if err := p.put(s, ack{OK: true}); err != nil || b.Last {
			return records, err
		}
	}
}

func (p *puppet) takeBatch(b batch) (records [][]byte) {
	for _, x := range b.Bases {
		p.step(group.Based{Author: x.Author, Lane: x.Lane, Base: x.Base, Ord: x.Ord})
	}
	records = append(records, b.Records...)
	for _, r := range b.Ranges {
		records = append(records, r...)
	}
	for _, r := range records {
		if v, err := group.DecodeOwn(p.gid, r); err == nil {
			p.step(group.Received{Record: v})
		}
	}
	return records
}

// takeKeys takes a keyAnswer.
func (p *puppet) takeKeys(s *mesh.Stream) error {
	var a keyAnswer
	if err := get(s, &a); err != nil {
		return err
	}
	for _, it := range a.Items {
		info := keys.EnvelopeInfo{GID: p.gid, Member: p.me(), Bundle: p.bundle.Hash()}
		var kc keys.Hash
		var known bool
		p.look(func(m *group.Machine) { info.Ectx, kc, info.Minter, known = m.EnvelopeFor(it.EID) })
		if key, err := keys.OpenEnvelope(p.seed, info, it.Envelope); known && err == nil {
			p.step(group.KeyReceived{Commit: kc, Key: key})
		}
	}
	return nil
}

// enters takes part in the topic, together with these nodes.
func (p *puppet) enters(others ...*player) {
	p.t.Helper()
	var allowed []keys.PeerID
	for _, o := range others {
		allowed = append(allowed, o.me)
	}
	topic, err := p.net.Join(mesh.TopicPrefix+group.Topic(p.gid).String(), allowed, p.hears)
	ok(p.t, err)
	p.topic = topic
}

// meshed waits until what the puppet publishes reaches these nodes at once, and
// what they publish reaches the puppet.
func (p *puppet) meshed(others ...*player) {
	p.t.Helper()
	for _, o := range others {
		await(p.t, o.name+" in the puppet's mesh", func() bool {
			return slices.Contains(p.topic.Mesh(), o.me) && slices.Contains(o.roomOf(p.gid.String()).topic.Mesh(), p.me())
		})
	}
}

func (p *puppet) hears(_ keys.PeerID, data []byte) mesh.Verdict {
	p.mu.Lock()
	p.heard = append(p.heard, slices.Clone(data))
	p.mu.Unlock()
	if v, err := group.Decode(p.gid, data); err == nil && v.Chunk() == nil {
		p.step(group.Received{Record: v})
	}
	return mesh.Accept
}

// listened returns every payload that came on the topic so far.
func (p *puppet) listened() [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.heard)
}

func (p *puppet) look(f func(*group.Machine)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p.m)
}

// step takes the puppet's Machine on, and publishes what it asks for.
func (p *puppet) step(ev group.Event) (group.Ready, error) {
	entropy, err := keys.NewEntropy()
	ok(p.t, err)
	p.mu.Lock()
	rd, err := p.m.Step(group.Input{Now: uint64(time.Now().UnixMilli()), Entropy: entropy, Event: ev})
	for _, s := range rd.Batch.Messages {
		p.stored[s.Hash] = s.Payload
	}
	p.mu.Unlock()
	if err != nil || p.topic == nil {
		return rd, err
	}
	for _, payload := range rd.Publish {
		p.says(payload)
	}
	for _, job := range rd.Seal {
		p.step(group.Sealed{Job: job, Envelopes: p.seal(job)})
	}
	return rd, nil
}

func (p *puppet) says(payload []byte) {
	p.mu.Lock()
	may := p.publish
	p.mu.Unlock()
	if may == nil || may(payload) {
		if err := p.topic.Publish(within(p.t), payload); err != nil && !errors.Is(err, mesh.ErrEmptyMesh) {
			p.t.Error(err)
		}
	}
}

func (p *puppet) seal(job group.SealJob) (out []group.Envelope) {
	for _, b := range job.To {
		ct, err := keys.SealEnvelope(b, p.gid, job.Ectx, job.Minter, job.Key)
		ok(p.t, err)
		out = append(out, group.Envelope{Tag: keys.EnvelopeTag(job.Ectx, b.Peer, b.Hash()), Data: ct})
	}
	return out
}

// pulls catches up from n, with the heights given or, where nil, its own, and
// returns all records that it was sent.
func (p *puppet) pulls(ctx context.Context, n *player, h *group.Heights) ([][]byte, error) {
	if h == nil {
		h = new(group.Heights)
		p.look(func(m *group.Machine) { *h = m.Heights() })
	}
	s, err := p.net.Open(ctx, n.me, protoSync)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := p.put(s, hello{GID: p.gid, Root: root(*h)}); err != nil {
		return nil, err
	}
	var w welcome
	if err := p.get(s, &w); err != nil || !w.Member || w.Root == root(*h) {
		return nil, err
	}
	var theirs group.Heights
	var have parts
	if err := errors.Join(p.put(s, *h), p.get(s, &theirs), p.get(s, &have), p.put(s, want{To: math.MaxUint64})); err != nil {
		return nil, err
	}
	return p.takeBatches(s)
}

// greets answers a member that begins to catch up, and says what there is to give.
func (p *puppet) greets(st *mesh.Stream) (miss group.Missing, wants bool) {
	var h hello
	if get(st, &h) != nil || h.GID != p.gid {
		return miss, false
	}
	var mine, theirs group.Heights
	p.look(func(m *group.Machine) { mine = m.Heights() })
	if put(st, welcome{Member: true, Root: root(mine)}) != nil || h.Root == root(mine) || get(st, &theirs) != nil {
		return miss, false
	}
	var err error
	p.look(func(m *group.Machine) { miss, err = m.MissingAt(st.Peer(), theirs) })
	ok(p.t, err)
	return miss, put(st, mine) == nil && put(st, partsOf(miss)) == nil
}
