package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"conclave/node"
)

type demoOptions struct {
	interactive bool
	verbose     bool
}

func newDemo(a *app) *cobra.Command {
	var o demoOptions
	cmd := command("demo [--interactive] [--verbose]", "Show it all on this machine: three nodes, one group, who can read what", 0, 0,
		func(ctx context.Context, _ []string) error { return runDemo(ctx, a, o) })
	f := cmd.Flags()
	f.BoolVar(&o.interactive, "interactive", false, "leave the group running at the end, and say how to join it")
	f.BoolVar(&o.verbose, "verbose", false, "say also under which process ID and in which folder each node runs")
	return cmd
}

// runDemo starts three nodes of its own, in processes of their own and with
// homes that it removes, plays the story and checks what each node says it
// could read. Its error is of kind error where a check does not hold or a node
// ends before its time.
func runDemo(ctx context.Context, a *app, o demoOptions) error {
	// A closed terminal or pipe ends the demo like any other failure: the nodes
	// are stopped and their homes removed.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer stop()
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	// The nodes die with the thread that started them (see apart).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	dir, err := os.MkdirTemp("", "conclave-demo-")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	d := &demo{a: a, o: o, dir: dir, cancel: cancel, reports: make(chan report, 64), began: time.Now()}
	d.stage, d.beat = a.newStage(o)
	err = d.why(ctx, d.play(ctx))
	cancel(nil)
	if err := errors.Join(err, d.clean()); err != nil {
		return err
	}
	return d.stage.show(ended{"end", true, len(d.checks), time.Since(d.began).Round(100 * time.Millisecond).Seconds()})
}

// demo is one run. Everything in it belongs to the goroutine that plays.
type demo struct {
	a       *app
	o       demoOptions
	dir     string // holds the homes
	cancel  context.CancelCauseFunc
	stage   stage
	cast    []*actor
	reports chan report
	began   time.Time

	alice, bob, carol *actor

	script script
	lines  []*spoken
	unsent string        // the text that must not leave
	beat   time.Duration // a moment to read, between two steps
	steps  int
	checks []check
}

// report is what a node told a follower: an event, or that it tells no more.
type report struct {
	from  *actor
	event node.Event
	err   error
}

// check is something that has to be true for the demo to succeed.
type check struct {
	Event string `json:"event"` // check
	OK    bool   `json:"ok"`
	Text  string `json:"text"`
}

// check notes and shows whether something that is promised holds.
func (d *demo) check(ok bool, format string, args ...any) error {
	c := check{"check", ok, fmt.Sprintf(format, args...)}
	d.checks = append(d.checks, c)
	return d.stage.show(c)
}

// verdict is nil when every check held.
func (d *demo) verdict() error {
	var failed []string
	for _, c := range d.checks {
		if !c.OK {
			failed = append(failed, c.Text)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return &node.Error{Kind: node.KindError, Message: "this does not hold: " + strings.Join(failed, "; ")}
}

// why replaces an error by its cause: the person interrupted, or a node ended,
// which a command to it may notice before its parent does.
func (d *demo) why(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if node.KindOf(err) == node.NoNode {
		pause(ctx, time.Second)
	}
	var died *node.Error
	switch cause := context.Cause(ctx); {
	case cause == nil:
		return err
	case errors.As(cause, &died):
		return died
	}
	return interrupted()
}

// clean stops every node that still runs and removes the homes.
func (d *demo) clean() error {
	for _, p := range d.cast {
		p.terminate()
	}
	for _, p := range d.cast {
		p.await()
	}
	return os.RemoveAll(d.dir)
}

// stage shows the demo: in columns, line by line, or as JSON. It is given the
// events of this package (started, step, typed, heard, refused, note, check,
// tableRow, ended) and fails where nobody reads any more.
type stage interface {
	show(event any) error
}

// newStage also says how long a person is given to read a step.
func (a *app) newStage(o demoOptions) (stage, time.Duration) {
	if a.json {
		return jsonStage{a}, 0
	}
	text := &plainStage{w: a.stdout, verbose: o.verbose, paint: painter(a.colour())}
	width, screen := a.width()
	if !screen {
		return text, 0
	}
	text.width = min(width, widest) - 1
	if width < narrowest {
		return text, aBeat
	}
	return &columns{plainStage: text, shown: map[string]bool{}}, aBeat
}

// jsonStage writes every event as one object.
type jsonStage struct{ a *app }

func (s jsonStage) show(event any) error { return s.a.line(event) }

// printf is fmt.Fprintf that answers with the error alone.
func printf(w io.Writer, format string, args ...any) error {
	_, err := fmt.Fprintf(w, format, args...)
	return err
}
