package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"conclave/node"
	"conclave/node/api/words"
)

// exits is the table of exit codes: the help prints it, and scripts rely on it.
func exits() []exit {
	return []exit{
		{0, "", "ok"},
		{1, node.KindError, "error"},
		{2, node.KindUsage, "usage"},
		{3, node.NoNode, "no node running"},
		{4, node.NotFound, "not found (group, peer, request)"},
		{5, node.NotAllowed, "not allowed"},
		{6, node.Passphrase, "wrong passphrase"},
		{7, node.TimedOut, "timed out"},
		{130, node.Interrupted, "interrupted"},
	}
}

type exit struct {
	code    int
	kind    node.Kind
	meaning string
}

// exitCode returns the code of a kind, 1 for any that is not in the table.
func exitCode(k node.Kind) int {
	for _, e := range exits() {
		if e.kind == k {
			return e.code
		}
	}
	return 1
}

func exitTable() string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, e := range exits() {
		fmt.Fprintf(&b, "  %-4d %s\n", e.code, e.meaning)
	}
	return b.String()
}

func usage(format string, args ...any) *node.Error {
	return &node.Error{Kind: node.KindUsage, Message: fmt.Sprintf(format, args...)}
}

func interrupted() *node.Error {
	return &node.Error{Kind: node.Interrupted, Message: "interrupted"}
}

// failure is an error of a command that ran, as opposed to one of its command
// line, which cobra returns bare.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// asError classifies what the command returned.
func asError(ctx context.Context, err error) *node.Error {
	var e *node.Error
	if errors.As(err, &e) {
		return e
	}
	switch {
	case !errors.As(err, new(failure)):
		return usage("%s", err)
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return interrupted()
	case errors.Is(err, context.DeadlineExceeded):
		return &node.Error{Kind: node.TimedOut, Message: "timed out"}
	}
	return &node.Error{Kind: node.KindError, Message: err.Error()}
}

// report writes a failure to stderr, for people or as one JSON object.
func (a *app) report(e *node.Error) {
	if !a.json {
		fmt.Fprintf(a.stderr, "conclave: %s\n", words.Text(e.Message, "  "))
		a.hint(e.Hint)
		return
	}
	out := struct {
		Error   node.Kind `json:"error"`
		Message string    `json:"message"`
		Hint    *string   `json:"hint"`
	}{e.Kind, e.Message, nil}
	if e.Hint != "" {
		out.Hint = &e.Hint
	}
	enc := json.NewEncoder(a.stderr)
	enc.SetEscapeHTML(false)
	enc.Encode(out)
}

// hint writes what to do next, for people.
func (a *app) hint(text string) {
	if text != "" && !a.json {
		fmt.Fprintf(a.stderr, "hint: %s\n", words.Text(text, "  "))
	}
}
