package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	ui "conclave/cmd/conclave/screen"
	"conclave/node"
	"conclave/node/api"
)

// lineChat is a conversation without a screen: what is said is printed line by
// line, what is typed is sent. A line that begins with a slash is a command.
type lineChat struct {
	*app
	c   *api.Client
	gid string

	mu      sync.Mutex
	open    map[string]bool // message IDs that left and are not printed yet
	printed chan struct{}   // something was
	begun   chan struct{}   // closed once the history is printed
	asked   chan struct{}   // closed once it was told who waits for an answer
}

// chatLines talks until stdin ends and all that was sent is printed.
func (a *app) chatLines(ctx context.Context, c *api.Client, cfg ui.Config) error {
	gid, err := a.settleGroup(ctx, c, cfg)
	if err != nil {
		return err
	}
	out, err := a.logPrinter(ctx, c, gid)
	if err != nil {
		return err
	}
	defer out.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	chat := &lineChat{app: a, c: c, gid: gid, open: map[string]bool{}, printed: make(chan struct{}, 1), begun: make(chan struct{}), asked: make(chan struct{})}
	followed, told := make(chan error, 1), make(chan struct{})
	go func() {
		followed <- a.followInto(ctx, c, logOptions{group: gid, limit: screenful, follow: true}, chat.watched(out))
	}()
	go func() { chat.tellRequests(ctx); close(told) }()
	typed := make(chan error, 1)
	go func() { typed <- chat.read(ctx) }() // may outlive this: the read of a terminal cannot be broken off
	select {
	case err = <-typed:
		cancel()
		<-followed
	case err = <-followed:
		cancel()
	}
	<-told
	return err
}

// watched notes what is printed.
func (l *lineChat) watched(out logOutput) logOutput {
	first := sync.OnceFunc(func() { close(l.begun) })
	var shown []string
	return logOutput{
		print: func(line node.LogLine) error {
			shown = append(shown, value(line.MessageID))
			return out.print(line)
		},
		flush: func() error {
			err := out.flush()
			l.mu.Lock()
			for _, id := range shown {
				delete(l.open, id)
			}
			shown = shown[:0]
			l.mu.Unlock()
			first()
			select {
			case l.printed <- struct{}{}:
			default:
			}
			return err
		},
	}
}

// settle waits until the history, and all that has left, is printed.
func (l *lineChat) settle(ctx context.Context) {
	for _, first := range []chan struct{}{l.begun, l.asked} {
		select {
		case <-first:
		case <-ctx.Done():
			return
		}
	}
	for {
		l.mu.Lock()
		n := len(l.open)
		l.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-l.printed:
		case <-ctx.Done():
			return
		}
	}
}

// settleGroup says which group is meant; one that was asked for is waited for.
func (a *app) settleGroup(ctx context.Context, c *api.Client, cfg ui.Config) (string, error) {
	if cfg.Ask != nil {
		return a.joinFirst(ctx, c, *cfg.Ask)
	}
	if cfg.Group != "" {
		return cfg.Group, nil
	}
	all, err := collect(c.Groups(ctx, false))
	if err != nil {
		return "", err
	}
	if len(all) == 1 {
		return all[0].GroupID, nil
	}
	e := usage("chat needs a group")
	e.Hint = "`conclave group list` names yours; chat NAME --create makes one; chat --join PEER_ID asks for one"
	return "", e
}

func (a *app) joinFirst(ctx context.Context, c *api.Client, ask ui.Ask) (string, error) {
	fmt.Fprintln(a.stderr, "conclave: asking to be let in")
	for {
		j, err := c.Join(ctx, api.Join{Peer: ask.Peer, Group: ask.Group, Note: ask.Note, Wait: true})
		if err == nil && j.GroupID != nil {
			return *j.GroupID, nil
		}
		if err != nil && node.KindOf(err) != node.TimedOut {
			return "", err
		}
	}
}

// tellRequests says who wants to join, and by which line that is answered.
func (l *lineChat) tellRequests(ctx context.Context) {
	first := sync.OnceFunc(func() { close(l.asked) })
	defer first()
	events, err := l.c.Events(ctx, 0)
	if err != nil {
		return
	}
	told := map[string]bool{}
	l.tellNew(ctx, told)
	first()
	for e, err := range events {
		if err != nil {
			return
		}
		if e.Kind == "request" {
			l.tellNew(ctx, told)
		}
	}
}

func (l *lineChat) tellNew(ctx context.Context, told map[string]bool) {
	for r, err := range l.c.Requests(ctx, l.gid) {
		if err != nil {
			return
		}
		if told[r.PeerID] {
			continue
		}
		told[r.PeerID] = true
		for _, line := range pendingLines(r, "this group") {
			fmt.Fprintf(l.stderr, "conclave: %s\n", line)
		}
		l.hint("/approve " + r.PeerID + " or /decline " + r.PeerID)
	}
}

// read sends what is typed, line by line.
func (l *lineChat) read(ctx context.Context) error {
	in := bufio.NewScanner(l.stdin)
	in.Buffer(nil, maxTyped)
	for in.Scan() {
		text := strings.TrimSuffix(in.Text(), "\r")
		if text == "/quit" {
			break
		}
		if text == "" {
			continue
		}
		if err := l.do(ctx, text); err != nil {
			if k := node.KindOf(err); k == node.NoNode || ctx.Err() != nil {
				return err
			}
			l.report(asError(ctx, failure{err}))
		}
	}
	if errors.Is(in.Err(), bufio.ErrTooLong) {
		return usage("a line is longer than 32 KiB")
	}
	l.settle(ctx)
	return in.Err()
}

const maxTyped = 40 << 10 // bytes of a line with its command

// do carries out a line.
func (l *lineChat) do(ctx context.Context, text string) error {
	command, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimSpace(rest)
	if !strings.HasPrefix(command, "/") || strings.HasPrefix(command, "//") {
		return l.say(ctx, strings.TrimPrefix(text, "/"), false)
	}
	switch command {
	case "/plain":
		return l.say(ctx, rest, true)
	case "/help":
		l.help()
		return nil
	}
	says, err := slash{l.app}.Run(ctx, l.gid, text[1:])
	for line := range strings.Lines(says) {
		fmt.Fprint(l.stderr, "conclave: ", line)
	}
	return err
}

// help lists what a slash does, here and everywhere.
func (l *lineChat) help() {
	fmt.Fprintln(l.stderr, "conclave: a line is sent as it is; one that begins with a slash is a command:")
	list := append([]ui.Command{{Use: "plain TEXT", About: "send this line unencrypted: anyone relaying can read it"}}, slashed()...)
	for _, c := range append(list, ui.Command{Use: "quit", About: "leave; the group goes on without you"}) {
		fmt.Fprintf(l.stderr, "conclave: /%s: %s\n", c.Use, c.About)
	}
}

func (l *lineChat) say(ctx context.Context, text string, plain bool) error {
	<-l.begun // so that what is sent is not taken for history
	l.mu.Lock()
	defer l.mu.Unlock() // nothing is printed before it is known to be ours
	sent, err := l.c.Send(ctx, api.Send{Group: l.gid, Texts: []string{text}, Plain: plain})
	for _, s := range sent {
		if s.State == "sent" {
			l.open[s.MessageID] = true
		}
	}
	l.sentHint(sent)
	return err
}
