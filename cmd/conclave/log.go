package main

import (
	"bufio"
	"context"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
)

const (
	screenful = 50   // lines that people see without --limit
	onePage   = 1000 // lines that one request can bring
)

type logOptions struct {
	group  string
	limit  int // -1 for everything
	follow bool
}

func newLog(a *app) *cobra.Command {
	var o logOptions
	cmd := command("log GROUP [--limit N] [--follow]", "Show what was said, what is missing, and why; without --json it counts as read", 1, 1, nil)
	f := cmd.Flags()
	f.IntVar(&o.limit, "limit", 0, "only the last N lines (default 50; with --json all)")
	f.BoolVar(&o.follow, "follow", false, "then what comes, as it comes")
	cmd.RunE = runs(func(ctx context.Context, args []string) error {
		o.group = args[0]
		switch {
		case f.Changed("limit") && o.limit < 0:
			return usage("--limit is negative")
		case !f.Changed("limit") && a.json:
			o.limit = -1
		case !f.Changed("limit"):
			o.limit = screenful
		}
		return runLog(ctx, a, o)
	})
	return cmd
}

func runLog(ctx context.Context, a *app, o logOptions) error {
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		if o.follow {
			return a.followLog(ctx, c, o)
		}
		out, err := a.logPrinter(ctx, c, o.group)
		if err != nil {
			return err
		}
		defer out.close()
		for l, err := range history(ctx, c, o) {
			if err != nil {
				out.flush()
				return err
			}
			if err := out.print(l); err != nil {
				return err
			}
		}
		return out.flush()
	})
}

// history returns the lines that o asks for, oldest first.
func history(ctx context.Context, c *api.Client, o logOptions) iter.Seq2[node.LogLine, error] {
	switch {
	case o.limit < 0:
		return c.LogAfter(ctx, o.group, "")
	case o.limit <= onePage:
		return lastPage(ctx, c, o.group, o.limit)
	}
	return lastOf(c.LogAfter(ctx, o.group, ""), o.limit)
}

// lastPage asks for the last n lines at once. For none it still asks, so that
// a wrong group is an error.
func lastPage(ctx context.Context, c *api.Client, group string, n int) iter.Seq2[node.LogLine, error] {
	return func(yield func(node.LogLine, error) bool) {
		lines, err := c.Log(ctx, group, node.LogQuery{Last: true, Limit: max(n, 1)})
		if err != nil {
			yield(node.LogLine{}, err)
			return
		}
		for _, l := range lines[max(0, len(lines)-n):] {
			if !yield(l, nil) {
				return
			}
		}
	}
}

// lastOf keeps the last n of a long log.
func lastOf(all iter.Seq2[node.LogLine, error], n int) iter.Seq2[node.LogLine, error] {
	return func(yield func(node.LogLine, error) bool) {
		var kept []node.LogLine
		for l, err := range all {
			if err != nil {
				yield(l, err)
				return
			}
			if kept = append(kept, l); len(kept) == 2*n {
				kept = append(kept[:0], kept[n:]...)
			}
		}
		for _, l := range kept[max(0, len(kept)-n):] {
			if !yield(l, nil) {
				return
			}
		}
	}
}

// logOutput writes lines of a log to stdout through a buffer. What people see of
// it they have read; it is closed when no more comes.
type logOutput struct {
	print func(node.LogLine) error
	flush func() error
	close func()
}

func (a *app) logPrinter(ctx context.Context, c *api.Client, group string) (logOutput, error) {
	w := bufio.NewWriter(a.stdout)
	if a.json {
		buffered := &app{json: true, stdout: w}
		return logOutput{func(l node.LogLine) error { return buffered.line(l) }, w.Flush, func() {}}, nil
	}
	s, err := c.Status(ctx)
	if err != nil {
		return logOutput{}, err
	}
	members, err := collect(c.Members(ctx, group))
	if err != nil {
		return logOutput{}, err
	}
	alike := map[string]bool{}
	for _, m := range members {
		alike[m.PeerID] = m.Alike
	}
	p := &linePrinter{w: w, self: s.PeerID, alike: alike, colour: a.colour(), zone: time.Local, now: time.Now}
	mark := newMarker(func(cursor string) {
		c.Read(context.WithoutCancel(ctx), group, cursor) // best effort: the line was seen whatever becomes of it
	})
	return logOutput{
		print: func(l node.LogLine) error { mark.printed(l); return p.print(l) },
		flush: func() error { err := w.Flush(); mark.flushed(); return err },
		close: mark.close,
	}, nil
}
