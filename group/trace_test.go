package group

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"conclave/keys"
)

// The golden traces in testdata/traces are written in a small language. A
// directive `people` names the members-to-be; `do` runs one command a line and
// prints what each published; `state`, `epochs`, `marks` and `reads` print what
// each person's node holds, equal ones together. Commands:
//
//	NAME create [history=all] [rotate_by=owner|deputies] [max_messages=N] [plain] [require]
//	NAME add WHO            WHO asked; catches up from NAME afterwards
//	NAME grant WHO CAPS     caps joined by commas; revoke, kick, ban, unban WHO
//	NAME leave [abandon]    rotate; accept-plain
//	NAME set KEY=VALUE...   name, e2ee=on|off, history=none|all, rotate_by
//	NAME say TEXT           plain TEXT
//	NAME restart            from what its batches left behind
//	talk A B                a conversation in place of a group
//	sync A B                B catches up from A; meet NAME... all from all
//	part A B | C ...        nothing passes between the sides; heal
//	tick MS                 time passes for everyone
type trace struct {
	*world
	names map[*peer]string
	out   strings.Builder
}

func TestTraces(t *testing.T) {
	datadriven.Walk(t, "testdata/traces", func(t *testing.T, path string) {
		tr := &trace{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			tr.out.Reset()
			switch d.Cmd {
			case "people":
				tr.start(t, d.CmdArgs)
			case "do":
				for _, line := range strings.Split(d.Input, "\n") {
					tr.do(strings.Fields(line))
				}
			case "state":
				tr.each(tr.state)
			case "epochs":
				tr.each(tr.epochs)
			case "marks":
				tr.each(func(p *peer) string { return p.Marked(tr.now).String() })
			case "reads":
				tr.each(tr.readable)
			default:
				d.Fatalf(t, "unknown directive %q", d.Cmd)
			}
			if tr.out.Len() == 0 {
				return "ok"
			}
			return tr.out.String()
		})
	})
}

func (tr *trace) start(t *testing.T, args []datadriven.CmdArg) {
	tr.world = &world{t: t, now: 1_700_000_000_000, seen: map[PeerID]*peer{}}
	tr.names = map[*peer]string{}
	for i, a := range args {
		p := tr.person(byte(i + 1))
		tr.all = append(tr.all, p)
		tr.seen[p.id.PeerID()], tr.names[p] = p, a.Key
	}
	tr.watch = tr.published
}

func (tr *trace) peer(name string) *peer {
	tr.t.Helper()
	for p, n := range tr.names {
		if n == name {
			return p
		}
	}
	tr.t.Fatalf("nobody is called %q", name)
	return nil
}

func (tr *trace) peers(names []string) []*peer {
	var out []*peer
	for _, n := range names {
		out = append(out, tr.peer(n))
	}
	return out
}

func (tr *trace) name(id PeerID) string {
	if p := tr.seen[id]; p != nil {
		return tr.names[p]
	}
	return "nobody"
}

// do runs one command.
func (tr *trace) do(f []string) {
	switch f[0] {
	case "talk":
		tr.talk(tr.peer(f[1]), tr.peer(f[2]))
	case "sync":
		tr.catchUp(tr.peer(f[1]), tr.peer(f[2]))
	case "meet":
		tr.meet(tr.peers(f[1:])...)
	case "part":
		side := 1
		for _, n := range f[1:] {
			if n == "|" {
				side++
			} else {
				tr.peer(n).side = side
			}
		}
		tr.presence()
	case "heal":
		for _, p := range tr.all {
			p.side = 0
		}
		tr.presence()
	case "tick":
		ms, err := strconv.Atoi(f[1])
		if err != nil {
			tr.t.Fatal(err)
		}
		tr.now += uint64(ms)
		for _, p := range tr.all {
			if p.Machine != nil {
				tr.must(p, Tick{})
			}
		}
	default:
		tr.act(tr.peer(f[0]), f[1], f[2:])
	}
}

// catchUp brings q what p holds. A former member gets its farewell.
func (tr *trace) catchUp(p, q *peer) {
	if p.IsMember(q.me) {
		tr.sync(p, q)
		return
	}
	fmt.Fprintf(&tr.out, "%s: %s is no member\n", tr.names[p], tr.names[q])
	for _, r := range p.Farewell(q.me) {
		tr.deliver(q, r)
	}
}

// presence tells everyone who is in reach.
func (tr *trace) presence() {
	for _, p := range tr.all {
		for _, q := range tr.all {
			if p != q && p.Machine != nil && q.Machine != nil {
				tr.must(p, Online{Peer: q.me, Up: p.side == q.side && p.IsMember(q.me) && q.IsMember(p.me)})
			}
		}
	}
}

