package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

type leaveOptions struct {
	group   string
	abandon bool
}

func newLeave(a *app) *cobra.Command {
	var o leaveOptions
	cmd := command("leave GROUP [--abandon]", "Leave a group", 1, 1, func(ctx context.Context, args []string) error {
		o.group = args[0]
		return runLeave(ctx, a, o)
	})
	cmd.Flags().BoolVar(&o.abandon, "abandon", false, "as its owner: leave the others without one")
	return cmd
}

func runLeave(ctx context.Context, a *app, o leaveOptions) error {
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		change, err := c.Leave(ctx, o.group, o.abandon)
		if err != nil {
			return err
		}
		return emit(a, change, showChange)
	})
}

// changeMember is kick, ban or unban.
type changeMember func(c *api.Client, ctx context.Context, group, peer string) (node.Change, error)

func newKick(a *app) *cobra.Command {
	return memberCommand(a, "kick GROUP PEER", "Remove a member and replace the key", (*api.Client).Kick)
}

func newBan(a *app) *cobra.Command {
	return memberCommand(a, "ban GROUP PEER", "Remove a person for good and replace the key", (*api.Client).Ban)
}

func newUnban(a *app) *cobra.Command {
	return memberCommand(a, "unban GROUP PEER_ID", "Allow a banned person to be admitted again", (*api.Client).Unban)
}

func memberCommand(a *app, use, short string, change changeMember) *cobra.Command {
	return command(use, short, 2, 2, func(ctx context.Context, args []string) error {
		return runChange(ctx, a, change, args[0], args[1])
	})
}

func runChange(ctx context.Context, a *app, change changeMember, group, peer string) error {
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		done, err := change(c, ctx, group, peer)
		if err != nil {
			return err
		}
		if done.LinksEnded > 0 && !a.json {
			fmt.Fprintf(a.stderr, "conclave: the removal ended %d of the group's links\nhint: make a new one with %s\n", done.LinksEnded, a.own("invite", group, "--link", "--preapproved"))
		}
		return emit(a, done, showChange)
	})
}

func showChange(w io.Writer, c node.Change) {
	row(w, words.Line(c.State), c.PeerID)
	if c.Epoch != nil && c.State != "left" {
		row(w, "now", words.Key(c.Epoch))
	}
}
