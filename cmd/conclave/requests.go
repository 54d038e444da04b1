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

func newRequests(a *app) *cobra.Command {
	return command("requests [GROUP]", "List the requests to join", 0, 1, func(ctx context.Context, args []string) error {
		return runRequests(ctx, a, strings.Join(args, ""))
	})
}

func runRequests(ctx context.Context, a *app, group string) error {
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		names := map[string]string{}
		if !a.json {
			groups, err := collect(c.Groups(ctx, false))
			if err != nil {
				return err
			}
			names = callable(groups)
		}
		people := func(w io.Writer, all []node.Request) {
			for _, r := range all {
				a.showPending(w, r, nameOf(names, r.GroupID))
			}
		}
		return emitAll(a, c.Requests(ctx, group), people, "nobody waits for an answer")
	})
}

// showPending is one request: who, why, what to compare, and the line that
// lets that person in.
func (a *app) showPending(w io.Writer, r node.Request, group string) {
	lines := pendingLines(r, group)
	row(w, lines[0])
	for _, l := range append(lines[1:], a.own("approve", group, r.PeerID)) {
		row(w, "  "+l)
	}
}

// pendingLines say who wants to join: the peer ID, the group and the note, what
// that person calls itself, and what to compare.
func pendingLines(r node.Request, group string) []string {
	lines := []string{r.PeerID + " " + words.Say("request.pending"), group + quoted(r.Note)}
	if r.Name != nil {
		called := "called " + words.Who(*r.Name, r.PeerID)
		if r.Alike {
			called += ", and " + words.Say("alike")
		}
		lines = append(lines, called)
	}
	lines = append(lines, "fingerprint "+words.Line(r.Fingerprint))
	if r.KeptBy != nil {
		lines = append(lines, "asked "+words.Who("", *r.KeptBy)+", who kept it for you")
	}
	return lines
}

// answerRequest is approve or decline.
type answerRequest func(c *api.Client, ctx context.Context, group, peer string) (node.Request, error)

func newApprove(a *app) *cobra.Command {
	return command("approve GROUP PEER_ID", "Let a person in who asked", 2, 2, func(ctx context.Context, args []string) error {
		return runAnswer(ctx, a, (*api.Client).Approve, args[0], args[1])
	})
}

func newDecline(a *app) *cobra.Command {
	return command("decline GROUP PEER_ID", "Turn a request down", 2, 2, func(ctx context.Context, args []string) error {
		return runAnswer(ctx, a, (*api.Client).Decline, args[0], args[1])
	})
}

func runAnswer(ctx context.Context, a *app, answer answerRequest, group, peer string) error {
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		r, err := answer(c, ctx, group, peer)
		if err != nil {
			return err
		}
		return emit(a, r, showAnswered)
	})
}

func showAnswered(w io.Writer, r node.Request) {
	row(w, words.State("request", r.State), r.PeerID)
	row(w, "fingerprint", words.Line(r.Fingerprint))
	if r.Epoch != nil && r.State == "approved" {
		row(w, "under", words.Key(r.Epoch))
	}
}
