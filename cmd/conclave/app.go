package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"conclave/node"
	"conclave/node/api"
)

// app is what every command shares: the flags of all of them and the streams.
type app struct {
	home    string
	json    bool
	timeout time.Duration

	homeGiven bool
	page      string // where a node that this program runs keeps its page open; "": nowhere

	stdin          *os.File
	stdout, stderr io.Writer
}

// settle checks the shared flags and finds the home.
func (a *app) settle() error {
	if a.timeout < 0 {
		return usage("--timeout is negative")
	}
	if a.homeGiven && a.home == "" {
		return usage("--home is empty")
	}
	home, err := findHome(a.home, os.Getenv)
	if err != nil {
		return err
	}
	a.home = home
	return nil
}

// findHome returns the node's folder: given, else from the environment.
func findHome(given string, getenv func(string) string) (string, error) {
	if given == "" {
		given = getenv("CONCLAVE_HOME")
	}
	if given != "" {
		return filepath.Abs(given)
	}
	if data := getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "conclave"), nil
	}
	home := getenv("HOME")
	if home == "" {
		return "", usage("there is no home folder: give --home DIR")
	}
	return filepath.Join(home, ".local", "share", "conclave"), nil
}

// dial connects to the node of the home.
func (a *app) dial(ctx context.Context) (*api.Client, error) {
	c, err := api.Dial(ctx, a.home, a.timeout)
	var e *node.Error
	if a.homeGiven && errors.As(err, &e) && e.Kind == node.NoNode {
		return nil, &node.Error{Kind: e.Kind, Message: e.Message, Hint: "run `" + a.own("up") + "`"}
	}
	return c, err
}

// withNode runs f with a client of the node, each of whose requests is bounded
// by --timeout.
func (a *app) withNode(ctx context.Context, f func(context.Context, *api.Client) error) error {
	c, err := a.dial(ctx)
	if err != nil {
		return err
	}
	return f(ctx, c)
}

// isTerminal reports whether a stream is a person's screen or keyboard.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// colour reports whether stdout may be coloured.
func (a *app) colour() bool {
	return isTerminal(a.stdout) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// emit writes one result: a JSON object on one line, or what people makes of it.
func emit[T any](a *app, v T, people func(io.Writer, T)) error {
	if a.json {
		return a.line(v)
	}
	return a.aligned(func(w io.Writer) { people(w, v) })
}

// line writes one JSON object on a line of its own, its texts unchanged.
func (a *app) line(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// aligned lets write fill columns that tabs separate. Empty cells at the end of
// a line leave nothing behind.
func (a *app) aligned(write func(io.Writer)) error {
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	write(w)
	w.Flush()
	var out bytes.Buffer
	for l := range bytes.Lines(table.Bytes()) {
		out.Write(bytes.TrimRight(l, " \n"))
		out.WriteByte('\n')
	}
	_, err := out.WriteTo(a.stdout)
	return err
}

// emitAll writes a list: JSON as it comes, for people as one table, and empty
// as a hint on stderr at what fills it.
func emitAll[T any](a *app, items iter.Seq2[T, error], people func(io.Writer, []T), empty string) error {
	if a.json {
		return lines(a, items)
	}
	all, err := collect(items)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		a.hint(empty)
		return nil
	}
	return a.aligned(func(w io.Writer) { people(w, all) })
}

// lines writes a list of JSON objects as it comes.
func lines[T any](a *app, items iter.Seq2[T, error]) error {
	for v, err := range items {
		if err != nil {
			return err
		}
		if err := a.line(v); err != nil {
			return err
		}
	}
	return nil
}

// collect takes a list as a whole.
func collect[T any](items iter.Seq2[T, error]) (all []T, err error) {
	for v, err := range items {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// row writes one line of a table or of a list of fields.
func row(w io.Writer, cells ...any) {
	for i, c := range cells {
		if i > 0 {
			io.WriteString(w, "\t")
		}
		fmt.Fprint(w, c)
	}
	io.WriteString(w, "\n")
}
