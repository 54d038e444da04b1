package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"conclave/node"
	"conclave/node/api/words"
)

// step begins a part of the story; on a screen, after a moment to read the one
// before.
func (d *demo) step(ctx context.Context, text string) error {
	if d.steps++; d.steps > 1 {
		if err := d.pump(ctx, time.After(d.beat)); err != nil {
			return err
		}
	}
	return d.stage.show(step{"step", d.steps, text})
}

// give shows a command line and runs it, while what the nodes report goes on
// being shown.
func give[T any](ctx context.Context, d *demo, p *actor, args ...string) ([]T, error) {
	if err := d.pump(ctx, time.After(d.beat/3)); err != nil {
		return nil, err
	}
	if err := d.stage.show(typed{"command", p.name, commandLine(args)}); err != nil {
		return nil, err
	}
	var answers []T
	var failed error
	done := make(chan time.Time)
	go func() {
		defer close(done)
		answers, failed = ask[T](ctx, p, args...)
	}()
	if err := d.pump(ctx, done); err != nil {
		return nil, err
	}
	return answers, failed
}

// commandLine is what a person types, without the folder of the home.
func commandLine(args []string) string {
	out := "conclave"
	for _, arg := range args {
		if strings.ContainsAny(arg, " ") {
			arg = strconv.Quote(arg)
		}
		out += " " + arg
	}
	return out
}

// pump shows what the nodes report until done.
func (d *demo) pump(ctx context.Context, done <-chan time.Time) error {
	for {
		select {
		case r := <-d.reports:
			if err := d.onReport(r); err != nil {
				return err
			}
		case <-done:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// await pumps until cond holds. It looks again after each report, and every so
// often.
func (d *demo) await(ctx context.Context, what string, cond func() (bool, error)) error {
	end := time.Now().Add(demoPatience)
	for {
		ok, err := cond()
		if ok || err != nil {
			return err
		}
		if time.Now().After(end) {
			return &node.Error{Kind: node.KindError, Message: fmt.Sprintf("waited %s in vain for %s", demoPatience, what)}
		}
		select {
		case r := <-d.reports:
			err = d.onReport(r)
		case <-time.After(demoLook):
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// awaitGroup waits until p's own node knows the group and says of it what it
// should.
func (d *demo) awaitGroup(ctx context.Context, p *actor, what string, ok func(node.GroupInfo) bool) error {
	return d.await(ctx, p.name+"'s node "+what, func() (bool, error) {
		g, err := ask[node.GroupInfo](ctx, p, "group", "show", demoRoom)
		if node.KindOf(err) == node.NotFound {
			return false, nil
		}
		return err == nil && ok(g[0]), err
	})
}

// settle waits until all members know each other and hold the key that alice
// seals with.
func (d *demo) settle(ctx context.Context) error {
	var key uint64
	for _, p := range d.inside() {
		err := d.awaitGroup(ctx, p, "to have the newest key", func(g node.GroupInfo) bool {
			if p == d.alice && g.Epoch != nil {
				key = *g.Epoch
			}
			return g.Members == len(d.inside()) && g.E2EE && g.Epoch != nil && *g.Epoch == key
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// say lets p say the next line, and waits until every member's node has
// reported it.
func (d *demo) say(ctx context.Context, p *actor, flags ...string) error {
	l := &spoken{number: len(d.lines) + 1, sender: p.name, text: d.script.next()}
	d.lines = append(d.lines, l)
	sent, err := give[node.Sent](ctx, d, p, slices.Concat([]string{"send", demoRoom}, flags, []string{l.text})...)
	if err != nil {
		return err
	}
	l.sent = sent[0]
	for _, m := range d.inside() {
		if err := d.await(ctx, "line "+strconv.Itoa(l.number)+" at "+m.name+"'s node", func() (bool, error) {
			return m.heard[l.text], nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// inside returns the members at this moment.
func (d *demo) inside() []*actor {
	var in []*actor
	for _, p := range d.cast {
		if p.from > 0 && p.until == 0 {
			in = append(in, p)
		}
	}
	return in
}

// onReport takes what a node reports, and shows lines of the log.
func (d *demo) onReport(r report) error {
	if r.err != nil {
		return r.err
	}
	l := r.event.Line
	if l == nil {
		return nil
	}
	h := heard{Event: "line", Name: r.from.name, Line: *l, reason: d.named(value(l.Reason)), sender: d.name(value(l.Sender))}
	if text := value(l.Text); text != "" {
		r.from.heard[text] = true
		if n := slices.IndexFunc(d.lines, func(s *spoken) bool { return s.text == text }); n >= 0 {
			n++
			h.Number = &n
		}
	}
	for _, p := range d.inside() {
		h.inside = append(h.inside, p.name)
	}
	return d.stage.show(h)
}

// name returns the name of a peer ID: of the cast, else its fingerprint.
func (d *demo) name(peerID string) string {
	for _, p := range d.cast {
		if p.peerID == peerID {
			return p.name
		}
	}
	return words.Fingerprint(peerID)
}

// names returns the names of peer IDs in alphabetical order.
func (d *demo) names(peerIDs []string) []string {
	var out []string
	for _, id := range peerIDs {
		out = append(out, d.name(id))
	}
	slices.Sort(out)
	return out
}

// named puts the cast's names before their fingerprints, since the nodes of
// the demo know none.
func (d *demo) named(reason string) string {
	reason = words.Line(reason)
	for _, p := range d.cast {
		reason = strings.ReplaceAll(reason, words.Fingerprint(p.peerID), p.who())
	}
	return reason
}
