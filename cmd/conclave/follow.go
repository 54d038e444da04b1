package main

import (
	"context"
	"hash/maphash"
	"iter"

	"conclave/node"
	"conclave/node/api"
)

// follower prints a group's log and then what comes. A line may take its place
// anywhere in the order, so what was printed is remembered line by line, as
// eight bytes each.
type follower struct {
	group   string
	out     logOutput
	seed    maphash.Seed
	printed map[uint64]bool
	floor   string // cursor before which nothing is printed
}

// followLog does not end by itself. It starts to listen before it reads, so
// that nothing falls between history and events; a connection that breaks off
// (the node drops who reads too slowly) is made again in the same way.
func (a *app) followLog(ctx context.Context, c *api.Client, o logOptions) error {
	out, err := a.logPrinter(ctx, c, o.group)
	if err != nil {
		return err
	}
	defer out.close()
	return a.followInto(ctx, c, o, out)
}

func (a *app) followInto(ctx context.Context, c *api.Client, o logOptions, out logOutput) error {
	g, err := c.Group(ctx, o.group)
	if err != nil {
		return err
	}
	f := &follower{group: g.GroupID, out: out, seed: maphash.MakeSeed(), printed: map[uint64]bool{}}
	o.group = g.GroupID
	events, err := c.Events(ctx, 0)
	if err != nil {
		return err
	}
	if err := f.begin(ctx, c, o); err != nil {
		return err
	}
	for {
		lost, err := f.listen(ctx, events)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return interrupted()
		}
		if c, err = a.dial(ctx); err != nil {
			return lost
		}
		if events, err = c.Events(ctx, 0); err != nil {
			return lost
		}
		if err := f.take(c.LogAfter(ctx, f.group, f.floor)); err != nil {
			return err
		}
	}
}

// begin prints the history that was asked for, and notes where it begins.
func (f *follower) begin(ctx context.Context, c *api.Client, o logOptions) error {
	if o.limit >= 0 {
		oldest, err := c.Log(ctx, o.group, node.LogQuery{Last: true, Limit: min(max(o.limit, 1), onePage)})
		if err != nil {
			return err
		}
		if len(oldest) > 0 && oldest[0].Cursor != node.EndCursor { // what is missing or held has no place of its own
			f.floor = oldest[0].Cursor
		}
	}
	return f.take(history(ctx, c, o))
}

// take prints those of the lines that are new.
func (f *follower) take(lines iter.Seq2[node.LogLine, error]) error {
	for l, err := range lines {
		if err != nil {
			f.out.flush()
			return err
		}
		if err := f.print(l); err != nil {
			return err
		}
	}
	return f.out.flush()
}

// print writes a line once. A line whose text could not be read, and now can,
// is another line.
func (f *follower) print(l node.LogLine) error {
	if value(l.State) == "held" {
		return nil // shown once it has left
	}
	id := maphash.String(f.seed, l.Kind+" "+l.Cursor+" "+value(l.Reason))
	if f.printed[id] {
		return nil
	}
	f.printed[id] = true
	return f.out.print(l)
}

// listen prints what comes until the stream ends, which lost explains.
func (f *follower) listen(ctx context.Context, events iter.Seq2[node.Event, error]) (lost, err error) {
	for e, err := range events {
		if err != nil {
			return err, nil
		}
		if e.Line == nil || e.GroupID != f.group {
			continue
		}
		if err := f.print(*e.Line); err != nil {
			return nil, err
		}
		if err := f.out.flush(); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
