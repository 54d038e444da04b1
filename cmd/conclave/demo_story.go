package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"conclave/node"
)

const (
	demoPatience = 20 * time.Second       // for anything that has to happen
	demoLook     = 250 * time.Millisecond // how often a state that no event announces is looked at
	demoRoom     = "team"
)

// The events of a story, beside started, check, tableRow and ended.
type (
	step struct {
		Event string `json:"event"` // step
		Step  int    `json:"step"`
		Text  string `json:"text"`
	}
	// typed is a command line that a person gives, and that is run.
	typed struct {
		Event   string `json:"event"` // command
		Name    string `json:"name"`
		Command string `json:"command"`
	}
	// heard is a line of the log as one node reports it.
	heard struct {
		Event  string       `json:"event"` // line
		Name   string       `json:"name"`  // whose node reports it
		Number *int         `json:"number"`
		Line   node.LogLine `json:"line"`

		sender string   // name of who spoke or acted
		reason string   // the line's reason, with names
		inside []string // the members at this moment
	}
	// refused is a command that the node did not take, as it should not.
	refused struct {
		Event   string    `json:"event"` // refused
		Name    string    `json:"name"`
		Error   node.Kind `json:"error"`
		Message string    `json:"message"`
	}
	note struct {
		Event string `json:"event"` // note
		Text  string `json:"text"`
	}
)

// spoken is a line of the conversation.
type spoken struct {
	number int
	sender string
	text   string
	sent   node.Sent
}

// play runs the story from the first node to the last check.
func (d *demo) play(ctx context.Context) error {
	d.script = newScript()
	for _, part := range []func(context.Context) error{
		d.gather, d.create, d.letIn, d.invite, d.talk, d.speakPlainly, d.leave, d.switchOff, d.switchOn, d.reckon,
	} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	if err := d.verdict(); err != nil || !d.o.interactive {
		return err
	}
	return d.stay(ctx)
}

