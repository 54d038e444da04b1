package lantest

import (
	"slices"
	"testing"
)

func TestLAN_ThreeNodesByMDNSAlone(t *testing.T) {
	s := newThree(t, program(t, ""))
	team := s.createAndJoin()
	s.talk(team)
	s.markedByAge(team)
	s.rotateOnRequest(team)
	s.leaveAndReturn(team)
	s.encryptionOffAndOn(team)
	s.plainLine(team)
	s.plainGroup()
	s.history()
	s.kickAndBan(team)
	s.direct()
	s.verify(team)
}

// createAndJoin makes a group that one person is let into by peer ID, and one
// by invitation after having been declined.
func (s *three) createAndJoin() string {
	for _, p := range s.everyone() {
		if again := p.one("init"); again.text("peer_id") != p.id {
			s.t.Errorf("%s: init again: %v", p.name, again)
		}
	}
	g := s.alice.one("group", "create", "team")
	team := g.text("group_id")
	if g["e2ee"] != true || g.number("epoch") != 1 || g.text("role") != "owner" || g.text("marked") != "no" {
		s.t.Fatalf("created: %v", g)
	}
	if len(s.alice.all("keys", team)) != 1 {
		s.t.Error("a new group has not exactly one key")
	}

	asked := s.bob.one("join", s.alice.id, "--note", "it is bob")
	if asked.text("state") != "requested" || asked.text("group_id") != team {
		s.t.Errorf("join: %v", asked)
	}
	r := s.alice.where("request", []string{"requests", team}, isPeer(s.bob))
	if fp := s.bob.one("id").text("fingerprint"); r.text("fingerprint") != fp || fp == "" || r.text("note") != "it is bob" {
		s.t.Errorf("request: %v, the fingerprint is %s", r, fp)
	}
	if a := s.alice.one("approve", team, s.bob.id); a.text("state") != "approved" || a.text("fingerprint") != r.text("fingerprint") {
		s.t.Errorf("approve: %v", a)
	}
	s.bob.where("joined", []string{"join", "--list"}, func(o object) bool { return o.text("state") == "joined" })
	s.alice.fails(4, "approve", team, s.bob.id)
	s.done("bob asked by peer ID, alice saw his fingerprint and approved")

	s.carol.one("join", s.alice.id+"/"+team)
	s.alice.where("request", []string{"requests"}, isPeer(s.carol))
	if d := s.alice.one("decline", team, s.carol.id); d.text("state") != "declined" {
		s.t.Errorf("decline: %v", d)
	}
	s.carol.where("declined", []string{"join", "--list"}, func(o object) bool { return o.text("state") == "declined" })
	s.done("carol asked and was declined")

	inv := s.alice.one("invite", team, s.carol.id)
	got := s.carol.where("invitation", []string{"invites"}, func(o object) bool { return o.text("group_id") == team })
	if got.text("invite_id") != inv.text("invite_id") || got.text("name") != "team" || got.text("from") != s.alice.id {
		s.t.Errorf("invited by %v, arrived as %v", inv, got)
	}
	if a := s.carol.one("accept", got.text("invite_id"), "--wait"); a.text("state") != "joined" {
		s.t.Errorf("accept: %v", a)
	}
	s.done("carol was invited and accepted")
	s.settle(team, s.everyone()...)
	s.done("all three hold the current key")
	return team
}

// talk has everyone say a line that the others read, sealed under one key.
func (s *three) talk(team string) {
	s.t.Helper()
	var eid string
	for _, p := range s.everyone() {
		sent := s.say(p, team, "good morning from "+p.name)
		if sent.text("state") != "sent" || sent["encrypted"] != true {
			s.t.Errorf("%s: %v", p.name, sent)
		}
		if eid != "" && sent.text("eid") != eid {
			s.t.Errorf("%s used another key", p.name)
		}
		eid = sent.text("eid")
		for _, q := range s.everyone() {
			got := q.follow(team).expect("good morning from " + p.name)
			if got.text("sender") != p.id || got.text("message_id") != sent.text("message_id") || got["encrypted"] != true {
				s.t.Errorf("%s reads %v", q.name, got)
			}
		}
	}
	s.sameLog(team, s.everyone()...)
	s.done("all talked, under one key, in one order")
}

