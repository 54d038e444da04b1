package main

import (
	"context"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

type joinOptions struct {
	target string // PEER_ID[/GROUP]
	note   string
	wait   bool
	list   bool

	withdraw bool
}

func newJoin(a *app) *cobra.Command {
	var o joinOptions
	cmd := command("join PEER_ID[/GROUP] [--note TEXT] [--wait] | join LINK | join --withdraw PEER_ID[/GROUP] | join --list", "Ask to be let into a group; - reads a link from stdin", 0, 1, nil)
	f := cmd.Flags()
	f.StringVar(&o.note, "note", "", "a line for the person who decides")
	f.BoolVar(&o.wait, "wait", false, "wait for the answer")
	f.BoolVar(&o.list, "list", false, "list what was asked, and what became of it")
	f.BoolVar(&o.withdraw, "withdraw", false, "take the request back")
	cmd.RunE = runs(func(ctx context.Context, args []string) error {
		if len(args) > 0 {
			o.target = args[0]
		}
		return runJoin(ctx, a, o)
	})
	return cmd
}

func runJoin(ctx context.Context, a *app, o joinOptions) error {
	switch {
	case o.list && (o.target != "" || o.note != "" || o.wait || o.withdraw):
		return usage("join --list stands alone")
	case o.list:
		return a.listJoins(ctx)
	case o.target == "":
		return usage("join needs PEER_ID or PEER_ID/GROUP")
	case o.withdraw && (o.note != "" || o.wait):
		return usage("join --withdraw takes neither --note nor --wait")
	}
	if o.target == "-" {
		link, err := a.readLink()
		if err != nil {
			return err
		}
		o.target = link
	}
	peer, group, named := strings.Cut(o.target, "/")
	switch {
	case named && group == "":
		return usage("join %s/ names no group", peer)
	case !utf8.ValidString(o.note):
		return usage("--note is not UTF-8")
	}
	if o.withdraw {
		return a.withdrawJoin(ctx, peer, group)
	}
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		a.sayWaiting(o.wait)
		j, err := c.Join(ctx, api.Join{Peer: peer, Group: group, Note: o.note, Wait: o.wait})
		if err != nil {
			return err
		}
		return a.joined(j, o.wait)
	})
}

func (a *app) withdrawJoin(ctx context.Context, peer, group string) error {
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		j, err := c.WithdrawJoin(ctx, peer, group)
		if err != nil {
			return err
		}
		return emit(a, j, showJoin)
	})
}

// readLink reads a link from stdin, where no list of processes shows it.
func (a *app) readLink() (string, error) {
	b, err := io.ReadAll(io.LimitReader(a.stdin, 8192))
	if err != nil {
		return "", err
	}
	link := strings.TrimSpace(string(b))
	if !strings.HasPrefix(link, "conclave:") {
		return "", usage("stdin has no link")
	}
	return link, nil
}

func (a *app) listJoins(ctx context.Context) error {
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		return emitAll(a, c.Joins(ctx), tableJoins, "nothing was asked; ask: conclave join PEER_ID")
	})
}

func tableJoins(w io.Writer, all []node.JoinState) {
	for _, j := range all {
		group := "group not yet known"
		if j.GroupID != nil {
			group = short(*j.GroupID)
		}
		row(w, words.Fingerprint(j.PeerID), group, words.Join(j.State, j.Kept))
	}
}