func (tr *trace) act(p *peer, verb string, args []string) {
	arg := strings.Join(args, " ")
	who := func() PeerID { return tr.peer(args[0]).id.PeerID() }
	var ev Event
	switch verb {
	case "create":
		tr.create(p, args)
		return
	case "restart":
		tr.restart(p)
		tr.presence()
		return
	case "add":
		tr.add(p, tr.peer(args[0]))
		return
	case "set":
		ev = Change{Settings: settingsWith(tr.t, p.Settings(), args)}
	case "grant":
		ev = DeputyAdd{Peer: who(), Caps: capsOf(args[1])}
	case "revoke":
		ev = DeputyRemove{Peer: who()}
	case "kick", "ban":
		ev = Remove{Peer: who(), Ban: verb == "ban"}
	case "unban":
		ev = Unban{Peer: who()}
	case "leave":
		ev = Quit{Abandon: arg == "abandon"}
	case "rotate":
		ev = Rotate{}
	case "accept-plain":
		ev = AcceptPlain{}
	case "say", "plain":
		ev = Send{Items: []Item{tr.item(arg)}, Plain: verb == "plain"}
	default:
		tr.t.Fatalf("unknown verb %q", verb)
	}
	tr.try(p, ev)
}

// try steps, and prints a refusal.
func (tr *trace) try(p *peer, ev Event) {
	r, err := tr.step(p, ev)
	if err != nil {
		fmt.Fprintf(&tr.out, "%s: %v\n", tr.names[p], err)
	}
	if _, sends := ev.(Send); sends && err == nil && len(r.Sent) == 0 {
		fmt.Fprintf(&tr.out, "%s: held\n", tr.names[p])
	}
}

func (tr *trace) create(p *peer, args []string) {
	s := settingsWith(tr.t, settingsFor("team"), args)
	s.E2EE = !slices.Contains(args, "plain")
	gid, genesis, err := CreateID(p.id, s, slices.Contains(args, "require"), tr.now, tr.entropy())
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.gid = gid
	for _, q := range tr.all {
		q.Machine = New(Config{GID: gid, Self: q.id, Bundle: q.bundle}, Stored{})
	}
	tr.must(p, Create{Genesis: genesis})
}

// add lets q join by asking p. Everyone on p's side meets it.
func (tr *trace) add(p, q *peer) {
	_, err := tr.step(p, JoinAsked{Request: Request{Peer: q.me, Bundle: q.bundle.Raw()}})
	if err == nil {
		_, err = tr.step(p, Approve{Peer: q.me})
	}
	if err != nil {
		fmt.Fprintf(&tr.out, "%s: %v\n", tr.names[p], err)
		return
	}
	tr.sync(p, q)
	for _, other := range tr.all {
		if other != p && other.side == p.side && p.IsMember(other.me) {
			tr.sync(p, other)
		}
	}
	tr.presence()
}

func (tr *trace) talk(a, b *peer) {
	gid, pair := DirectID(a.id.PeerID(), b.id.PeerID())
	tr.gid = gid
	for _, p := range []*peer{a, b} {
		p.Machine = New(Config{GID: gid, Self: p.id, Direct: &pair, Bundle: p.bundle}, Stored{})
	}
	for _, p := range []*peer{a, b} {
		q := tr.seen[p.other()]
		tr.must(p, Received{Record: tr.decode(append([]byte{byte(KindBundle)}, q.bundle.Raw()...))})
	}
	tr.presence()
}

func settingsWith(t testing.TB, s Settings, args []string) Settings {
	for _, a := range args {
		k, v, _ := strings.Cut(a, "=")
		switch k {
		case "name":
			s.Name = v
		case "e2ee":
			s.E2EE = v == "on"
		case "history":
			s.History = map[string]History{"none": HistoryNone, "all": HistoryAll}[v]
		case "rotate_by":
			s.RotateBy = map[string]RotateBy{"any": RotateByAny, "deputies": RotateByDeputies, "owner": RotateByOwner}[v]
		case "max_messages":
			n, err := strconv.Atoi(v)
			if err != nil {
				t.Fatal(err)
			}
			s.MaxMessages = uint64(n)
		}
	}
	return s
}

var capNames = []string{"approve", "kick", "rotate", "invite"}

func capsOf(s string) (out Caps) {
	for _, n := range strings.Split(s, ",") {
		out |= 1 << slices.Index(capNames, n)
	}
	return out
}

// published prints what a step published, and what left the outbox.
func (tr *trace) published(p *peer, r Ready) {
	var what []string
	chunks := 0
	for _, payload := range r.Publish {
		v := tr.decode(payload)
		switch {
		case v.Kind() == KindChunk:
			chunks++
		case v.Kind() == KindMessage:
			what = append(what, tr.message(v.Msg()))
		case v.Kind() == KindEntry:
			what = append(what, tr.entry(v))
		}
	}
	for _, job := range r.Seal {
		to := make([]string, len(job.To))
		for i, b := range job.To {
			to[i] = tr.name(b.Peer)
		}
		what = append(what, fmt.Sprintf("key to %s", strings.Join(to, " ")))
	}
	for range r.Batch.Alarms {
		what = append(what, "ALARM")
	}
	if len(r.Drop) > 0 && len(what) > 0 {
		var gone []string
		for _, d := range r.Drop {
			gone = append(gone, tr.name(d))
		}
		what = append(what, "closes "+strings.Join(gone, " "))
	}
	if len(what) > 0 {
		fmt.Fprintf(&tr.out, "%s: %s\n", tr.names[p], strings.Join(what, ", "))
	}
}

