package screen

import (
	"slices"
	"time"

	"conclave/node"
	"conclave/node/api/words"
)

// need is something that the screen has to read again. However often it is
// wanted, one reading runs at a time.
type need uint

const (
	needSelf need = 1 << iota
	needGroups
	needAsked
	needGroup  // the open one
	needPeople // its members
	needTail   // the end of its log
	needRead   // to say how far it was read

	needAll  = needSelf | needGroups | needAsked | needGroup | needPeople | needTail
	needOpen = needGroup | needPeople | needTail | needRead
)

// state is what the screen knows. Its methods only change it; what has to be
// done outside collects in out.
type state struct {
	me     string
	self   node.Profile // of the same
	groups []node.GroupInfo
	open   string // ID of the group that is shown
	info   node.GroupInfo
	people []node.Member
	alike  map[string]bool // those whose names could be taken for another's
	log    window

	requests    []node.Request
	invitations []node.Invitation
	joins       []node.JoinState
	aside       map[string]bool // invitations that were put aside
	ask         *Ask            // asked until it is answered
	waitFor     string          // a group that is opened once it is there

	offered  string    // key of the offer that is shown
	replaced time.Time // when it took the place of another
	now      func() time.Time

	notice string // the last thing to tell, until a key is pressed
	lost   error  // why the node does not answer

	wanted, running need
	out             []action
}

func (s *state) want(n need) { s.wanted |= n }

// flush turns what is wanted into actions, as far as it is not under way.
func (s *state) flush() []action {
	now := s.wanted &^ s.running
	for _, r := range []struct {
		need
		make func() action
	}{
		{needSelf, func() action { return readSelf{} }},
		{needGroups, func() action { return readGroups{} }},
		{needAsked, func() action { return readAsked{} }},
		{needGroup, func() action { return readGroup{s.open} }},
		{needPeople, func() action { return readPeople{s.open} }},
		{needTail, func() action { return readLog{s.open, atEnd, ""} }},
		{needRead, func() action { return sayRead{s.open, s.log.end()} }},
	} {
		if now&r.need == 0 {
			continue
		}
		s.wanted &^= r.need
		if s.open == "" && r.need&needOpen != 0 {
			continue
		}
		s.running |= r.need
		s.out = append(s.out, r.make())
	}
	out := s.out
	s.out = nil
	return out
}

func (s *state) do(a action) { s.out = append(s.out, a) }

// hear takes a message that an action or the node sent. It reports whether it
// was one.
func (s *state) hear(msg any) bool {
	switch m := msg.(type) {
	case news:
		s.onNews(m)
	case gotSelf:
		s.running &^= needSelf
		s.self, s.me = m.me, m.me.PeerID
	case gotGroups:
		s.running &^= needGroups
		s.onGroups(m.groups)
	case gotAsked:
		s.running &^= needAsked
		s.onAsked(m)
	case gotGroup:
		s.running &^= needGroup
		if m.gid == s.open {
			s.info = m.info
			if m.info.Members != len(s.people) {
				s.want(needPeople)
			}
			s.noteRead()
		}
	case gotPeople:
		s.running &^= needPeople
		if m.gid == s.open {
			s.people = m.members
			slices.SortStableFunc(s.people, byRank)
			s.alike = alike(s.people)
		}
	case gotLog:
		s.onLog(m)
		s.noteRead()
	case saidRead:
		s.running &^= needRead
	case sent:
		if m.gid == s.open {
			s.want(needTail | needGroup)
		}
	case decided:
		s.want(needAsked | needGroups | needOpen)
	case accepted:
		s.onJoin(m.join)
	case asked:
		s.onJoin(m.join)
	case failed:
		s.onFailed(m)
	default:
		return false
	}
	return true
}

func (s *state) onNews(n news) {
	if n.lost != nil {
		s.lost = n.lost
		return
	}
	if n.all {
		s.lost = nil
		s.running = 0
		s.want(needAll)
		if s.ask != nil {
			s.do(ask{*s.ask})
		}
	}
	if n.alarm != "" {
		s.notice = "an alarm: the group's last lines and `conclave doctor` say what it is"
	}
	if n.asked {
		s.want(needAsked | needGroups)
	}
	for gid, count := range n.texts {
		if gid == s.open && !s.log.following() {
			s.log.below += count
		}
	}
	for gid := range n.groups {
		if gid == s.open {
			s.want(needGroup)
			if s.log.following() || s.log.lines == nil {
				s.want(needTail)
			}
		}
		s.want(needGroups)
	}
}

