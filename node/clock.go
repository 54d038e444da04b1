package node

import (
	"slices"
	"sync"
	"time"

	"conclave/keys"
)

// clock is the one place that reads the clock for the protocol: Unix
// milliseconds.
func (n *Node) clock() uint64 { return uint64(max(n.now().UnixMilli(), 0)) }

func timeText(ms uint64) *string {
	s := time.UnixMilli(int64(min(ms, 253402300799999))).UTC().Format("2006-01-02T15:04:05.000Z")
	return &s
}

// clocks remembers how far the clocks of members are off this node's, for people
// to be told: no rule of the protocol reads a clock.
type clocks struct {
	mu  sync.Mutex
	off map[keys.PeerID]time.Duration // theirs less ours
}

const (
	maxClocks = 256
	clockLook = time.Second // how often somebody looks who waits for the first
)

// note takes what a member said its clock reads, in Unix milliseconds.
func (c *clocks) note(p keys.PeerID, theirs, ours uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.off == nil {
		c.off = map[keys.PeerID]time.Duration{}
	}
	if _, known := c.off[p]; known || len(c.off) < maxClocks {
		off := int64(min(theirs, 1<<52)) - int64(ours)
		c.off[p] = time.Duration(max(min(off, maxSkew), -maxSkew)) * time.Millisecond
	}
}

// known reports whether a member's clock was heard.
func (c *clocks) known() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.off) > 0
}

// maxSkew is the greatest difference that is told apart, in milliseconds: a
// hundred years.
const maxSkew = 100 * 365 * 24 * 3600 * 1000

// median is how far the clocks of the members heard so far are off this one, and
// how many they are.
func (c *clocks) median() (off time.Duration, of int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []time.Duration
	for _, d := range c.off {
		all = append(all, d)
	}
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	low, high := all[(len(all)-1)/2], all[len(all)/2]
	if high.Abs() < low.Abs() { // in doubt the smaller difference
		low = high
	}
	return low, len(all)
}
