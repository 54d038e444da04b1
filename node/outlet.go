package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"conclave/node/mesh"
)

const (
	outletBacklog = 4096            // payloads; beyond, the oldest are left to catch-up
	outletBytes   = 32 << 20        // of them
	meshWait      = 3 * time.Second // for a peer that is connected but not yet in the mesh
)

// outlet publishes a room's payloads in order, off the loop: a slow network
// never holds up the disk.
type outlet struct {
	r     *room
	mu    sync.Mutex
	list  [][]byte
	bytes int
	more  chan struct{}
	cold  time.Time // no waiting for a mesh before this moment
}

func newOutlet(r *room) *outlet { return &outlet{r: r, more: make(chan struct{}, 1)} }

// add queues payloads that are durable.
func (o *outlet) add(payloads [][]byte) {
	if len(payloads) == 0 {
		return
	}
	o.mu.Lock()
	o.list = append(o.list, payloads...)
	for _, p := range payloads {
		o.bytes += len(p)
	}
	over := max(0, len(o.list)-outletBacklog)
	for _, p := range o.list[:over] {
		o.bytes -= len(p)
	}
	for ; o.bytes > outletBytes; over++ {
		o.bytes -= len(o.list[over])
	}
	o.list = o.list[over:]
	o.r.n.counts.unpublished.Add(uint64(over))
	o.mu.Unlock()
	select {
	case o.more <- struct{}{}:
	default:
	}
}

func (o *outlet) len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.list)
}

func (o *outlet) take() [][]byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.list
	o.list, o.bytes = nil, 0
	return out
}

// settled is how long after the last payload the others are asked whether they
// hold it: gossip has brought it by then, or has lost it.
const settled = time.Second

func (o *outlet) run(ctx context.Context) {
	quiet := time.NewTimer(settled)
	defer quiet.Stop()
	for {
		select {
		case <-o.more:
		case <-quiet.C:
			o.r.syncer.kick()
			continue
		case <-ctx.Done():
			return
		}
		for _, p := range o.take() {
			if o.publish(ctx, p) != nil {
				return
			}
		}
		quiet.Reset(settled)
	}
}

// publish sends one payload. Where a member is connected but its mesh is not
// there yet it waits a little; what nobody takes is left to catch-up.
func (o *outlet) publish(ctx context.Context, p []byte) error {
	err := o.r.topic.Publish(ctx, p)
	if errors.Is(err, mesh.ErrEmptyMesh) && time.Now().After(o.cold) && o.anyConnected() {
		select {
		case <-o.r.topic.Ready():
			err = o.r.topic.Publish(ctx, p)
		case <-time.After(meshWait):
			o.cold = time.Now().Add(3 * meshWait)
			o.r.syncer.kick()
		case <-ctx.Done():
		}
	}
	switch {
	case err == nil, errors.Is(err, mesh.ErrEmptyMesh):
	case ctx.Err() != nil, errors.Is(err, mesh.ErrClosed):
		return err
	default:
		o.r.n.log.Warn("publish", "err", err)
	}
	return nil
}

func (o *outlet) anyConnected() bool {
	members := o.r.roster.Load().members
	for _, p := range o.r.n.net.Connected() {
		if members[p] {
			return true
		}
	}
	return false
}
