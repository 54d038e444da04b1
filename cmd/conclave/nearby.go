package main

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

func newNearby(a *app) *cobra.Command {
	return command("nearby", "List the nodes found on the local network", 0, 0, func(ctx context.Context, _ []string) error {
		return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
			names := map[string]string{}
			if !a.json {
				groups, err := collect(c.Groups(ctx, false))
				if err != nil {
					return err
				}
				names = callable(groups)
			}
			people := func(w io.Writer, all []node.Nearby) { tableNearby(w, all, names) }
			return emitAll(a, c.Nearby(ctx), people, "nobody found on the local network so far")
		})
	})
}

// tableNearby shows who is near, the peer ID in full: it is what `conclave join`
// and `conclave invite` take.
func tableNearby(w io.Writer, all []node.Nearby, names map[string]string) {
	for _, n := range all {
		var groups []string
		for _, gid := range n.Shared {
			groups = append(groups, words.Line(nameOf(names, gid)))
		}
		remark := words.Say("near.none")
		if len(groups) > 0 {
			remark = words.Say("near.shared", "who", list(groups))
		}
		row(w, words.Who(value(n.Name), n.PeerID), n.PeerID, words.Online(n.Online), remark, strings.Join(n.Addrs, " "))
	}
}
