package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api/words"
)

// pollEvery is how often `status --wait` tries a node that is not there yet.
const pollEvery = 50 * time.Millisecond

type statusOptions struct {
	wait bool
}

func newStatus(a *app) *cobra.Command {
	var o statusOptions
	cmd := command("status [--wait]", "Show the node's addresses and how much it knows", 0, 0,
		func(ctx context.Context, _ []string) error { return runStatus(ctx, a, o) })
	cmd.Flags().BoolVar(&o.wait, "wait", false, "wait until the node answers")
	return cmd
}

func runStatus(ctx context.Context, a *app, o statusOptions) error {
	if a.timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, a.timeout)
		defer cancel()
		ctx = limited
	}
	s, err := askStatus(ctx, a)
	for o.wait && node.KindOf(err) == node.NoNode {
		if pause(ctx, pollEvery) {
			s, err = askStatus(ctx, a)
		}
		switch {
		case err == nil || ctx.Err() == nil:
		case errors.Is(ctx.Err(), context.Canceled):
			return interrupted()
		default:
			return &node.Error{Kind: node.TimedOut, Message: "no node came up on " + a.home, Hint: "run `conclave up`"}
		}
	}
	if err != nil {
		return err
	}
	return emit(a, s, showStatus)
}

func askStatus(ctx context.Context, a *app) (node.Status, error) {
	c, err := a.dial(ctx)
	if err != nil {
		return node.Status{}, err
	}
	return c.Status(ctx)
}

// pause waits, and reports false where ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func showStatus(w io.Writer, s node.Status) {
	row(w, "peer id", s.PeerID)
	for i, addr := range s.Addrs {
		label := "addresses"
		if i > 0 {
			label = ""
		}
		row(w, label, addr)
	}
	row(w, "peers", s.Peers)
	row(w, "groups", s.Groups)
	if n := words.Unread(s.Unread); n != "" {
		row(w, "messages", n)
	}
	row(w, "version", s.Version)
	if s.Alarms > 0 {
		row(w, "alarms", words.Count(s.Alarms, "person", "people")+" signed two different things under one number; `conclave doctor` says who")
	}
	if s.Dropped > 0 {
		row(w, "dropped", fmt.Sprintf("%d, left to catch-up", s.Dropped))
	}
}
