package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"conclave/node"
	"conclave/node/api/words"
)

// stay leaves the group running until the person ends it, which is no error.
func (d *demo) stay(ctx context.Context) error {
	if err := d.step(ctx, "the group goes on; Ctrl-C here ends it and removes the three homes"); err != nil {
		return err
	}
	for _, text := range d.howToJoin() {
		if err := d.stage.show(note{"note", text}); err != nil {
			return err
		}
	}
	asked := map[string]bool{}
	for {
		select {
		case r := <-d.reports:
			if err := d.onReport(r); err != nil {
				return err
			}
			if r.event.Kind == "request" && r.from == d.alice {
				if err := d.tellRequests(ctx, asked); err != nil {
					return err
				}
			}
		case <-ctx.Done():
			if err := d.why(ctx, ctx.Err()); node.KindOf(err) != node.Interrupted {
				return err
			}
			return nil
		}
	}
}

// howToJoin gives the lines to copy into another terminal.
func (d *demo) howToJoin() []string {
	me, self := "--home "+d.dir+"-you", programName()
	return []string{
		"in a second terminal, a node of your own (its home is yours to remove):",
		fmt.Sprintf("  %s up %s --listen /ip4/127.0.0.1/tcp/0 --peer %s", self, me, d.alice.addr),
		"in a third, ask to be let in; alice's line appears here:",
		fmt.Sprintf("  %s join %s %s", self, me, d.alice.peerID),
		"then speak, and see what comes; or speak as alice:",
		fmt.Sprintf("  %s send %s %s hello", self, me, demoRoom),
		fmt.Sprintf("  %s log %s %s --follow", self, me, demoRoom),
		fmt.Sprintf("  %s send --home %s %s hello", self, d.alice.home, demoRoom),
	}
}

// programName is how this program was called, so that the lines to copy work.
func programName() string {
	if strings.ContainsRune(os.Args[0], os.PathSeparator) {
		return os.Args[0]
	}
	return "conclave"
}

// tellRequests says how alice approves those who are not in asked, and puts
// them there.
func (d *demo) tellRequests(ctx context.Context, asked map[string]bool) error {
	pending, err := ask[node.Request](ctx, d.alice, "requests", demoRoom)
	if err != nil {
		return err
	}
	for _, r := range pending {
		if asked[r.PeerID] {
			continue
		}
		asked[r.PeerID] = true
		for _, text := range []string{
			fmt.Sprintf("%s %s%s, fingerprint %s", r.PeerID, words.Say("request.pending"), quoted(r.Note), r.Fingerprint),
			fmt.Sprintf("  %s approve --home %s %s %s", programName(), d.alice.home, demoRoom, r.PeerID),
		} {
			if err := d.stage.show(note{"note", text}); err != nil {
				return err
			}
		}
	}
	return nil
}
