package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

func newDoctor(a *app) *cobra.Command {
	return command("doctor", "Say what is wrong with this node, and what to do", 0, 0,
		func(ctx context.Context, _ []string) error {
			return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
				return emitAll(a, c.Doctor(ctx), tableFindings, "nothing was looked at")
			})
		})
}

func tableFindings(w io.Writer, all []node.Finding) {
	for _, f := range all {
		about := f.Check
		if f.Group != nil {
			about += " " + *f.Group
		}
		row(w, words.Finding(f.State), about, words.Line(f.Says))
		if f.Hint != nil {
			row(w, "", "", "-> "+words.Line(*f.Hint))
		}
	}
}