func (d *demo) gather(ctx context.Context) error {
	if err := d.step(ctx, "three people, each with a node of their own; over loopback, nothing leaves this machine"); err != nil {
		return err
	}
	for _, p := range []struct {
		name string
		at   **actor
	}{{"alice", &d.alice}, {"bob", &d.bob}, {"carol", &d.carol}} {
		var err error
		if *p.at, err = d.enter(ctx, p.name); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) create(ctx context.Context) error {
	if err := d.step(ctx, "alice makes a group, and its first key"); err != nil {
		return err
	}
	if _, err := give[node.GroupInfo](ctx, d, d.alice, "group", "create", demoRoom); err != nil {
		return err
	}
	d.alice.from = 1
	return d.say(ctx, d.alice)
}

// letIn brings bob in by alice's peer ID: he waits while she looks at his
// fingerprint and approves.
func (d *demo) letIn(ctx context.Context) error {
	if err := d.step(ctx, "bob asks to join, knowing nothing but alice's peer ID; she compares his fingerprint and approves"); err != nil {
		return err
	}
	if _, err := give[node.JoinState](ctx, d, d.bob, "join", d.alice.peerID, "--note", "bob here"); err != nil {
		return err
	}
	asked, err := give[node.Request](ctx, d, d.alice, "requests", demoRoom)
	if err != nil {
		return err
	}
	if len(asked) != 1 {
		return fmt.Errorf("alice's node knows %d requests, not bob's alone", len(asked))
	}
	if err := d.check(asked[0].PeerID == d.bob.peerID && asked[0].Fingerprint == d.bob.fingerprint,
		"alice sees the fingerprint that bob's own node shows: %s", asked[0].Fingerprint); err != nil {
		return err
	}
	if _, err := give[node.Request](ctx, d, d.alice, "approve", demoRoom, d.bob.peerID); err != nil {
		return err
	}
	return d.welcome(ctx, d.bob)
}

func (d *demo) invite(ctx context.Context) error {
	if err := d.step(ctx, "alice invites carol, who accepts"); err != nil {
		return err
	}
	if _, err := give[node.Invite](ctx, d, d.alice, "invite", demoRoom, d.carol.peerID); err != nil {
		return err
	}
	var offers []node.Invitation
	if err := d.await(ctx, "the invitation at carol's node", func() (ok bool, err error) {
		offers, err = ask[node.Invitation](ctx, d.carol, "invites")
		return len(offers) == 1, err
	}); err != nil {
		return err
	}
	if _, err := give[node.JoinState](ctx, d, d.carol, "accept", "--wait", offers[0].InviteID); err != nil {
		return err
	}
	return d.welcome(ctx, d.carol)
}

// welcome waits until everyone knows the newcomer and holds one key, and lets
// the newcomer speak.
func (d *demo) welcome(ctx context.Context, p *actor) error {
	p.from = len(d.lines) + 1
	if err := d.settle(ctx); err != nil {
		return err
	}
	return d.say(ctx, p)
}

func (d *demo) talk(ctx context.Context) error {
	if err := d.step(ctx, "they talk"); err != nil {
		return err
	}
	for _, p := range []*actor{d.alice, d.bob, d.carol} {
		if err := d.say(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) speakPlainly(ctx context.Context) error {
	if err := d.step(ctx, "bob sends one line in plaintext, by choice; everyone sees that it was"); err != nil {
		return err
	}
	return d.say(ctx, d.bob, "--plain")
}

// leave is the heart of it: the line after a leave goes out under a key that
// the one who left never had.
func (d *demo) leave(ctx context.Context) error {
	if err := d.step(ctx, "carol leaves; the key is replaced before the next line goes out"); err != nil {
		return err
	}
	had, err := ask[node.Key](ctx, d.carol, "keys", demoRoom)
	if err != nil {
		return err
	}
	if _, err := give[node.Change](ctx, d, d.carol, "leave", demoRoom); err != nil {
		return err
	}
	d.carol.until = len(d.lines)
	for _, p := range d.inside() {
		if err := d.awaitGroup(ctx, p, "to know that carol left", func(g node.GroupInfo) bool { return g.Members == 2 }); err != nil {
			return err
		}
	}
	if err := d.say(ctx, d.alice, "--wait"); err != nil {
		return err
	}
	if err := d.checkNewKey(ctx, had); err != nil {
		return err
	}
	return d.say(ctx, d.bob)
}

// checkNewKey holds the last line's key against those that carol had, and
// against what alice's node knows of who holds it.
func (d *demo) checkNewKey(ctx context.Context, had []node.Key) error {
	last := d.lines[len(d.lines)-1].sent
	if last.Epoch == nil || last.EID == nil {
		return d.check(false, "the line after carol left is sealed")
	}
	newest, known := uint64(0), false
	for _, k := range had {
		newest = max(newest, k.Epoch)
		known = known || k.EID == *last.EID
	}
	var holders []string
	if err := d.await(ctx, "alice and bob to hold the new key", func() (bool, error) {
		keys, err := ask[node.Key](ctx, d.alice, "keys", demoRoom)
		for _, k := range keys {
			if k.EID == *last.EID {
				holders = d.names(k.Holders)
				return len(k.Missing) == 0, err
			}
		}
		return false, err
	}); err != nil {
		return err
	}
	return d.check(!known && *last.Epoch > newest && strings.Join(holders, " ") == "alice bob",
		"carol's last key was key %d; this line went out under key %d, held by %s", newest, *last.Epoch, strings.Join(holders, " and "))
}

func (d *demo) switchOff(ctx context.Context) error {
	if err := d.step(ctx, "alice switches encryption off; bob's node refuses to send as if nothing had happened"); err != nil {
		return err
	}
	if _, err := give[node.Encryption](ctx, d, d.alice, "encryption", demoRoom, "off"); err != nil {
		return err
	}
	if err := d.awaitGroup(ctx, d.bob, "to know that encryption is off", func(g node.GroupInfo) bool { return !g.E2EE }); err != nil {
		return err
	}
	d.unsent = d.script.next()
	_, err := give[node.Sent](ctx, d, d.bob, "send", demoRoom, d.unsent)
	if err != nil {
		if err := d.stage.show(refused{"refused", d.bob.name, node.KindOf(err), err.Error()}); err != nil {
			return err
		}
	}
	if err := d.check(node.KindOf(err) == node.NotAllowed, "bob's line did not leave, sealed or plain"); err != nil {
		return err
	}
	return d.say(ctx, d.bob, "--plain")
}

func (d *demo) switchOn(ctx context.Context) error {
	if err := d.step(ctx, "alice switches it on again: with a new key"); err != nil {
		return err
	}
	before, err := ask[node.Key](ctx, d.alice, "keys", demoRoom)
	if err != nil {
		return err
	}
	if _, err := give[node.Encryption](ctx, d, d.alice, "encryption", demoRoom, "on"); err != nil {
		return err
	}
	if err := d.settle(ctx); err != nil {
		return err
	}
	if err := d.say(ctx, d.bob, "--wait"); err != nil {
		return err
	}
	old, last := false, d.lines[len(d.lines)-1].sent
	for _, k := range before {
		old = old || last.EID == nil || k.EID == *last.EID
	}
	return d.check(!old && last.Encrypted, "sealed again, under a key that is newer than the switch")
}
