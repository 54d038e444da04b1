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
	repair := false
	cmd := command("doctor [--repair]", "Say what is wrong with this node, and what to do", 0, 0,
		func(ctx context.Context, _ []string) error {
			if repair {
				return runRepair(a)
			}
			return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
				return emitAll(a, c.Doctor(ctx), tableFindings, "nothing was looked at")
			})
		})
	cmd.Flags().BoolVar(&repair, "repair", false, "with the node stopped: keep what can be read of a damaged database")
	return cmd
}

// runRepair needs no node: it works on the home itself.
func runRepair(a *app) error {
	r, err := node.Repair(node.Config{Home: a.home, Logger: a.logger()})
	if err != nil {
		return err
	}
	if err := emit(a, r, showRepaired); err != nil {
		return err
	}
	if r.Hint != "" && !a.json {
		a.hint(r.Hint)
	}
	return nil
}

func showRepaired(w io.Writer, r node.Repaired) {
	if r.State == "sound" {
		row(w, words.State("repair", r.State))
		return
	}
	row(w, words.State("repair", r.State), words.Count(r.Records, "record", "records")+" kept")
	row(w, "old files", *r.Aside)
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
