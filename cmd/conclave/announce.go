package main

import (
	"context"
	"fmt"

	"conclave/node"
	"conclave/node/api/words"
)

// watchRequests tells the person who watches the node about each request to
// join, with the line that approves it, until ctx ends.
func (a *app) watchRequests(ctx context.Context, n *node.Node) {
	events, err := n.Events(ctx, 0)
	if err != nil {
		return
	}
	told := map[string]bool{}
	a.tellRequests(ctx, n, told)
	for e := range events {
		if e.Kind == "request" {
			a.tellRequests(ctx, n, told)
		}
	}
}

// tellRequests prints the pending requests that are not in told, and puts them
// there; told forgets those that are no longer pending.
func (a *app) tellRequests(ctx context.Context, n *node.Node, told map[string]bool) {
	pending, err := n.Requests(ctx, "")
	if err != nil {
		return
	}
	now := map[string]bool{}
	for _, r := range pending {
		key := r.GroupID + r.PeerID
		now[key] = true
		if !told[key] {
			told[key] = true
			a.tellRequest(ctx, n, r)
		}
	}
	for key := range told {
		if !now[key] {
			delete(told, key)
		}
	}
}

func (a *app) tellRequest(ctx context.Context, n *node.Node, r node.Request) {
	name := short(r.GroupID)
	if groups, err := n.Groups(ctx, false); err == nil {
		name = nameOf(callable(groups), r.GroupID)
	}
	members, err := n.Members(ctx, r.GroupID)
	if err != nil {
		members = nil // the group is gone by now; the request says what it says
	}
	for _, l := range pendingLines(r, name, members) {
		fmt.Fprintf(a.stderr, "conclave: %s\n", l)
	}
	fmt.Fprintf(a.stderr, "hint: %s\n", a.own("approve", name, r.PeerID))
}

// quoted is a note that somebody else wrote, behind a comma, or empty.
func quoted(note string) string {
	if note = words.Line(note); note == "" {
		return ""
	}
	return fmt.Sprintf(", saying %q", note)
}