// markedByAge lets the key grow old: the group is marked, and the next line
// leaves under a new key.
func (s *three) markedByAge(team string) {
	before := s.settle(team, s.everyone()...)
	if g := s.alice.one("group", "set", team, "--max-age", "1s"); g.text("group_id") != team {
		s.t.Errorf("set: %v", g)
	}
	s.bob.where("mark", []string{"group", "show", team}, func(o object) bool { return o.text("marked") == "soft" })
	sent := s.say(s.bob, team, "said in a marked group")
	if sent.text("eid") == before.text("eid") || sent.number("epoch") <= before.number("epoch") {
		s.t.Errorf("marked by age, and the line left under the old key %v: %v", before, sent)
	}
	s.alice.one("group", "set", team, "--max-age", "720h")
	for _, p := range s.everyone() {
		p.follow(team).expect("said in a marked group")
		p.where("no mark", []string{"group", "show", team}, func(o object) bool { return o.text("marked") == "no" })
	}
	s.done("the key grew old; the next line left under a new one")
}

// rotateOnRequest replaces the key because a person asks for it.
func (s *three) rotateOnRequest(team string) {
	before := s.settle(team, s.everyone()...)
	r := s.alice.one("rotate", team)
	if r.text("eid") == before.text("eid") || r.number("epoch") <= before.number("epoch") {
		s.t.Errorf("rotate: %v after %v", r, before)
	}
	after := s.settle(team, s.everyone()...)
	if after.text("eid") != r.text("eid") || after.text("reason") != "request" || after.text("minted_by") != s.alice.id {
		s.t.Errorf("after rotate: %v", after)
	}
	if sent := s.say(s.carol, team, "under the key that was asked for"); sent.text("eid") != r.text("eid") {
		s.t.Errorf("carol: %v", sent)
	}
	s.bob.follow(team).expect("under the key that was asked for")
	s.done("alice asked for a new key")
}

// leaveAndReturn lets one member leave: nothing more is said under a key that
// she holds. She is let in again.
func (s *three) leaveAndReturn(team string) {
	before := s.settle(team, s.everyone()...)
	if c := s.carol.one("leave", team); c.text("state") != "left" || c.text("peer_id") != s.carol.id {
		s.t.Errorf("leave: %v", c)
	}
	s.bob.where("carol gone", []string{"group", "show", team}, func(o object) bool { return o.number("members") == 2 })
	sent := s.say(s.bob, team, "carol has left")
	if sent.text("eid") == before.text("eid") {
		s.t.Error("a line left under a key that carol holds")
	}
	s.alice.follow(team).expect("carol has left")
	s.settle(team, s.alice, s.bob)
	if s.carol.reads(team, "carol has left") {
		s.t.Error("carol reads what was said after she left")
	}
	s.carol.fails(5, "send", team, "am I still here?")
	s.done("carol left; the next line left under a new key")
	s.letIn(s.alice, s.carol, team)
	s.settle(team, s.everyone()...)
	s.say(s.alice, team, "carol is back")
	s.carol.follow(team).expect("carol is back")
	if s.carol.reads(team, "carol has left") {
		s.t.Error("carol reads what was said while she was away")
	}
	s.done("carol was let in again")
}

