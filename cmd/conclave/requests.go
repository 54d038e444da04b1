package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

func newRequests(a *app) *cobra.Command {
	return command("requests [GROUP]", "List who wants to join", 0, 1, func(ctx context.Context, args []string) error {
		group := ""
		if len(args) > 0 {
			group = args[0]
		}
		return runRequests(ctx, a, group)
	})
}

func runRequests(ctx context.Context, a *app, group string) error {
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		return emitAll(a, c.Requests(ctx, group), tableRequests, "nobody waits for an answer")
	})
}

func tableRequests(w io.Writer, all []node.Request) {
	for _, r := range all {
		row(w, r.PeerID, words.Line(r.Fingerprint), words.Line(r.State), words.Line(r.Note),
			"conclave approve "+r.GroupID[:min(12, len(r.GroupID))]+" "+r.PeerID)
	}
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
		return emit(a, r, showRequest)
	})
}

func showRequest(w io.Writer, r node.Request) {
	row(w, words.Line(r.State), r.PeerID)
	row(w, "fingerprint", words.Line(r.Fingerprint))
	if r.Epoch != nil {
		row(w, "under", words.Key(r.Epoch))
	}
}