// onGroups keeps the list; where no group is open the first is, or the one that
// was waited for.
func (s *state) onGroups(all []node.GroupInfo) {
	s.groups = all
	has := func(gid string) bool {
		return slices.ContainsFunc(all, func(g node.GroupInfo) bool { return g.GroupID == gid })
	}
	switch {
	case s.waitFor != "" && has(s.waitFor):
		s.show(s.waitFor)
		s.waitFor, s.notice = "", ""
	case s.open == "" && len(all) > 0 && s.waitFor == "" && s.ask == nil:
		s.show(all[0].GroupID)
	}
}

// show opens a group.
func (s *state) show(gid string) {
	s.open, s.info, s.people, s.alike, s.log = gid, node.GroupInfo{}, nil, nil, window{}
	for _, g := range s.groups {
		if g.GroupID == gid {
			s.info = g
		}
	}
	s.running &^= needOpen
	s.want(needGroup | needPeople | needTail)
}

// noteRead has the node told that what is in view was read.
func (s *state) noteRead() {
	if s.info.Unread > 0 && s.log.following() && s.log.end() != "" {
		s.want(needRead)
	}
}

// unread is how many messages of a group were not read. What is in view is.
func (s *state) unread(g node.GroupInfo) int {
	if g.GroupID == s.open && s.log.following() {
		return 0
	}
	return g.Unread
}

// next opens the group that stands n places further in the list.
func (s *state) next(n int) {
	if len(s.groups) == 0 {
		return
	}
	i := slices.IndexFunc(s.groups, func(g node.GroupInfo) bool { return g.GroupID == s.open })
	s.show(s.groups[(i+n+len(s.groups))%len(s.groups)].GroupID)
}

func (s *state) onAsked(m gotAsked) {
	s.joins = m.joins
	s.keepOffers(m.requests, m.invitations)
	for _, j := range m.joins {
		if s.ask != nil || s.waitFor == "" {
			break
		}
		if j.GroupID != nil && *j.GroupID == s.waitFor && j.State == "declined" {
			s.waitFor, s.notice = "", words.Join(j.State, false)+" by "+words.Fingerprint(j.PeerID)
		}
	}
}

// onJoin notes which group a request or an accepted invitation leads to.
func (s *state) onJoin(j node.JoinState) {
	s.ask = nil
	if j.GroupID != nil {
		s.waitFor = *j.GroupID
	}
	s.notice = words.Join(j.State, j.Kept)
	s.want(needAsked | needGroups)
}

func (s *state) onLog(m gotLog) {
	if m.at == atEnd {
		s.running &^= needTail
	}
	if m.gid != s.open {
		return
	}
	switch m.at {
	case atEnd:
		if s.log.lines == nil || s.log.following() {
			s.log.tail(m.lines)
		}
	case before:
		s.log.older(m.lines)
	case after:
		s.log.newer(m.lines)
	}
}

// onFailed tells what did not work. What the screen reads by itself is read
// again with the next news.
func (s *state) onFailed(m failed) {
	switch a := m.from.(type) {
	case readSelf:
		s.running &^= needSelf
	case readGroups:
		s.running &^= needGroups
	case readAsked:
		s.running &^= needAsked
	case readGroup:
		s.running &^= needGroup
	case readPeople:
		s.running &^= needPeople
	case sayRead:
		s.running &^= needRead
	case readLog:
		s.running &^= needTail
		s.log.loading = false
	case ask:
		if k := node.KindOf(m.err); s.ask != nil && (k == node.TimedOut || k == node.NoNode) {
			s.notice = "not found yet; still looking"
			if k == node.TimedOut {
				s.do(a)
			}
			return
		}
		s.ask, s.notice = nil, problem(m.err)
		s.want(needGroups)
	default:
		s.notice = problem(m.err)
		s.want(needAsked)
	}
}

// problem is what went wrong, with what to do, on one line.
func problem(err error) string {
	out := words.Line(err.Error())
	if e, ok := err.(*node.Error); ok && e.Hint != "" {
		out += " · " + words.Line(e.Hint)
	}
	return out
}
