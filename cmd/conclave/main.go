// Command conclave is a node of a group messenger without servers, and the
// commands that speak to it.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"conclave/node"
)

func main() {
	// After the first signal the second one ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, stdin *os.File, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	e := a.execute(ctx, args)
	if e == nil {
		return 0
	}
	a.json = a.json || e.Kind == node.KindUsage && wantsJSON(args)
	a.report(e)
	return exitCode(e.Kind)
}

// execute carries out one command line; nil is success.
func (a *app) execute(ctx context.Context, args []string) *node.Error {
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		return asError(ctx, err)
	}
	return nil
}

// wantsJSON looks for --json by itself, for the errors of a command line that
// does not parse.
func wantsJSON(args []string) bool {
	for _, arg := range args {
		switch arg {
		case "--":
			return false
		case "--json", "--json=true":
			return true
		}
	}
	return false
}