// encryptionOffAndOn has the owner switch encryption off: nobody says a thing
// in plaintext without having accepted that. Then on: under a new key.
func (s *three) encryptionOffAndOn(team string) {
	before := s.settle(team, s.everyone()...)
	s.bob.fails(5, "encryption", team, "off")
	if e := s.alice.one("encryption", team, "off"); e["e2ee"] != false {
		s.t.Errorf("off: %v", e)
	}
	for _, p := range s.everyone() {
		p.where("encryption off", []string{"group", "show", team}, func(o object) bool { return o["e2ee"] == false })
	}
	if f := s.bob.fails(5, "send", team, "this was meant to be sealed"); f.text("hint") == "" {
		s.t.Errorf("blocked without a hint: %v", f)
	}
	s.bob.one("encryption", team, "accept")
	if sent := s.say(s.bob, team, "bob knows that it is off"); sent["encrypted"] != false || sent["epoch"] != nil {
		s.t.Errorf("sent while off: %v", sent)
	}
	if got := s.carol.follow(team).expect("bob knows that it is off"); got["encrypted"] != false || got["eid"] != nil {
		s.t.Errorf("carol reads %v", got)
	}
	s.carol.fails(5, "send", team, "carol has accepted nothing")
	if e := s.alice.one("encryption", team, "on"); e["e2ee"] != true {
		s.t.Errorf("on: %v", e)
	}
	for _, p := range s.everyone() {
		p.where("encryption on", []string{"group", "show", team}, func(o object) bool { return o["e2ee"] == true })
	}
	sent := s.say(s.carol, team, "sealed again")
	if sent.text("eid") == before.text("eid") || sent.number("epoch") <= before.number("epoch") {
		s.t.Errorf("on again under the old key: %v", sent)
	}
	s.bob.follow(team).expect("sealed again")
	for _, p := range s.everyone() {
		if p.reads(team, "this was meant to be sealed") || p.reads(team, "carol has accepted nothing") {
			s.t.Errorf("%s reads a line that was refused", p.name)
		}
	}
	s.settle(team, s.everyone()...)
	s.done("encryption off, accepted, and on again under a new key")
}

// plainLine sends one line without encryption in a sealed group.
func (s *three) plainLine(team string) {
	if sent := s.say(s.carol, team, "a postcard", "--plain"); sent["encrypted"] != false || sent["eid"] != nil {
		s.t.Errorf("send --plain: %v", sent)
	}
	for _, p := range s.everyone() {
		if got := p.follow(team).expect("a postcard"); got["encrypted"] != false {
			s.t.Errorf("%s reads %v", p.name, got)
		}
	}
	if sent := s.say(s.carol, team, "a letter"); sent["encrypted"] != true {
		s.t.Errorf("after send --plain: %v", sent)
	}
	s.done("one line by choice without encryption")
}

// plainGroup is a group without encryption from its beginning.
func (s *three) plainGroup() {
	g := s.bob.one("group", "create", "square", "--plain")
	if g["e2ee"] != false || g["epoch"] != nil {
		s.t.Errorf("created: %v", g)
	}
	square := g.text("group_id")
	s.letIn(s.bob, s.carol, square)
	if sent := s.say(s.carol, square, "hear me"); sent["encrypted"] != false {
		s.t.Errorf("in a plain group: %v", sent)
	}
	if got := s.bob.follow(square).expect("hear me"); got["encrypted"] != false {
		s.t.Errorf("bob reads %v", got)
	}
	s.bob.one("encryption", square, "on")
	s.carol.where("encryption on", []string{"group", "show", square}, func(o object) bool { return o["e2ee"] == true })
	if sent := s.say(s.carol, square, "now in private"); sent["encrypted"] != true {
		s.t.Errorf("switched on: %v", sent)
	}
	s.bob.follow(square).expect("now in private")
	s.done("a plain group, and its encryption switched on")
}

// history checks what a newcomer may read of what came before.
func (s *three) history() {
	for _, setting := range []string{"none", "all"} {
		g := s.alice.one("group", "create", "history-"+setting, "--history", setting).text("group_id")
		s.letIn(s.alice, s.bob, g)
		s.settle(g, s.alice, s.bob)
		s.say(s.alice, g, "before carol, by alice")
		s.say(s.bob, g, "before carol, by bob")
		s.letIn(s.alice, s.carol, g)
		s.settle(g, s.everyone()...)
		s.say(s.bob, g, "with carol")
		f := s.carol.follow(g)
		f.expect("with carol")
		if setting == "all" {
			f.expect("before carol, by alice")
			f.expect("before carol, by bob")
			s.sameLog(g, s.everyone()...)
		} else if s.carol.reads(g, "before carol, by alice") || s.carol.reads(g, "before carol, by bob") {
			s.t.Error("a newcomer reads what came before, although the group keeps it from newcomers")
		}
		s.done("history " + setting)
	}
}

