package node

import "sync/atomic"

// counts are what this node turned away or put off, since it started.
type counts struct {
	refusedStreams atomic.Uint64 // streams of peers that ask too often
	tooManyEpochs  atomic.Uint64 // epochs that were kept but not relayed
}
