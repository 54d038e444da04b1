package mesh

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"conclave/keys"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

var (
	// ErrTooLarge: more than MaxPayload bytes. gossipsub itself would take up to
	// a megabyte, return no error, and send it to nobody.
	ErrTooLarge = errors.New("payload is too large")
	// ErrEmptyMesh: nobody to send to. Nothing was published.
	ErrEmptyMesh = errors.New("no peer in the topic's mesh")
	// ErrTopic: not TopicPrefix and 64 lower hex digits, or joined already.
	ErrTopic = errors.New("topic cannot be joined")
)

// Topic is one joined topic. Its methods are safe for concurrent use.
type Topic struct {
	m     *Mesh
	name  string
	view  *view
	topic *pubsub.Topic
	leave pubsub.RelayCancelFunc

	change sync.Mutex // of the view, and closing
	closed bool
}

// Join takes part in a topic, together with the allowed peers and nobody else.
// Whatever they publish goes to validate, which see. Errors: ErrTopic, ErrClosed.
func (m *Mesh) Join(name string, allowed []keys.PeerID, validate Validator) (*Topic, error) {
	if !validTopic(name) {
		return nil, fmt.Errorf("%w: %q", ErrTopic, name)
	}
	j, err := newJudge(m.host.ID(), m.log, validate)
	if err != nil {
		return nil, err
	}
	t := &Topic{m: m, name: name, view: newView()}
	t.view.swap(allowed)
	if !m.views.put(name, t.view) {
		return nil, fmt.Errorf("%w: %q is joined", ErrTopic, name)
	}
	if err := t.enter(j); err != nil {
		t.Close()
		return nil, err
	}
	// Those who announced the topic before we knew it were refused.
	t.replay()
	return t, nil
}

// enter registers the validator before anything can arrive. The topic is
// relayed, not subscribed to: what is accepted is handed on by the validator,
// and a subscription would only be one more queue that can overflow.
func (t *Topic) enter(j *judge) (err error) {
	ps := t.m.gossip
	if err = ps.RegisterTopicValidator(t.name, j.result, pubsub.WithValidatorInline(true)); err != nil {
		return t.m.ended(err)
	}
	if t.topic, err = ps.Join(t.name); err != nil {
		return t.m.ended(err)
	}
	if t.leave, err = t.topic.Relay(); err != nil {
		return t.m.ended(err)
	}
	return nil
}

// ended turns gossipsub's errors into ErrClosed where the mesh is closed.
func (m *Mesh) ended(err error) error {
	if m.ctx.Err() != nil {
		return ErrClosed
	}
	return err
}

// Allow replaces the set of peers who may take part, in one instant. Whoever is
// no longer in it loses its connection before Allow returns: it would stay in
// the mesh otherwise, and be sent everything. (It may connect again at once;
// then the filters judge it anew, topic by topic.) Whoever is new in it, and
// tried before, is let in without trying again.
func (t *Topic) Allow(peers []keys.PeerID) error {
	t.change.Lock()
	defer t.change.Unlock()
	if t.closed {
		return ErrClosed
	}
	var errs []error
	for _, p := range t.view.swap(peers) {
		errs = append(errs, t.m.host.Network().ClosePeer(p))
	}
	errs = append(errs, t.replay())
	return errors.Join(errs...)
}

// swap puts the set in place and returns who was in it before and is not now.
func (v *view) swap(peers []keys.PeerID) (gone []peer.ID) {
	next := make(peerSet, len(peers))
	for _, p := range peers {
		next[libID(p)] = struct{}{}
	}
	for p := range *v.allowed.Swap(&next) {
		if _, ok := next[p]; !ok {
			gone = append(gone, p)
		}
	}
	return gone
}

// replay repeats the announcements that were refused and would not be now.
func (t *Topic) replay() error {
	var errs []error
	for _, p := range t.m.taps.streams() {
		if t.view.has(p) {
			errs = append(errs, t.m.taps.replay(p, t.name))
		}
	}
	return errors.Join(errs...)
}

// Publish sends data to the peers in the topic's mesh, who forward it. While
// the queue to one of them is long, it waits, unless that peer has stalled. The
// same bytes are sent once in two minutes: again, they are silently nothing.
// Errors: ErrTooLarge, ErrEmptyMesh, ErrClosed, or ctx's.
func (t *Topic) Publish(ctx context.Context, data []byte) error {
	if len(data) > MaxPayload {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(data), MaxPayload)
	}
	mesh := t.m.trace.mesh(t.name)
	if len(mesh) == 0 {
		return ErrEmptyMesh
	}
	for _, p := range mesh {
		if err := t.m.taps.await(ctx, p); err != nil {
			return err
		}
	}
	err := t.topic.Publish(ctx, data)
	if errors.Is(err, pubsub.ErrTopicClosed) {
		return ErrClosed
	}
	return t.m.ended(err)
}

// Ready returns a channel that is closed while a Publish would be sent to
// somebody. Ask again after each use: peers come and go.
func (t *Topic) Ready() <-chan struct{} { return t.m.trace.ready(t.name) }

// Alone returns a channel that is closed while a Publish would be sent to
// nobody. What others publish meanwhile never comes by itself: they announce a
// payload only to peers outside their mesh, and may take this node into it
// before they do. Ask them once Ready.
func (t *Topic) Alone() <-chan struct{} { return t.m.trace.alone(t.name) }

// Mesh lists the peers that a Publish is sent to at once.
func (t *Topic) Mesh() []keys.PeerID { return keysOf(t.m.trace.mesh(t.name)) }

// Peers lists the allowed peers that are connected and take part.
func (t *Topic) Peers() []keys.PeerID {
	var out []peer.ID
	for _, p := range t.topic.ListPeers() {
		if t.view.has(p) && t.m.host.Network().Connectedness(p) == network.Connected {
			out = append(out, p)
		}
	}
	return keysOf(out)
}

// Name returns the topic's name.
func (t *Topic) Name() string { return t.name }

// Close leaves the topic. Joining it again within ten seconds finds the former
// mesh peers holding back for that long.
func (t *Topic) Close() error {
	t.change.Lock()
	defer t.change.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	t.view.swap(nil)
	if t.leave != nil {
		t.leave()
	}
	var errs []error
	if t.topic != nil {
		errs = append(errs, t.topic.Close())
	}
	errs = append(errs, t.m.gossip.UnregisterTopicValidator(t.name))
	t.m.views.put(t.name, nil)
	t.m.trace.forget(t.name)
	if t.m.ctx.Err() != nil {
		return nil
	}
	return errors.Join(errs...)
}

// Drops returns what gossip lost so far.
func (m *Mesh) Drops() Drops { return m.trace.drops() }

func keysOf(ps []peer.ID) []keys.PeerID {
	out := make([]keys.PeerID, 0, len(ps))
	for _, p := range ps {
		if k, err := keyOf(p); err == nil {
			out = append(out, k)
		}
	}
	return out
}
