package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api/words"
)

func newStop(a *app) *cobra.Command {
	return command("stop", "End the node, and wait until it has ended", 0, 0,
		func(ctx context.Context, _ []string) error { return runStop(ctx, a) })
}

// stopped is who ended.
type stopped struct {
	PeerID string `json:"peer_id"`
	State  string `json:"state"` // stopped
}

// runStop returns when another node may run on the home.
func runStop(ctx context.Context, a *app) error {
	if a.timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, a.timeout)
		defer cancel()
		ctx = limited
	}
	c, err := a.dial(ctx)
	if err != nil {
		return err
	}
	s, err := c.Stop(ctx)
	if err != nil {
		return err
	}
	if err := awaitEnd(ctx, a.home); err != nil {
		return err
	}
	return emit(a, stopped{s.PeerID, "stopped"}, func(w io.Writer, s stopped) {
		fmt.Fprintln(w, words.Line(s.State), s.PeerID)
	})
}

// awaitEnd returns when no node has the home any more.
func awaitEnd(ctx context.Context, home string) error {
	for {
		running, err := node.Running(home)
		if err != nil || !running {
			return err
		}
		if !pause(ctx, pollEvery) {
			if errors.Is(ctx.Err(), context.Canceled) {
				return interrupted()
			}
			return &node.Error{Kind: node.TimedOut, Message: "the node is still about to end", Hint: "wait longer with --timeout"}
		}
	}
}
