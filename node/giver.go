package node

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"

	"golang.org/x/time/rate"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// giver sends what a peer is missing in batches, each after the one before it is
// durable there.
type giver struct {
	r    *room
	s    *mesh.Stream
	pace *rate.Limiter // of payload bytes
	b    batch
	size int
	left int // records that are not yet in a batch
}

// giveBatches sends what is missing: control entries, then messages in display
// order, so that each batch rests on what came before.
func (r *room) giveBatches(ctx context.Context, s *mesh.Stream, miss group.Missing) error {
	g := &giver{r: r, s: s, pace: r.n.quotas.of(s.Peer()).bytes}
	return g.give(ctx, miss)
}

// giveParts is giveBatches for somebody who asks others as well: it gives the
// parts that are asked for, with the first of them all that is no message. It
// reports whether everything was given.
func (r *room) giveParts(ctx context.Context, s *mesh.Stream, miss group.Missing) (all bool, err error) {
	if err := put(s, partsOf(miss)); err != nil {
		return false, err
	}
	g := &giver{r: r, s: s, pace: r.n.quotas.of(s.Peer()).bytes}
	given := 0
	for range 2 * maxParts {
		var w want
		if err := get(s, &w); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil // it has what it wanted
			}
			return given == len(miss.Messages), err
		}
		now := group.Missing{Records: miss.Records, Bases: miss.Bases, Messages: inPart(miss.Messages, w)}
		miss.Records, miss.Bases = nil, nil
		if err := g.give(ctx, now); err != nil {
			return false, err
		}
		given += len(now.Messages)
	}
	return false, nil
}

// partsOf divides what is missing into parts of about a batch, with records of
// one ord in one part.
func partsOf(miss group.Missing) parts {
	total := 0
	for _, m := range miss.Messages {
		total += m.Size
	}
	most := max(batchBytes, total/(maxParts-1)+1)
	list := []part{{Count: uint64(len(miss.Records))}}
	size := 0
	for i, m := range miss.Messages {
		if size > 0 && size+m.Size > most && m.Ord > miss.Messages[i-1].Ord && len(list) < maxParts {
			list = append(list, part{From: m.Ord})
			size = 0
		}
		list[len(list)-1].Count++
		size += m.Size
	}
	return parts{List: list}
}

// inPart returns the messages of a part.
func inPart(ms []group.MessageRef, w want) []group.MessageRef {
	at := func(ord uint64) int {
		i, _ := slices.BinarySearchFunc(ms, ord, func(m group.MessageRef, ord uint64) int { return cmp.Compare(m.Ord, ord) })
		return i
	}
	from := at(w.From)
	return ms[from:max(from, at(w.To))]
}

func (g *giver) give(ctx context.Context, miss group.Missing) error {
	g.left = len(miss.Records) + len(miss.Messages)
	for _, x := range miss.Bases {
		g.b.Bases = append(g.b.Bases, base{Author: x.Author, Lane: x.Lane, Base: x.Base, Ord: x.Ord})
	}
	for _, p := range miss.Records {
		if g.full(len(p), len(g.b.Records)) {
			if err := g.flush(ctx, false); err != nil {
				return err
			}
		}
		g.b.Records = append(g.b.Records, p)
		g.add(len(p))
	}
	if err := g.giveMessages(ctx, miss.Messages); err != nil {
		return err
	}
	return g.flush(ctx, true)
}

func (g *giver) giveMessages(ctx context.Context, refs []group.MessageRef) error {
	var window []group.StoredMessage
	for _, ref := range refs {
		m, err := g.r.disk.message(ref)
		if err != nil {
			g.left--
			continue // damaged here: another member has it
		}
		if g.full(len(m.Payload), len(window)) {
			g.b.Ranges, window = g.r.ranges(window)
			if err := g.flush(ctx, false); err != nil {
				return err
			}
		}
		window = append(window, m)
		g.add(len(m.Payload))
	}
	g.b.Ranges, _ = g.r.ranges(window)
	return nil
}

// full reports whether a payload has to go into another batch.
func (g *giver) full(size, records int) bool {
	return g.size > 0 && g.size+size > batchBytes || records >= maxBatchRecords
}

func (g *giver) add(size int) {
	g.size += size
	g.left--
}

// flush sends a batch and waits until it is durable at the peer.
func (g *giver) flush(ctx context.Context, last bool) error {
	g.b.Last, g.b.Left = last, uint64(g.left)
	if err := g.pace.WaitN(ctx, min(g.size, bytesBurst)); err != nil {
		return err
	}
	if err := put(g.s, g.b); err != nil {
		return err
	}
	g.b, g.size = batch{}, 0
	var a ack
	return get(g.s, &a)
}

const maxBatchRecords = 1024

// ranges groups messages into contiguous ranges of their logs. The last of each
// must bear a good signature: one that came here inside a range is checked now,
// and what has none is left for the range after.
func (r *room) ranges(ms []group.StoredMessage) (out [][][]byte, left []group.StoredMessage) {
	for _, log := range byLog(ms) {
		n := len(log)
		for n > 0 && log[n-1].SigSkipped {
			if _, err := group.Decode(r.gid, log[n-1].Payload); err == nil {
				break
			}
			n--
		}
		left = append(left, log[n:]...)
		if n == 0 {
			continue
		}
		payloads := make([][]byte, n)
		for i := range payloads {
			payloads[i] = log[i].Payload
		}
		out = append(out, payloads)
	}
	return out, left
}

// byLog splits messages into contiguous runs of one log each.
func byLog(ms []group.StoredMessage) [][]group.StoredMessage {
	type key struct {
		author keys.PeerID
		lane   uint64
	}
	open := map[key]int{}
	var out [][]group.StoredMessage
	for _, m := range ms {
		k := key{m.Author, m.Lane}
		i, ok := open[k]
		if !ok || out[i][len(out[i])-1].Seq+1 != m.Seq {
			i = len(out)
			open[k] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], m)
	}
	return out
}
