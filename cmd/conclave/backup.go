package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
)

type backupOptions struct {
	file           string // "-" for stdout
	recipients     []string
	passphraseFile string
}

func newBackup(a *app) *cobra.Command {
	var o backupOptions
	cmd := command("backup FILE|- [--recipient age1...]... [--passphrase-file F]",
		"Write everything this node holds, all keys included, to a sealed file (age format)", 1, 1,
		func(ctx context.Context, args []string) error {
			o.file = args[0]
			return runBackup(ctx, a, o)
		})
	f := cmd.Flags()
	f.StringArrayVar(&o.recipients, "recipient", nil, "seal it to this age recipient, in place of a passphrase")
	f.StringVar(&o.passphraseFile, "passphrase-file", "", "read the passphrase from the first line of this file")
	return cmd
}

// written answers backup.
type written struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
}

func runBackup(ctx context.Context, a *app, o backupOptions) error {
	if len(o.recipients) > 0 && o.passphraseFile != "" {
		return usage("--recipient and --passphrase-file exclude each other")
	}
	if o.file == "-" && isTerminal(a.stdout) {
		e := usage("a backup is no text: stdout is a terminal")
		e.Hint = "conclave backup FILE, or conclave backup - | ..."
		return e
	}
	return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
		write, err := a.sealer(ctx, c, o)
		if err != nil {
			return err
		}
		if o.file == "-" {
			return write(a.stdout)
		}
		size, err := replaceBackup(o.file, write)
		if err != nil {
			return err
		}
		return emit(a, written{o.file, size}, func(w io.Writer, b written) {
			row(w, "backup", b.File)
			row(w, "bytes", b.Bytes)
		})
	})
}

// sealer returns what writes the backup, sealed to the recipients or under a
// passphrase. The node seals to public recipients only, so that no secret goes
// over its socket: for a passphrase that is a key made for this one run, and what
// comes is sealed again here.
func (a *app) sealer(ctx context.Context, c *api.Client, o backupOptions) (func(io.Writer) error, error) {
	if len(o.recipients) > 0 {
		return func(w io.Writer) error { return c.Backup(ctx, o.recipients, w) }, nil
	}
	passphrase, err := a.passphrase(o.passphraseFile, true)
	if err != nil {
		return nil, err
	}
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, usage("%s", err)
	}
	once, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	return func(w io.Writer) error {
		r, sealed := io.Pipe()
		given := make(chan error, 1)
		go func() {
			err := c.Backup(ctx, []string{once.Recipient().String()}, sealed)
			sealed.CloseWithError(err)
			given <- err
		}()
		err := sealAgain(w, r, once, to)
		r.Close()
		if failed := <-given; failed != nil && !errors.Is(failed, io.ErrClosedPipe) {
			return failed
		}
		return err
	}, nil
}

// sealAgain copies what from can open, sealed to to. It is whole when it returns
// nil: an age file that was cut short does not open to its end.
func sealAgain(w io.Writer, r io.Reader, from age.Identity, to age.Recipient) error {
	opened, err := age.Decrypt(r, from)
	if err != nil {
		return err
	}
	out, err := age.Encrypt(w, to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, opened); err != nil {
		return err
	}
	return out.Close()
}

// replaceBackup is replaceFile for backups.
func replaceBackup(path string, write func(io.Writer) error) (size int64, err error) {
	return replaceFile(path, ageHeader, "backup", write)
}

// replaceFile writes a file beside its place, and puts it there when it is whole
// and durable. What stands there is replaced only if it begins with header, as
// every file of its kind does.
func replaceFile(path, header, kind string, write func(io.Writer) error) (size int64, err error) {
	if err := mayReplace(path, header, kind); err != nil {
		return 0, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".tmp-*") // 0600
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if fi, statErr := f.Stat(); statErr == nil {
		size = fi.Size()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return 0, err
	}
	return size, syncFolder(filepath.Dir(path))
}

// ageHeader begins every age file.
const ageHeader = "age-encryption.org/v1\n"

func mayReplace(path, header, kind string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Mode().IsRegular() {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		head := make([]byte, len(header))
		if _, err := io.ReadFull(f, head); err == nil && string(head) == header {
			return nil
		}
	}
	return &node.Error{Kind: node.KindError, Message: fmt.Sprintf("%s is there, and is no %s", path, kind), Hint: "choose another name"}
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
