package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

func newMembers(a *app) *cobra.Command {
	return command("members GROUP", "List a group's members and the newest key each is known to hold", 1, 1,
		func(ctx context.Context, args []string) error {
			return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
				return emitAll(a, c.Members(ctx, args[0]), tableMembers, "nobody")
			})
		})
}

func tableMembers(w io.Writer, all []node.Member) {
	for _, m := range all {
		var remarks []string
		switch {
		case m.Self:
			remarks = append(remarks, "you")
		case m.Verified:
			remarks = append(remarks, words.Verified(true))
		}
		if len(m.Can) > 0 {
			remarks = append(remarks, words.Can(m.Can))
		}
		if m.Alike {
			remarks = append(remarks, words.Say("alike"))
		}
		row(w, words.Who(m.Name, m.PeerID), words.Role(m.Role), words.Online(m.Online), words.Key(m.Epoch), list(remarks))
	}
}
