package node

import "sync/atomic"

// counts are what this node turned away or put off since it started. What gossip
// itself loses is counted in package mesh.
type counts struct {
	backlog        atomic.Uint64 // records that found no room before the loop
	unpublished    atomic.Uint64 // own payloads that found no room in an outlet
	late           atomic.Uint64 // records beyond their author's budget
	tooManyEpochs  atomic.Uint64 // epochs that were kept but not relayed
	refusedStreams atomic.Uint64 // streams of peers that ask too often
	cutFollowers   atomic.Uint64 // followers of events that did not keep up
}

// dropped is how many payloads were lost on the way, here or at the door of the
// network. Catch-up brings them.
func (n *Node) dropped() uint64 {
	d := n.net.Drops()
	return d.Outbound + d.Validation + n.counts.backlog.Load() + n.counts.unpublished.Load()
}
