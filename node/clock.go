package node

import "time"

// clock is the one place that reads the clock for the protocol: Unix
// milliseconds.
func (n *Node) clock() uint64 { return uint64(max(n.now().UnixMilli(), 0)) }

func timeText(ms uint64) *string {
	s := time.UnixMilli(int64(min(ms, 253402300799999))).UTC().Format("2006-01-02T15:04:05.000Z")
	return &s
}
