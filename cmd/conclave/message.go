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

func newMessage(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "message",
		Short: "Show who could read a message",
		Args:  noSuchCommand,
		RunE: func(*cobra.Command, []string) error {
			e := usage("message needs a sub-command")
			e.Hint = "show; `conclave message --help` says more"
			return e
		},
	}
	cmd.AddCommand(newMessageShow(a))
	return cmd
}

func newMessageShow(a *app) *cobra.Command {
	return command("show GROUP MESSAGE_ID", "Show where a message stands, its key, and for whom that was made", 2, 2,
		func(ctx context.Context, args []string) error {
			return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
				return emitAll(a, c.Message(ctx, args[0], args[1]), showMessages, "no such message")
			})
		})
}

func showMessages(w io.Writer, all []node.MessageInfo) {
	for _, m := range all {
		row(w, "message", m.MessageID)
		row(w, "from", words.Who(value(m.SenderName), m.Sender))
		row(w, "state", words.State("message", m.State))
		if m.Time != nil {
			row(w, "dated", dayCell(*m.Time))
		}
		if m.Seq != nil {
			row(w, "number", fmt.Sprintf("%d of lane %d", *m.Seq, *m.Lane))
			row(w, "record", *m.Hash)
		}
		if m.EID != nil {
			row(w, "key", words.Key(m.Epoch), *m.EID, "by "+words.Fingerprint(*m.MintedBy))
		}
		row(w, "who reads", words.Line(m.Says))
		for _, r := range m.Readers {
			row(w, "", words.Who(r.Name, r.PeerID), words.Line(r.Says))
		}
	}
}
