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

func newInvite(a *app) *cobra.Command {
	return command("invite GROUP PEER_ID", "Invite a person; delivered when that person appears", 2, 2,
		func(ctx context.Context, args []string) error { return runInvite(ctx, a, args[0], args[1]) })
}

func runInvite(ctx context.Context, a *app, group, peer string) error {
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		i, err := c.Invite(ctx, group, peer)
		if err != nil {
			return err
		}
		return emit(a, i, showInvite)
	})
}

func showInvite(w io.Writer, i node.Invite) {
	row(w, "invitation", i.InviteID)
	row(w, "for", i.PeerID)
	row(w, "state", words.Line(i.State))
}

func newInvites(a *app) *cobra.Command {
	return command("invites", "List the invitations received", 0, 0, func(ctx context.Context, _ []string) error {
		return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
			return emitAll(a, c.Invitations(ctx), a.showInvitations, "no invitation")
		})
	})
}

func (a *app) showInvitations(w io.Writer, all []node.Invitation) {
	for _, i := range all {
		row(w, words.Line(i.Name), "from "+words.Who("", i.From), a.own("accept", short(i.InviteID)))
	}
}

type acceptOptions struct {
	invite string
	wait   bool
}

func newAccept(a *app) *cobra.Command {
	var o acceptOptions
	cmd := command("accept INVITE_ID [--wait]", "Accept an invitation", 1, 1, func(ctx context.Context, args []string) error {
		o.invite = args[0]
		return runAccept(ctx, a, o)
	})
	cmd.Flags().BoolVar(&o.wait, "wait", false, "wait until the join is decided")
	return cmd
}

func runAccept(ctx context.Context, a *app, o acceptOptions) error {
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		a.sayWaiting(o.wait)
		j, err := c.Accept(ctx, o.invite, o.wait)
		if err != nil {
			return err
		}
		return a.joined(j, o.wait)
	})
}

// sayWaiting tells whoever watches why nothing happens for a while.
func (a *app) sayWaiting(wait bool) {
	if !wait || a.json || !isTerminal(a.stderr) {
		return
	}
	limit := ""
	if a.timeout > 0 {
		limit = ", for " + a.timeout.String() + " at most"
	}
	fmt.Fprintf(a.stderr, "conclave: waiting for the answer%s\n", limit)
}

// joined answers a join by its state. Who waits wants to be inside: anything
// less is a failure.
func (a *app) joined(j node.JoinState, wait bool) error {
	switch {
	case j.State == "declined":
		return &node.Error{Kind: node.NotAllowed, Message: "declined"}
	case wait && j.State != "joined":
		return &node.Error{Kind: node.TimedOut, Message: "no answer yet; the request stays pending",
			Hint: "`conclave join --list` shows what became of it"}
	}
	return emit(a, j, showJoin)
}

func showJoin(w io.Writer, j node.JoinState) {
	fmt.Fprintln(w, words.Join(j.State))
	if j.GroupID != nil {
		row(w, "group id", *j.GroupID)
	}
}
