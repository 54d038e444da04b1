package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

func newRotate(a *app) *cobra.Command {
	return command("rotate GROUP", "Replace a group's key now", 1, 1, func(ctx context.Context, args []string) error {
		return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
			r, err := c.Rotate(ctx, args[0])
			if err != nil {
				return err
			}
			return emit(a, r, func(w io.Writer, r node.Rotation) { row(w, words.Key(&r.Epoch), r.EID) })
		})
	})
}

func newEncryption(a *app) *cobra.Command {
	return command("encryption GROUP on|off|accept", "Turn encryption on or off (owner), or accept that it is off", 2, 2,
		func(ctx context.Context, args []string) error { return runEncryption(ctx, a, args[0], args[1]) })
}

func runEncryption(ctx context.Context, a *app, group, mode string) error {
	if err := oneOf("encryption", mode, "on", "off", "accept"); err != nil {
		return err
	}
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		e, err := c.Encryption(ctx, group, mode)
		if err != nil {
			return err
		}
		return emit(a, e, func(w io.Writer, e node.Encryption) { row(w, "encryption", words.Sealed(e.E2EE)) })
	})
}

func newKeys(a *app) *cobra.Command {
	return command("keys GROUP", "List a group's keys, why each came to be, and who holds it", 1, 1,
		func(ctx context.Context, args []string) error {
			return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
				return emitAll(a, c.Keys(ctx, args[0]), tableKeys, "this group has no key")
			})
		})
}

func tableKeys(w io.Writer, all []node.Key) {
	for _, k := range all {
		current := ""
		if k.Current {
			current = words.Say("key.current")
		}
		missing := ""
		if len(k.Missing) > 0 {
			missing = words.Say("holders.missing", "who", fingerprints(k.Missing))
		}
		row(w, words.Key(&k.Epoch), k.EID[:min(12, len(k.EID))], "by "+words.Fingerprint(k.MintedBy), words.Reason(k.Reason),
			words.Holders(len(k.Holders), len(k.Holders)+len(k.Missing)), current, missing)
	}
}

func fingerprints(peers []string) string {
	short := make([]string, len(peers))
	for i, p := range peers {
		short[i] = words.Fingerprint(p)
	}
	return list(short)
}

// list joins words for a sentence.
func list(all []string) string { return strings.Join(all, ", ") }

type verifyOptions struct {
	ref  string
	mark bool
}

func newVerify(a *app) *cobra.Command {
	var o verifyOptions
	cmd := command("verify PEER|GROUP [--mark]", "Show the safety number to compare with the others", 1, 1,
		func(ctx context.Context, args []string) error {
			o.ref = args[0]
			return runVerify(ctx, a, o)
		})
	cmd.Flags().BoolVar(&o.mark, "mark", false, "we compared it, and it is the same")
	return cmd
}

func runVerify(ctx context.Context, a *app, o verifyOptions) error {
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		v, err := c.Verify(ctx, o.ref, o.mark)
		if err != nil {
			return err
		}
		return emit(a, v, showVerification)
	})
}

func showVerification(w io.Writer, v node.Verification) {
	if v.PeerID != "" {
		fmt.Fprintln(w, v.PeerID)
	}
	fmt.Fprintln(w, words.Line(v.SafetyNumber))
	fmt.Fprintln(w, words.Verified(v.Verified))
	if !v.Verified {
		row(w, words.Hint("verified.false")+"; then add --mark")
	}
}