func (tr *trace) message(x *Msg) string {
	if len(x.EID) == 0 {
		return "plain message"
	}
	return "message under " + tr.epochName(Hash(x.EID))
}

func (tr *trace) entry(v Verified) string {
	switch b := v.Entry().body.(type) {
	case *Epoch:
		return fmt.Sprintf("EPOCH %s %s", tr.epochName(v.Hash), b.Reason)
	case *Peer:
		return fmt.Sprintf("%s %s", v.Entry().Type, tr.name(b.Peer))
	case *Removal:
		return fmt.Sprintf("%s %s (%d cuts)", v.Entry().Type, tr.name(b.Peer), len(b.Cuts))
	case *Grant:
		return fmt.Sprintf("GRANT %s", tr.name(b.Peer))
	case *Revoke:
		return fmt.Sprintf("REVOKE (%d cuts)", len(b.Cuts))
	case *Leave:
		return fmt.Sprintf("LEAVE (%d cuts)", len(b.Cuts))
	}
	return v.Entry().Type.String()
}

// epochName is the generation and the first digits of the eid.
func (tr *trace) epochName(eid Hash) string {
	for _, p := range tr.all {
		if p.Machine == nil {
			continue
		}
		if e, ok := p.Epoch(eid); ok {
			return fmt.Sprintf("%d/%s", e.Gen, eid.String()[:4])
		}
	}
	return "?/" + eid.String()[:4]
}

// each prints what f says of everyone's node, equal ones in one line.
func (tr *trace) each(f func(p *peer) string) {
	var lines []string
	who := map[string][]string{}
	for _, p := range tr.all {
		if p.Machine == nil || !p.Known() {
			continue
		}
		s := f(p)
		if who[s] == nil {
			lines = append(lines, s)
		}
		who[s] = append(who[s], tr.names[p])
	}
	for _, s := range lines {
		fmt.Fprintf(&tr.out, "%s: %s\n", strings.Join(who[s], " "), s)
	}
}

func (tr *trace) state(p *peer) string {
	s := p.Settings()
	mode := map[bool]string{true: "encrypted", false: "plain"}[s.E2EE]
	var members, gone, banned []string
	for _, u := range p.Members() {
		m := tr.name(u)
		if role := p.Role(u); role != "member" {
			m += "(" + role + ")"
		}
		members = append(members, m)
	}
	for _, u := range p.Everyone() {
		if p.Banned(u) {
			banned = append(banned, tr.name(u))
		} else if p.Removed(u) {
			gone = append(gone, tr.name(u))
		}
	}
	out := fmt.Sprintf("%q %s | %s", s.Name, mode, strings.Join(members, " "))
	if len(gone) > 0 {
		out += " | gone " + strings.Join(gone, " ")
	}
	if len(banned) > 0 {
		out += " | banned " + strings.Join(banned, " ")
	}
	if held := len(p.Held()); held > 0 {
		out += fmt.Sprintf(" | %d held", held)
	}
	return out
}

// epochs lists the epochs, oldest first: void ones in brackets, ineligible ones
// with a dash, those without a key with a question mark, the current one starred.
func (tr *trace) epochs(p *peer) string {
	eligible := map[Hash]bool{}
	for _, e := range p.eligible() {
		eligible[e.eh] = true
	}
	var out []string
	for _, e := range p.Epochs() {
		s := tr.epochName(e.EID)
		switch {
		case e.Void:
			s = "[" + s + "]"
		case !eligible[e.EID]:
			s = "-" + s
		}
		if !e.Held {
			s += "?"
		}
		if e.Current {
			s += "*"
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// readable lists the lines of a node in display order; what cannot be read with
// the reason.
func (tr *trace) readable(q *peer) string {
	var recs []*message
	for _, r := range q.msgs {
		recs = append(recs, r)
	}
	var out []string
	for _, r := range sortedByDisplay(recs) {
		if !q.visible(r) {
			out = append(out, tr.name(r.author)+" hidden")
			continue
		}
		if err := q.MayRead(r.hash); err != nil {
			out = append(out, fmt.Sprintf("%s unreadable (%v)", tr.name(r.author), err))
			continue
		}
		var key keys.Secret
		if r.epoch != nil {
			key, _ = q.Key(r.epoch.eh)
		}
		v, err := DecodeOwn(tr.gid, q.messages[r.hash].Payload)
		if err != nil {
			tr.t.Fatal(err)
		}
		items, err := v.Msg().Items(key)
		if err != nil {
			tr.t.Fatal(err)
		}
		for _, it := range items {
			mark := ""
			if r.epoch == nil {
				mark = " plain"
			}
			out = append(out, fmt.Sprintf("%s%s %q", tr.name(r.author), mark, it.Text))
		}
	}
	return strings.Join(out, ", ")
}
