package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/mdp/qrterminal/v3"
	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

func runInviteLink(ctx context.Context, a *app, group string, o inviteOptions) error {
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		l, err := c.CreateLink(ctx, group, node.LinkOptions{Uses: o.uses, Expires: &o.expires, PreApproved: o.preApproved})
		if err != nil {
			return err
		}
		if err := emit(a, l, showLink); err != nil {
			return err
		}
		if o.qr && !a.json {
			qrterminal.GenerateHalfBlock(*l.Link, qrterminal.L, a.stdout)
		}
		return nil
	})
}

func showLink(w io.Writer, l node.Link) {
	row(w, "link id", short(l.InviteID))
	row(w, "good for", words.Link(l.PreApproved, l.Uses))
	if l.Expires != nil {
		row(w, "until", dayCell(*l.Expires))
	}
	if l.Link != nil {
		fmt.Fprintln(w, "others join with:")
		fmt.Fprintln(w, "conclave join "+*l.Link)
	}
}

type linksOptions struct {
	revoke string
}

func newLinks(a *app) *cobra.Command {
	var o linksOptions
	cmd := command("links GROUP [--revoke INVITE_ID]", "List the links to a group, or end one", 1, 1, func(ctx context.Context, args []string) error {
		return runLinks(ctx, a, args[0], o)
	})
	cmd.Flags().StringVar(&o.revoke, "revoke", "", "end this link")
	return cmd
}

func runLinks(ctx context.Context, a *app, group string, o linksOptions) error {
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		if o.revoke == "" {
			return emitAll(a, c.Links(ctx, group), tableLinks, "no link; make one: "+a.own("invite", "GROUP", "--link"))
		}
		l, err := c.RevokeLink(ctx, group, o.revoke)
		if err != nil {
			return err
		}
		return emit(a, l, func(w io.Writer, l node.Link) { tableLinks(w, []node.Link{l}) })
	})
}

func tableLinks(w io.Writer, all []node.Link) {
	for _, l := range all {
		used := ""
		if l.PreApproved {
			used = fmt.Sprintf("used %d of %d", l.Used, l.Uses)
		}
		row(w, short(l.InviteID), words.State("linked", l.State), words.Link(l.PreApproved, l.Uses), "by "+words.Who("", l.By), used)
	}
}

// dayCell shows a time of the API here and without seconds.
func dayCell(utc string) string {
	at, err := time.Parse(time.RFC3339, utc)
	if err != nil {
		return words.Line(utc)
	}
	return at.Local().Format("2 January 2006 15:04")
}
