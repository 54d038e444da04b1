package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	ui "conclave/cmd/conclave/screen"
	"conclave/node"
	"conclave/node/api"
)

type chatOptions struct {
	upOptions
	group  string
	create bool
	join   string // PEER_ID[/GROUP] or a link
	note   string
	lines  bool // no screen: lines in, lines out
}

func newChat(a *app) *cobra.Command {
	var o chatOptions
	cmd := command("chat [GROUP] [--create] | chat --join PEER_ID[/GROUP]|LINK [--note TEXT]", "Talk on a screen of its own; runs the node itself where none is up", 0, 1, nil)
	cmd.Long = cmd.Short + ".\n\nWithout a terminal, on a dumb one, or with --plain-screen it is lines in and lines out. A node that\nit runs itself takes the flags of `conclave up`, and ends with it."
	f := cmd.Flags()
	f.BoolVar(&o.create, "create", false, "create the group if there is none of this name")
	f.StringVar(&o.join, "join", "", "ask to be let in, and open the conversation then")
	f.StringVar(&o.note, "note", "", "with --join: a line for the person who decides")
	f.BoolVar(&o.lines, "plain-screen", false, "lines in, lines out: for pipes and screen readers")
	o.nodeFlags(f)
	cmd.RunE = runs(func(ctx context.Context, args []string) error {
		if len(args) > 0 {
			o.group = args[0]
		}
		return runChat(ctx, a, o)
	})
	return cmd
}

func (o chatOptions) check(a *app) error {
	switch {
	case a.json:
		e := usage("chat has no --json")
		e.Hint = "programs use `conclave send GROUP -` and `conclave log GROUP --follow --json`"
		return e
	case o.create && o.group == "":
		return usage("chat --create needs the name of the group")
	case o.join != "" && (o.group != "" || o.create):
		return usage("chat takes a group or --join, not both")
	case o.note != "" && o.join == "":
		return usage("--note goes with --join")
	}
	return nil
}

func runChat(ctx context.Context, a *app, o chatOptions) error {
	if err := o.check(a); err != nil {
		return err
	}
	c, err := a.dial(ctx)
	if err == nil {
		return a.chat(ctx, c, o)
	}
	if node.KindOf(err) != node.NoNode {
		return err
	}
	return a.chatWithNode(ctx, o)
}

// chatWithNode runs a node as long as the conversation is open, and ends the
// conversation where somebody stops that node. The node's log is held back until
// then: the screen is the person's.
func (a *app) chatWithNode(ctx context.Context, o chatOptions) error {
	said := &heldLog{}
	defer said.tell(a.stderr)
	creates := ""
	if o.create {
		creates = o.group
	}
	n, err := node.Open(node.Config{
		Home: a.home, Listen: o.listen, Peers: o.peers, LAN: o.lan, NoMDNS: o.noMDNS, Creates: creates,
		Logger: slog.New(slog.NewTextHandler(prefixed{said}, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: dropTime})),
	})
	if err != nil {
		return err
	}
	quiet := *a
	quiet.stdout, quiet.stderr = io.Discard, said
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	talking, end := context.WithCancel(ctx)
	defer end()
	ran := make(chan error, 1)
	go func() {
		ran <- quiet.serveNode(running, n)
		end()
	}()
	c, err := a.dialSoon(talking)
	if err == nil {
		err = a.chat(talking, c, o)
	}
	stop()
	if ended := <-ran; ended != nil {
		return ended
	}
	return err
}

// dialSoon connects to a node that is about to answer.
func (a *app) dialSoon(ctx context.Context) (*api.Client, error) {
	for {
		c, err := a.dial(ctx)
		if err == nil || node.KindOf(err) != node.NoNode || !pause(ctx, pollEvery) {
			return c, err
		}
	}
}

// chat opens what was asked for on a screen, or line by line.
func (a *app) chat(ctx context.Context, c *api.Client, o chatOptions) error {
	gid, err := openGroup(ctx, c, o)
	if err != nil {
		return err
	}
	cfg := ui.Config{Client: c, Group: gid, Commands: slash{a}, Input: a.stdin, Output: a.stdout}
	if o.join != "" {
		peer, group, _ := strings.Cut(o.join, "/")
		cfg.Ask = &ui.Ask{Peer: peer, Group: group, Note: o.note}
	}
	if o.lines || !isTerminal(a.stdin) || !isTerminal(a.stdout) || !ui.Fits(os.Getenv("TERM")) {
		return a.chatLines(ctx, c, cfg)
	}
	return ui.Run(ctx, cfg)
}

// openGroup finds the group to open, and creates it where that was asked for.
func openGroup(ctx context.Context, c *api.Client, o chatOptions) (string, error) {
	if o.group == "" {
		return "", nil
	}
	g, err := c.Group(ctx, o.group)
	if o.create && node.KindOf(err) == node.NotFound {
		g, err = c.CreateGroup(ctx, node.CreateGroup{Name: o.group})
	}
	if err != nil {
		return "", err
	}
	return g.GroupID, nil
}

// heldLog keeps the end of a log.
type heldLog struct {
	mu    sync.Mutex
	lines []string
}

const heldLines = 100

func (h *heldLog) Write(line []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lines = append(h.lines, string(line)); len(h.lines) > heldLines {
		h.lines = h.lines[len(h.lines)-heldLines:]
	}
	return len(line), nil
}

func (h *heldLog) tell(w io.Writer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.lines {
		fmt.Fprint(w, l)
	}
}
