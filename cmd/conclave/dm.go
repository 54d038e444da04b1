package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

type dmOptions struct {
	peer string
	text string
}

func newDM(a *app) *cobra.Command {
	return command("dm PEER_ID [TEXT]", "Open the conversation of two", 1, 2, func(ctx context.Context, args []string) error {
		o := dmOptions{peer: args[0]}
		if len(args) == 2 {
			if err := checkText(args[1]); err != nil {
				return err
			}
			o.text = args[1]
		}
		return runDM(ctx, a, o)
	})
}

// dmAnswer is what `dm` answers: message_id is null without a text.
type dmAnswer struct {
	GroupID   string  `json:"group_id"`
	State     string  `json:"state"`
	MessageID *string `json:"message_id"`
}

func runDM(ctx context.Context, a *app, o dmOptions) error {
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		sent, err := c.DM(ctx, o.peer, o.text)
		if err != nil {
			return err
		}
		answer := dmAnswer{GroupID: sent.GroupID, State: sent.State}
		if sent.MessageID != "" {
			answer.MessageID = &sent.MessageID
		}
		err = emit(a, answer, func(w io.Writer, d dmAnswer) {
			row(w, "group id", d.GroupID)
			row(w, "state", words.Delivery(sent.State, sent.Epoch, sent.Encrypted))
		})
		a.sentHint([]node.Sent{sent})
		return err
	})
}
