package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

func newRetention(a *app) *cobra.Command {
	var keep string
	cmd := command("retention GROUP --keep DUR|forever",
		"Erase messages and keys here that are older, now and every day; others keep theirs", 1, 1,
		func(ctx context.Context, args []string) error { return runRetention(ctx, a, args[0], keep) })
	cmd.Flags().StringVar(&keep, "keep", "", "how long messages of the group are kept here: 90d, 36h, or forever")
	return cmd
}

func runRetention(ctx context.Context, a *app, group, keep string) error {
	if keep == "" {
		e := usage("retention needs --keep")
		e.Hint = "--keep 90d, or --keep forever; `conclave group show` tells what it is"
		return e
	}
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		r, err := c.Retain(ctx, group, keep)
		if err != nil {
			return err
		}
		return emit(a, r, func(w io.Writer, r node.Retention) {
			row(w, "kept here", words.Keep(r.Keep))
			row(w, "erased", words.Count(r.Messages, "message record", "message records"))
			row(w, "", words.Count(r.Keys, "key", "keys"))
		})
	})
}
