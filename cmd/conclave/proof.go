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

const proofHeader = "-----BEGIN CONCLAVE PROOF OF REMOVAL-----\n"

// newProof is a command of its own and, with verify, of two words: a group with
// that name goes by its ID.
func newProof(a *app) *cobra.Command {
	cmd := command("proof GROUP PEER [FILE|-]", "Prove that somebody is out, and which keys were made without them since", 2, 3,
		func(ctx context.Context, args []string) error {
			return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
				p, err := c.ProveRemoval(ctx, args[0], args[1])
				if err != nil {
					return err
				}
				return a.writeProof(args[2:], proofHeader, "proof of removal", p.GroupID, p.Proof, p)
			})
		})
	cmd.Long = cmd.Short + ".\n" +
		"The file holds signed entries of the group: who came and went, and the names that they go by; no key and no message.\n" +
		"`conclave proof verify FILE|-` checks it, without a node and without the group."
	cmd.AddCommand(newProofVerify(a))
	return cmd
}

func newProofVerify(a *app) *cobra.Command {
	return command("verify FILE|-", "Say what a proof of removal shows; no node and no group is needed", 1, 1,
		func(_ context.Context, args []string) error {
			text, err := a.readProof(args[0])
			if err != nil {
				return err
			}
			x, err := node.VerifyRemoval(text)
			if err != nil {
				return err
			}
			if err := emit(a, x, showExclusion); err != nil {
				return err
			}
			a.hint("it does not show keys that are not in this file, which its writer may not have known or left out, nor a key that a member passes on by hand")
			return nil
		})
}

func showExclusion(w io.Writer, x node.Exclusion) {
	row(w, "PROVED", x.PeerID+" "+words.Out(x.State, words.Fingerprint(x.By)))
	row(w, "group", words.Line(x.Name))
	row(w, "group id", x.GroupID)
	since := x.Entry
	if x.Time != nil {
		since += ", dated " + *x.Time
	}
	row(w, "since entry", since)
	row(w, "keys without", fmt.Sprintf("%d made since, numbers %d to %d: none may be handed to that person", x.Keys, x.First, x.Last))
	if n := len(x.Apart); n > 0 {
		row(w, "keys apart", fmt.Sprintf("%d made by who did not know of it: whoever knows seals nothing under these", n))
	}
	row(w, "checked", words.Count(x.Entries, "signed entry", "signed entries"))
}
