package main

import (
	"context"
	"fmt"

	"conclave/node"
	"conclave/node/api/words"
)

// announcer tells the person who watches the node what wants an answer, with the
// line that gives it: requests to join, invitations, alarms. And it tells of new
// keys. Each thing is told once.
type announcer struct {
	*app
	n    *node.Node
	told map[string]bool
	made map[string]map[string]string // by group and EID: why epochs were made that are not told of
}

// watch announces until ctx ends. A node that has more to tell than is read cuts
// it off; then it begins again with what is still open.
func (a *app) watch(ctx context.Context, n *node.Node) {
	w := &announcer{app: a, n: n, told: map[string]bool{}, made: map[string]map[string]string{}}
	for ctx.Err() == nil {
		events, err := n.Events(ctx, 0)
		if err != nil {
			return
		}
		w.tellRequests(ctx)
		w.tellInvitations(ctx)
		for e := range events {
			w.tell(ctx, e)
		}
	}
}

func (w *announcer) tell(ctx context.Context, e node.Event) {
	switch e.Kind {
	case "request":
		w.tellRequests(ctx)
	case "invitation":
		w.tellInvitations(ctx)
	case "alarm":
		w.tellAlarms(ctx, e.GroupID)
	case "log":
		if e.Line != nil && e.Line.Kind == "event" && e.Line.EID != nil {
			w.noteKey(e.GroupID, *e.Line)
		}
	case "group":
		w.tellKey(ctx, e.GroupID)
	}
}

// say writes a line for people; what others wrote in it has to be safe already.
func (w *announcer) say(format string, args ...any) {
	fmt.Fprintf(w.stderr, "conclave: "+format+"\n", args...)
}

// once reports whether a thing has not been told yet.
func (w *announcer) once(key string) bool {
	told := w.told[key]
	w.told[key] = true
	return !told
}

// keepTold forgets those things of one kind that are not open any more: what comes
// again is told again.
func (w *announcer) keepTold(kind string, open map[string]bool) {
	for key := range w.told {
		if len(key) > len(kind) && key[:len(kind)] == kind && !open[key] {
			delete(w.told, key)
		}
	}
}

func (w *announcer) groupName(ctx context.Context, gid string) string {
	groups, err := w.n.Groups(ctx, false)
	if err != nil {
		return short(gid)
	}
	return nameOf(callable(groups), gid)
}

func (w *announcer) tellRequests(ctx context.Context) {
	pending, err := w.n.Requests(ctx, "")
	if err != nil {
		return
	}
	open := map[string]bool{}
	for _, r := range pending {
		key := "request " + r.GroupID + r.PeerID
		open[key] = true
		if w.once(key) {
			w.tellRequest(ctx, r)
		}
	}
	w.keepTold("request ", open)
}

func (w *announcer) tellRequest(ctx context.Context, r node.Request) {
	name := w.groupName(ctx, r.GroupID)
	for _, l := range pendingLines(r, name) {
		w.say("%s", l)
	}
	w.hint(w.own("approve", name, r.PeerID))
}

func (w *announcer) tellInvitations(ctx context.Context) {
	all, err := w.n.Invitations(ctx)
	if err != nil {
		return
	}
	open := map[string]bool{}
	for _, i := range all {
		key := "invitation " + i.InviteID
		open[key] = true
		if w.once(key) {
			w.say("%s invites you: %s", words.Who(value(i.FromName), i.From), words.Line(i.Name))
			w.hint(w.own("accept", short(i.InviteID)))
		}
	}
	w.keepTold("invitation ", open)
}

func (w *announcer) tellAlarms(ctx context.Context, gid string) {
	g, err := w.n.Group(ctx, gid)
	if err != nil {
		return
	}
	for _, x := range g.Alarms {
		if w.once(fmt.Sprint("alarm ", gid, x.PeerID, x.Log, x.Lane, x.Seq)) {
			w.say("ALARM in %s: %s", words.Line(w.groupName(ctx, gid)), words.Line(x.Says))
			w.hint(value(x.Hint))
		}
	}
}

// noteKey remembers why an epoch was made until it is known which one lines go
// out under: its key may come after it, and many come with catch-up.
func (w *announcer) noteKey(gid string, l node.LogLine) {
	if w.made[gid] == nil {
		w.made[gid] = map[string]string{}
	}
	w.made[gid][*l.EID] = value(l.Reason)
}

// tellKey tells of a new key that lines go out under from now on; not of the first
// of a group that this person has just made.
func (w *announcer) tellKey(ctx context.Context, gid string) {
	if len(w.made[gid]) == 0 {
		return
	}
	all, err := w.n.Keys(ctx, gid)
	if err != nil {
		return
	}
	for _, k := range all {
		why, fresh := w.made[gid][k.EID]
		if !k.Current || !fresh {
			continue
		}
		delete(w.made, gid)
		if k.Reason != "create" || k.MintedBy != w.n.ID().PeerID {
			w.say("%s: %s", words.Line(w.groupName(ctx, gid)), words.Line(why))
		}
	}
}

// quoted is a note that somebody else wrote, behind a comma, or empty.
func quoted(note string) string {
	if note = words.Line(note); note == "" {
		return ""
	}
	return fmt.Sprintf(", saying %q", note)
}
