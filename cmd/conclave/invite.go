package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

type inviteOptions struct {
	link        bool
	uses        uint64
	expires     time.Duration
	preApproved bool
	qr          bool
	withdraw    bool
}

func newInvite(a *app) *cobra.Command {
	var o inviteOptions
	cmd := command("invite GROUP PEER_ID [--withdraw] | invite GROUP --link [--preapproved [--uses N]] [--expires DUR] [--qr]",
		"Invite a person, or make a link to pass on", 1, 2, nil)
	f := cmd.Flags()
	f.BoolVar(&o.link, "link", false, "make a link; whoever has it can ask to come in")
	f.BoolVar(&o.preApproved, "preapproved", false, "any member who is online lets in whoever has the link; a removal ends it")
	f.Uint64Var(&o.uses, "uses", 1, "how many come in by a preapproved link")
	f.DurationVar(&o.expires, "expires", 24*time.Hour, "how long the link is good for")
	f.BoolVar(&o.qr, "qr", false, "show the link as a QR code too")
	f.BoolVar(&o.withdraw, "withdraw", false, "take the invitation of PEER_ID back")
	cmd.RunE = runs(func(ctx context.Context, args []string) error {
		switch {
		case o.withdraw && (len(args) == 1 || o.link):
			return usage("invite --withdraw needs PEER_ID; a link ends with `conclave links GROUP --revoke INVITE_ID`")
		case o.link && len(args) == 1:
			return runInviteLink(ctx, a, args[0], o)
		case o.link:
			return usage("invite --link names no person: whoever has the link may use it")
		case f.Changed("preapproved") || f.Changed("uses") || f.Changed("expires") || o.qr:
			return usage("--preapproved, --uses, --expires and --qr go with --link")
		case len(args) == 1:
			return usage("invite needs PEER_ID, or --link")
		}
		if o.withdraw {
			return runInvite(ctx, a, (*api.Client).WithdrawInvite, args[0], args[1])
		}
		return runInvite(ctx, a, (*api.Client).Invite, args[0], args[1])
	})
	return cmd
}

// changeInvite makes an invitation or takes it back.
type changeInvite func(c *api.Client, ctx context.Context, group, peer string) (node.Invite, error)

func runInvite(ctx context.Context, a *app, change changeInvite, group, peer string) error {
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		i, err := change(c, ctx, group, peer)
		if err != nil {
			return err
		}
		return emit(a, i, showInvite)
	})
}

func showInvite(w io.Writer, i node.Invite) {
	row(w, "invitation", i.InviteID)
	row(w, "for", i.PeerID)
	row(w, "state", words.State("invite", i.State))
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
		row(w, words.Line(i.Name), "from "+words.Who(value(i.FromName), i.From), a.own("accept", short(i.InviteID)))
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
		return &node.Error{Kind: node.NotAllowed, Message: words.Join(j.State, false)}
	case wait && j.State != "joined":
		return &node.Error{Kind: node.TimedOut, Message: "no answer yet; the request stays pending",
			Hint: "`conclave join --list` shows what became of it"}
	}
	return emit(a, j, showJoin)
}

func showJoin(w io.Writer, j node.JoinState) {
	fmt.Fprintln(w, words.Join(j.State, j.Kept))
	if j.GroupID != nil {
		row(w, "group id", *j.GroupID)
	}
}
