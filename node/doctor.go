package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/store"
)

// Finding is one thing that `doctor` looked at. It holds no text, name, key or
// address; groups and people are named by short references.
type Finding struct {
	Check string  `json:"check"` // what was looked at: disk, clock, peers, ...
	State string  `json:"state"` // ok; wait: it mends itself; act: a person has to do something
	Group *string `json:"group"` // the first digits of its ID, where it is about one
	Says  string  `json:"says"`
	Hint  *string `json:"hint"` // what to do, where there is something
}

// The states of a Finding.
const (
	fine = "ok"
	wait = "wait"
	act  = "act"
)

const (
	clockOff  = 2 * time.Minute // beyond, people see times that make no sense
	heldLong  = time.Minute     // before, a held line is nothing to report
	behindFor = time.Minute     // a message on its way takes less
)

// Doctor looks at everything that can be wrong with this node and says what to
// do, worst first.
func (n *Node) Doctor(ctx context.Context) ([]Finding, error) {
	out := []Finding{n.checkDisk(), n.checkClock()}
	out = append(out, n.checkNetwork()...)
	for _, r := range n.allRooms() {
		err := r.look(ctx, func(m *group.Machine) { out = append(out, r.check(m)...) })
		if err != nil {
			return nil, personError(err)
		}
	}
	rank := []string{act, wait, fine}
	slices.SortStableFunc(out, func(a, b Finding) int { return slices.Index(rank, a.State) - slices.Index(rank, b.State) })
	return out, nil
}

func finding(check, state, says, hint string) Finding {
	f := Finding{Check: check, State: state, Says: says}
	if hint != "" {
		f.Hint = &hint
	}
	return f
}

func (n *Node) checkDisk() Finding {
	switch err := n.db.Writable(); {
	case errors.Is(err, store.ErrDiskFull):
		return finding("disk", act, "the disk is full: nothing new is kept, what is there can be read", "free some space")
	case err != nil:
		return finding("disk", act, "the disk has failed: nothing is written any more", "look at the disk, then start the node again")
	}
	return finding("disk", fine, "takes what is written", "")
}

func (n *Node) checkClock() Finding {
	off, of := n.clocks.median()
	switch {
	case of == 0:
		return finding("clock", fine, "no member was met yet to compare with", "")
	case off.Abs() < clockOff:
		return finding("clock", fine, "agrees with "+count(of, "member"), "")
	}
	way := "behind"
	if off < 0 {
		way = "ahead"
	}
	what := fmt.Sprintf("this clock is %s %s, compared with %s", lasting(off.Abs()), way, count(of, "member"))
	if n.clockRuns() && n.erases() {
		what += "; no old messages are erased meanwhile"
	}
	return finding("clock", act, what, "set it, or have it set from the network")
}

// checkNetwork looks at who is connected, who is not, and why.
func (n *Node) checkNetwork() (out []Finding) {
	h := n.net.Health(protoSync)
	switch {
	case h.MDNS != nil:
		out = append(out, finding("lan", act, "the local network cannot be searched: multicast does not get through", "let UDP port 5353 through the firewall, or name a node with --peer"))
	case n.cfg.NoMDNS:
		out = append(out, finding("lan", fine, "the local network is not searched, as asked for", ""))
	case !h.Searches:
		out = append(out, finding("lan", fine, "the local network is not searched: this node listens to this machine alone", ""))
	default:
		out = append(out, finding("lan", fine, "the local network is searched", ""))
	}
	switch {
	case h.Accepted == 0 && h.Dialled > 0 && len(n.absent()) > 0:
		out = append(out, finding("port", act, "this node reaches others, but nobody has reached it", "let these ports through the firewall: "+ports(n.net.Addrs())))
	case h.Accepted > 0:
		out = append(out, finding("port", fine, "others reach this node", ""))
	}
	for _, p := range h.Foreign {
		out = append(out, finding("version", act, "·"+p.Short()+" runs a version that does not understand this one", "use the same version of conclave at both"))
	}
	if away := n.absent(); len(away) > 0 {
		out = append(out, finding("peers", wait, fmt.Sprintf("%s not in reach: %s", count(len(away), "member"), listed(shortly(away))), ""))
	} else {
		out = append(out, finding("peers", fine, count(len(n.members()), "member")+" of this node's groups, all in reach", ""))
	}
	return out
}

// members lists everyone who shares a group with this node.
func (n *Node) members() []keys.PeerID {
	var out []keys.PeerID
	for _, r := range n.allRooms() {
		out = append(out, r.others()...)
	}
	slices.SortFunc(out, keys.PeerID.Compare)
	return slices.Compact(out)
}

func (n *Node) absent() []keys.PeerID {
	here := n.net.Connected()
	return slices.DeleteFunc(n.members(), func(p keys.PeerID) bool { return slices.Contains(here, p) })
}

// check looks at one group. Only called from the loop.
func (r *room) check(m *group.Machine) (out []Finding) {
	add := func(check, state, says, hint string) {
		f := finding(check, state, says, hint)
		f.Group = ptr(r.gid.String()[:8])
		out = append(out, f)
	}
	if !m.IsMember(r.n.me) {
		return nil
	}
	r.checkAlarms(m, add)
	if wanted := m.Wanted(); len(wanted) > 0 {
		add("keys", wait, fmt.Sprintf("%s missing; every member in reach is asked", count(len(wanted), "key")), "")
	}
	if held := m.Held(); len(held) > 0 && r.n.age(held[0].Since) > heldLong {
		add("held", wait, fmt.Sprintf("%s held for %s: %s", count(len(held), "message"), lasting(r.n.age(held[0].Since)), heldReason(m)), heldHint(m))
	}
	for _, g := range m.Gaps() {
		holders, asked := r.syncer.holders(g)
		add("missing", wait, missing(g, "·"+g.Author.Short(), shortly(holders), asked), "")
	}
	if r.disk.damaged {
		add("disk", wait, "some records on the disk are damaged; members are asked for them", "if this comes again the disk may be failing: make a backup")
	}
	if lack := r.lacking(m); len(lack) > 0 {
		add("behind", wait, fmt.Sprintf("%s without your newest message: %s", count(len(lack), "member"), listed(shortly(lack))), "")
	}
	if len(out) == 0 {
		add("group", fine, "nothing is missing, nothing waits", "")
	}
	return out
}

// lacking lists who has not got this node's newest message though it left a
// while ago.
func (r *room) lacking(m *group.Machine) []keys.PeerID {
	ref, ok := m.NewestOwn()
	if !ok {
		return nil
	}
	s, err := r.disk.message(ref)
	if err != nil {
		return nil
	}
	if r.n.age(s.Msg().Time) < behindFor {
		return nil
	}
	_, lack, _ := m.Delivery(ref.Hash)
	return lack
}

// age is how long ago a moment is, in Unix milliseconds.
func (n *Node) age(ms uint64) time.Duration {
	now := n.clock()
	return time.Duration(now-min(ms, now)) * time.Millisecond
}

func heldHint(m *group.Machine) string {
	if !m.Settings().E2EE {
		return "`conclave encryption GROUP accept`, then send again: lines go out in plaintext"
	}
	return ""
}

// ports lists the protocols and ports of addresses, each once.
func ports(addrs []string) string {
	var out []string
	for _, a := range addrs {
		if p := strings.Split(a, "/"); len(p) > 4 && (p[3] == "tcp" || p[3] == "udp") {
			out = append(out, p[3]+" "+p[4])
		}
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ", ")
}
