package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

func newName(a *app) *cobra.Command {
	return command("name [NAME]", "Say what you are called, in all your groups; without NAME, show it", 0, 1,
		func(ctx context.Context, args []string) error { return runName(ctx, a, strings.Join(args, "")) })
}

func runName(ctx context.Context, a *app, name string) error {
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		if name == "" {
			p, err := c.Profile(ctx)
			if err != nil {
				return err
			}
			return emit(a, p, showProfile)
		}
		p, err := c.SetName(ctx, name)
		if err != nil {
			return err
		}
		if err := emit(a, p, showProfile); err != nil || a.json {
			return err
		}
		return a.warnAlike(ctx, c)
	})
}

func showProfile(w io.Writer, p node.Profile) {
	fmt.Fprintln(w, words.Who(value(p.Name), p.PeerID))
	if p.Name == nil {
		row(w, "no name yet; others see the end of your peer ID alone")
	}
}

// warnAlike names the groups in which another could be taken for this person.
func (a *app) warnAlike(ctx context.Context, c *api.Client) error {
	for g, err := range c.Groups(ctx, false) {
		if err != nil {
			return err
		}
		members, err := collect(c.Members(ctx, g.GroupID))
		if err != nil {
			return err
		}
		for _, m := range members {
			if m.Self && m.Alike {
				fmt.Fprintf(a.stderr, "conclave: in %s %s; both are marked\n", words.Line(g.Name), words.Say("alike"))
			}
		}
	}
	return nil
}
