package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/mdp/qrterminal/v3"
	"github.com/spf13/cobra"

	"conclave/node"
)

func newInit(a *app) *cobra.Command {
	return command("init", "Make this node's identity; done by whatever needs it first", 0, 0,
		func(context.Context, []string) error { return runID(a, idOptions{}) })
}

type idOptions struct {
	qr bool
}

func newID(a *app) *cobra.Command {
	var o idOptions
	cmd := command("id [--qr]", "Show who this node is", 0, 0,
		func(context.Context, []string) error { return runID(a, o) })
	cmd.Flags().BoolVar(&o.qr, "qr", false, "also as a QR code")
	return cmd
}

func runID(a *app, o idOptions) error {
	id, err := node.Init(a.home)
	if err != nil {
		return err
	}
	if err := emit(a, id, showID); err != nil {
		return err
	}
	if o.qr && !a.json {
		qrterminal.GenerateHalfBlock(id.PeerID, qrterminal.L, a.stdout)
	}
	return nil
}

func showID(w io.Writer, id node.ID) {
	row(w, "peer id", id.PeerID)
	row(w, "fingerprint", id.Fingerprint)
}

type version struct {
	Version string  `json:"version"`
	Commit  *string `json:"commit"`
	Go      string  `json:"go"`
}

func newVersion(a *app) *cobra.Command {
	return command("version", "Show which build this is", 0, 0,
		func(context.Context, []string) error { return emit(a, thisBuild(), showVersion) })
}

func thisBuild() version {
	v := version{Version: node.Version, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Commit = &s.Value
		}
	}
	return v
}

func showVersion(w io.Writer, v version) {
	fmt.Fprintf(w, "conclave %s", v.Version)
	if v.Commit != nil {
		fmt.Fprintf(w, " (%.12s)", *v.Commit)
	}
	fmt.Fprintf(w, ", %s\n", v.Go)
}
