package main

import (
	"context"
	"io"
	"iter"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

type heldOptions struct {
	group      string
	send, drop bool
}

func newHeld(a *app) *cobra.Command {
	var o heldOptions
	cmd := command("held GROUP [--send | --drop]",
		"Lines that had not left when the backup was made that this home is from; they leave only by --send", 1, 1,
		func(ctx context.Context, args []string) error {
			o.group = args[0]
			return runHeld(ctx, a, o)
		})
	f := cmd.Flags()
	f.BoolVar(&o.send, "send", false, "send them: those that left since appear twice")
	f.BoolVar(&o.drop, "drop", false, "forget them")
	return cmd
}

func runHeld(ctx context.Context, a *app, o heldOptions) error {
	if o.send && o.drop {
		return usage("--send and --drop exclude each other")
	}
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		switch {
		case o.send:
			sent, err := c.SendHeld(ctx, o.group)
			if err != nil {
				return err
			}
			for _, s := range sent {
				if err := emit(a, s, showSent); err != nil {
					return err
				}
			}
			a.sentHint(sent)
			return nil
		case o.drop:
			dropped, err := c.DropHeld(ctx, o.group)
			if err != nil {
				return err
			}
			return emitAll(a, each(dropped), tableHeld, "nothing is held from a backup")
		}
		return emitAll(a, c.Held(ctx, o.group), tableHeld, "nothing is held from a backup")
	})
}

func each[T any](all []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func tableHeld(w io.Writer, lines []node.LogLine) {
	for _, l := range lines {
		row(w, *l.Time, words.Line(*l.Text))
	}
}