// kickAndBan removes a member, who reads nothing more; bans her, who may not
// even ask; and lets her in again.
func (s *three) kickAndBan(team string) {
	before := s.settle(team, s.everyone()...)
	s.bob.fails(5, "kick", team, s.carol.id)
	s.alice.fails(5, "kick", team, s.alice.id)
	k := s.alice.one("kick", team, s.carol.id)
	if k.text("state") != "removed" || k.number("epoch") <= before.number("epoch") {
		s.t.Errorf("kick: %v, the key before was %v", k, before)
	}
	for _, p := range []*person{s.alice, s.bob} {
		p.where("carol gone", []string{"group", "show", team}, func(o object) bool { return o.number("members") == 2 })
		if sent := s.say(p, team, p.name+" after the kick"); sent.text("eid") == before.text("eid") {
			s.t.Errorf("%s speaks under a key that carol holds", p.name)
		}
	}
	s.alice.follow(team).expect("bob after the kick")
	s.bob.follow(team).expect("alice after the kick")
	s.alice.fails(4, "kick", team, s.carol.id)
	s.carol.where("news of the kick", []string{"group", "show", team}, func(o object) bool { return o.text("role") == "none" })
	s.carol.fails(5, "send", team, "why?")
	s.done("carol was kicked")

	if b := s.alice.one("ban", team, s.carol.id); b.text("state") != "banned" {
		s.t.Errorf("ban: %v", b)
	}
	s.carol.fails(5, "join", s.alice.id+"/"+team)
	s.done("carol is banned and may not ask")
	if u := s.alice.one("unban", team, s.carol.id); u.text("state") != "unbanned" {
		s.t.Errorf("unban: %v", u)
	}
	s.letIn(s.alice, s.carol, team)
	s.settle(team, s.everyone()...)
	s.say(s.alice, team, "welcome back")
	s.carol.follow(team).expect("welcome back")
	for _, text := range []string{"alice after the kick", "bob after the kick"} {
		if s.carol.reads(team, text) {
			s.t.Errorf("carol reads %q", text)
		}
	}
	s.done("carol was unbanned, let in, and reads nothing from between")
}

// direct is the conversation of two, begun by both.
func (s *three) direct() {
	from := s.bob.one("dm", s.carol.id, "psst, carol")
	back := s.carol.one("dm", s.bob.id, "psst, bob")
	if from.text("group_id") != back.text("group_id") || from.text("group_id") == "" {
		s.t.Fatalf("two conversations: %v and %v", from, back)
	}
	dm := from.text("group_id")
	for _, p := range []*person{s.bob, s.carol} {
		f := p.follow(dm)
		for _, text := range []string{"psst, carol", "psst, bob"} {
			if got := f.expect(text); got["encrypted"] != true {
				s.t.Errorf("%s reads %v", p.name, got)
			}
		}
	}
	s.sameLog(dm, s.bob, s.carol)
	s.done("a conversation of two, the same from both ends")
}

// verify compares safety numbers, of two people and of the group.
func (s *three) verify(team string) {
	a, b := s.alice.one("verify", s.bob.id), s.bob.one("verify", s.alice.id)
	if a.text("safety_number") != b.text("safety_number") || a.text("safety_number") == "" || a["verified"] != false {
		s.t.Errorf("safety numbers: %v and %v", a, b)
	}
	if c := s.alice.one("verify", s.carol.id); c.text("safety_number") == a.text("safety_number") {
		s.t.Error("two people have the same safety number")
	}
	if m := s.alice.one("verify", s.bob.id, "--mark"); m["verified"] != true {
		s.t.Errorf("marked: %v", m)
	}
	number := ""
	for _, p := range s.everyone() {
		v := p.one("verify", team).text("safety_number")
		if number != "" && v != number {
			s.t.Errorf("%s sees another number of the group", p.name)
		}
		number = v
	}
	current := s.settle(team, s.everyone()...)
	holders := current.list("holders")
	for _, p := range s.everyone() {
		if !slices.Contains(holders, p.id) {
			s.t.Errorf("%s is not among the holders %v", p.name, holders)
		}
	}
	s.done("safety numbers agree, and everyone sees who holds the key")
}
