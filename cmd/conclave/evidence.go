package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"conclave/node"
	"conclave/node/api"
	"conclave/node/api/words"
)

const (
	evidenceHeader = "-----BEGIN CONCLAVE EVIDENCE-----\n"
	maxProofFile   = 64 << 20 // bytes; no file of evidence or proof is larger
)

func newEvidence(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "evidence",
		Short: "Show to others that somebody signed two different things under one number",
		Args:  noSuchCommand,
		RunE: func(*cobra.Command, []string) error {
			e := usage("evidence needs a sub-command")
			e.Hint = "export or verify; `conclave evidence --help` says more"
			return e
		},
	}
	cmd.AddCommand(newEvidenceExport(a), newEvidenceVerify(a))
	return cmd
}

func newEvidenceExport(a *app) *cobra.Command {
	var of string
	cmd := command("export GROUP [FILE|-] [--of PEER]", "Write both records of everyone who did; no key is in it, but the text of lines that were sent plain", 1, 2,
		func(ctx context.Context, args []string) error {
			return a.withNode(ctx, func(ctx context.Context, c *api.Client) error {
				e, err := c.Evidence(ctx, args[0], of)
				if err != nil {
					return err
				}
				if e.Evidence == nil {
					return &node.Error{Kind: node.NotFound, Message: "nobody here is known to have signed two different things under one number", Hint: "that is as it should be"}
				}
				return a.writeProof(args[1:], evidenceHeader, "evidence", e.GroupID, *e.Evidence, e)
			})
		})
	cmd.Flags().StringVar(&of, "of", "", "of this person alone")
	return cmd
}

// proofFile answers what writes evidence or a proof to a file.
type proofFile struct {
	GroupID string `json:"group_id"`
	File    string `json:"file"`
	Bytes   int64  `json:"bytes"`
}

// writeProof writes text to the file that was named, or to stdout: by itself, or
// with --json and no file named as answer is.
func (a *app) writeProof(file []string, header, kind, group, text string, answer any) error {
	switch {
	case len(file) == 0 && a.json:
		return a.line(answer)
	case len(file) == 0 || file[0] == "-":
		_, err := io.WriteString(a.stdout, text)
		return err
	}
	size, err := replaceFile(file[0], header, kind, func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err != nil {
		return err
	}
	return emit(a, proofFile{group, file[0], size}, func(w io.Writer, f proofFile) {
		row(w, kind, f.File)
		row(w, "bytes", f.Bytes)
	})
}

// readProof reads a file that was named, or stdin.
func (a *app) readProof(file string) ([]byte, error) {
	src := a.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		src = f
	}
	text, err := io.ReadAll(io.LimitReader(src, maxProofFile+1))
	if err == nil && len(text) > maxProofFile {
		err = errors.New("the file is too large")
	}
	return text, err
}

func newEvidenceVerify(a *app) *cobra.Command {
	return command("verify FILE|-", "Say what a file of evidence proves; no node and no group is needed", 1, 1,
		func(_ context.Context, args []string) error {
			text, err := a.readProof(args[0])
			if err != nil {
				return err
			}
			all, err := node.VerifyEvidence(text)
			if err != nil {
				return err
			}
			for _, f := range all {
				if err := emit(a, f, showFault); err != nil {
					return err
				}
			}
			a.hint("it does not show that this person was ever a member, nor that it was on purpose: a home that was copied signs twice too")
			return nil
		})
}

func showFault(w io.Writer, f node.Fault) {
	row(w, "PROVED", f.PeerID+" "+words.Line(f.Says))
	row(w, "group id", f.GroupID)
	row(w, "lane", f.Lane)
	for i, s := range []node.Signed{f.First, f.Second} {
		cell := s.Hash + " " + words.Line(s.What)
		if s.Plain {
			cell += " (plain)"
		}
		if s.Time != nil {
			cell += ", dated " + *s.Time
		}
		row(w, fmt.Sprintf("record %d", i+1), cell)
	}
}

func showAlarms(w io.Writer, all []node.Alarm) {
	for _, x := range all {
		row(w, "ALARM", words.Line(x.Says))
		if x.Hint != nil {
			row(w, "", "-> "+words.Line(*x.Hint))
		}
	}
}
