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

type transferOptions struct {
	accept bool
}

func newTransfer(a *app) *cobra.Command {
	var o transferOptions
	cmd := command("transfer GROUP PEER | transfer GROUP --accept", "Hand a group over (owner), to someone who has accepted", 1, 2, nil)
	cmd.Flags().BoolVar(&o.accept, "accept", false, "say that you are ready to be its owner")
	cmd.RunE = runs(func(ctx context.Context, args []string) error {
		if o.accept == (len(args) == 2) {
			return usage("transfer needs PEER, or --accept")
		}
		return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
			var h node.Handover
			var err error
			if o.accept {
				h, err = c.TakeOver(ctx, args[0])
			} else {
				h, err = c.Transfer(ctx, args[0], args[1])
			}
			if err != nil {
				return err
			}
			return emit(a, h, a.showHandover)
		})
	})
	return cmd
}

func (a *app) showHandover(w io.Writer, h node.Handover) {
	if h.State == "accepted" {
		fmt.Fprintln(w, words.State("handover", h.State)+"; "+words.Hint("handover.accepted")+" with:")
		fmt.Fprintf(w, "conclave transfer %s %s\n", short(h.GroupID), h.PeerID)
		return
	}
	row(w, words.State("handover", h.State), h.OwnerPeerID)
}

type forkOptions struct {
	name string
}

func newGroupFork(a *app) *cobra.Command {
	var o forkOptions
	cmd := command("fork GROUP [--name NAME]", "Go on in a new group of your own where the owner is gone for good: everyone is invited", 1, 1,
		func(ctx context.Context, args []string) error {
			return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
				f, err := c.Fork(ctx, args[0], o.name)
				if err != nil {
					return err
				}
				return emit(a, f, showFork)
			})
		})
	cmd.Flags().StringVar(&o.name, "name", "", "of the new group; without it, the old one's with a number")
	return cmd
}

func showFork(w io.Writer, f node.Fork) {
	row(w, "group", words.Line(f.Name))
	row(w, "group id", f.GroupID)
	row(w, "instead of", f.Parent)
	row(w, "invited", len(f.Invited))
}
