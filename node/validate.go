package node

import (
	"errors"

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
	if !r.pays(ros, from, v).Allow() {
		r.deliverLate(v)
		return mesh.Ignore // kept if there is room, but not relayed
	}
	tooMany := r.isOneTooMany(ros, v)
	if !r.deliver(v) {
		return mesh.Ignore
	}
	if tooMany || !ros.members[v.Author()] || r.isEarlyPlain(v) {
		return mesh.Ignore // kept, but not relayed
	}
	return mesh.Accept
}

// deliver hands a record to the loop. Of envelopes it is the key for this node
// that matters, and only that.
func (r *room) deliver(v group.Verified) bool {
	if c := v.Chunk(); c != nil {
		if k, ok := r.n.openChunk(r.gid, c); ok {
			return r.post(k)
		}
		return true
	}
	return r.post(group.Received{Record: v})
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
