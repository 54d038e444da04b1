package node

import (
	"errors"
	"math"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// validate judges what arrives on the topic: only what no honest node forwards
// is rejected. It runs on gossipsub's goroutines and reads an immutable view.
func (r *room) validate(from keys.PeerID, data []byte) mesh.Verdict {
	v, err := group.Decode(r.gid, data)
	if errors.Is(err, group.ErrUnknown) {
		return mesh.Ignore
	}
	if err != nil {
		return mesh.Reject
	}
	ros := r.roster.Load()
	if !ros.members[from] {
		return mesh.Ignore
	}
	if s := v.Summary(); s != nil {
		return r.beacon.hear(ros, s)
	}
	if !r.pays(ros, from, v).Allow() {
		r.deliverLate(v)
		return mesh.Ignore // kept if there is room, but not relayed
	}
	tooMany, stale := r.isOneTooMany(ros, v), r.isStale(v) // before it is held
	if !r.deliver(v) {
		return mesh.Ignore
	}
	if tooMany || !ros.members[v.Author()] || r.isEarlyPlain(v) || stale {
		return mesh.Ignore // kept, but not relayed
	}
	return mesh.Accept
}

// deliver hands a record to the loop, and of envelopes the key for this node.
func (r *room) deliver(v group.Verified) bool {
	if c := v.Chunk(); c != nil {
		if !r.postRecord(v) { // the commitment in it is compared
			return false
		}
		if k, ok := r.n.openChunk(r.gid, c); ok {
			return r.post(k)
		}
		return true
	}
	return r.postRecord(v)
}

// deliverLate hands on a record beyond its author's budget. A key that comes so
// is asked for again.
func (r *room) deliverLate(v group.Verified) {
	r.n.counts.late.Add(1)
	if v.Chunk() == nil && !r.late.add(v) {
		r.n.counts.backlog.Add(1)
	}
}

// isEarlyPlain reports whether v is a plaintext message whose control view is
// not applied here yet: who may read it is not known.
func (r *room) isEarlyPlain(v group.Verified) bool {
	x := v.Msg()
	if x == nil || len(x.EID) > 0 {
		return false
	}
	for _, h := range x.Cites() {
		if _, ok := r.applied.Load(h); !ok {
			return true
		}
	}
	return false
}

// relayFor is how long after its stated time a record that is held already is
// still handed on: what came by catch-up just before others may lack.
const relayFor = 10 * time.Minute

// isStale reports whether v is held already and from long ago. gossip repeats
// nothing after two minutes: somebody sends it anew.
func (r *room) isStale(v group.Verified) bool {
	said := uint64(math.MaxUint64)
	if x := v.Msg(); x != nil {
		said = x.Time
	} else if e := v.Entry(); e != nil {
		said = e.Time
	}
	now := r.n.clock()
	return said < now && now-said > uint64(relayFor.Milliseconds()) && r.isOld(v)
}
