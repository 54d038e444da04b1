package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

func newDeputy(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deputy",
		Short: "Let members act while the owner is away, or no more (owner)",
		Args:  noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e := usage("deputy needs a sub-command")
			e.Hint = "add or remove; `conclave deputy --help` says more"
			return e
		},
	}
	cmd.AddCommand(newDeputyAdd(a), newDeputyRemove(a))
	return cmd
}

func newDeputyAdd(a *app) *cobra.Command {
	var can []string
	cmd := command("add GROUP PEER [--can approve,kick,rotate,invite]",
		"Let a member act for the owner; given again it replaces what was given before", 2, 2,
		func(ctx context.Context, args []string) error {
			return runDeputy(ctx, a, func(ctx context.Context, c *api.Client) (node.Deputy, error) {
				return c.AddDeputy(ctx, args[0], args[1], can)
			})
		})
	cmd.Flags().StringSliceVar(&can, "can", []string{"approve", "kick", "rotate", "invite"}, "what the deputy may do")
	return cmd
}

func newDeputyRemove(a *app) *cobra.Command {
	return command("remove GROUP PEER", "Take that back; what the deputy did until now stands", 2, 2,
		func(ctx context.Context, args []string) error {
			return runDeputy(ctx, a, func(ctx context.Context, c *api.Client) (node.Deputy, error) {
				return c.RemoveDeputy(ctx, args[0], args[1])
			})
		})
}

func runDeputy(ctx context.Context, a *app, do func(context.Context, *api.Client) (node.Deputy, error)) error {
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		d, err := do(ctx, c)
		if err != nil {
			return err
		}
		return emit(a, d, func(w io.Writer, d node.Deputy) {
			row(w, words.Role(d.Role), d.PeerID)
			if len(d.Can) > 0 {
				row(w, words.Can(d.Can))
			}
		})
	})
}
