package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"conclave/node"
)

// maxWork is the greatest scrypt work factor that a backup may ask for: 1 GiB of
// memory, four times that of a backup made here.
const maxWork = 20

type restoreOptions struct {
	file           string // "-" for stdin
	identity       string
	passphraseFile string
}

func newRestore(a *app) *cobra.Command {
	var o restoreOptions
	cmd := command("restore FILE|- [--identity FILE] [--passphrase-file F]",
		"Make this node's folder out of a backup; there must be none yet", 1, 1,
		func(_ context.Context, args []string) error {
			o.file = args[0]
			return runRestore(a, o)
		})
	f := cmd.Flags()
	f.StringVar(&o.identity, "identity", "", "the file with the age identity that the backup is sealed to")
	f.StringVar(&o.passphraseFile, "passphrase-file", "", "read the passphrase from the first line of this file")
	return cmd
}

func runRestore(a *app, o restoreOptions) error {
	if o.identity != "" && o.passphraseFile != "" {
		return usage("--identity and --passphrase-file exclude each other")
	}
	if err := node.MayRestore(a.home); err != nil {
		return err // before a passphrase is asked for
	}
	src, err := a.openBackup(o)
	if err != nil {
		return err
	}
	defer src.Close()
	with, err := a.identities(o)
	if err != nil {
		return err
	}
	restored, err := node.Restore(a.home, src, with...)
	if err != nil {
		return err
	}
	if err := emit(a, restored, showRestored); err != nil {
		return err
	}
	if restored.Held > 0 {
		a.hint(fmt.Sprintf("%d lines had not left when the backup was made, and may have since: `conclave held GROUP` lists them", restored.Held))
	}
	a.hint("do not run the node that this backup is of any more: this one takes its place")
	return nil
}

func (a *app) openBackup(o restoreOptions) (*os.File, error) {
	if o.file != "-" {
		return os.Open(o.file)
	}
	if o.identity == "" && o.passphraseFile == "" {
		return nil, usage("the backup comes from stdin: give --identity or --passphrase-file")
	}
	return a.stdin, nil
}

func (a *app) identities(o restoreOptions) ([]age.Identity, error) {
	if o.identity != "" {
		f, err := os.Open(o.identity)
		if err != nil {
			return nil, usage("--identity: %s", err)
		}
		defer f.Close()
		ids, err := age.ParseIdentities(f)
		if err != nil {
			return nil, usage("--identity: %s", err)
		}
		return ids, nil
	}
	passphrase, err := a.passphrase(o.passphraseFile, false)
	if err != nil {
		return nil, err
	}
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	id.SetMaxWorkFactor(maxWork)
	return []age.Identity{id}, nil
}

func showRestored(w io.Writer, r node.Restored) {
	row(w, "peer id", r.PeerID)
	row(w, "fingerprint", r.Fingerprint)
	row(w, "groups", r.Groups)
}
