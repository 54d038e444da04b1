package node

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/api/words"
)

// CreateGroup makes a group of which this person is the owner, and mints its
// first room key unless it is plain.
func (n *Node) CreateGroup(ctx context.Context, c CreateGroup) (GroupInfo, error) {
	s, err := settingsOf(c)
	if err != nil {
		return GroupInfo{}, err
	}
	entropy, err := keys.NewEntropy()
	if err != nil {
		return GroupInfo{}, err
	}
	gid, genesis, err := group.CreateID(n.self, s, c.RequireE2EE, n.clock(), entropy)
	if err != nil {
		return GroupInfo{}, personError(err)
	}
	r, err := n.newRoom(ctx, gid, genesis)
	if err != nil {
		return GroupInfo{}, personError(err)
	}
	if c.Name == n.cfg.Creates {
		n.create()
	}
	return n.groupInfo(ctx, r)
}

// newRoom begins a group of this person's own.
func (n *Node) newRoom(ctx context.Context, gid keys.Hash, genesis group.Verified) (*room, error) {
	r, err := n.addRoom(gid, groupRef{})
	if err != nil {
		return nil, err
	}
	_, err = r.act(ctx, group.Create{Genesis: genesis})
	return r, err
}

func settingsOf(c CreateGroup) (group.Settings, error) {
	s := group.Settings{Name: c.Name, E2EE: !c.Plain, MaxAge: uint64(c.MaxAge.Milliseconds()), MaxMessages: c.MaxMessages}
	if c.MaxAge == 0 {
		s.MaxAge = group.DefaultMaxAge
	}
	if !group.ValidName(c.Name) {
		return s, errNotAName()
	}
	if c.Plain && c.RequireE2EE {
		return s, &Error{Kind: KindUsage, Message: "--plain and --require-encryption contradict each other"}
	}
	switch c.History {
	case "", "none":
	case "all":
		s.History = group.HistoryAll
	default:
		return s, &Error{Kind: KindUsage, Message: "history is none or all"}
	}
	switch c.RotateBy {
	case "", "any":
	case "deputies":
		s.RotateBy = group.RotateByDeputies
	case "owner":
		s.RotateBy = group.RotateByOwner
	default:
		return s, &Error{Kind: KindUsage, Message: "rotate-by is any, deputies or owner"}
	}
	return s, nil
}

func errNotAName() error {
	return &Error{Kind: KindUsage, Message: "not a name", Hint: "1 to 64 bytes, no control or bidi characters, no slash, no leading dash"}
}

// Groups lists the groups of this person, by name; all adds those left.
func (n *Node) Groups(ctx context.Context, all bool) ([]GroupInfo, error) {
	out := []GroupInfo{}
	for _, r := range n.allRooms() {
		if n.isAsked(r.gid) && !all {
			continue
		}
		g, err := n.groupInfo(ctx, r)
		if errors.Is(err, errUnknown) {
			continue // forgotten a moment ago
		}
		if err != nil {
			return nil, err
		}
		if all || g.Role != "none" {
			g.OwnerPeerID, g.Settings, g.CatchingUp, g.CannotRead, g.Alarms, g.Readers = "", nil, nil, nil, nil, ""
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b GroupInfo) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.GroupID, b.GroupID))
	})
	return out, nil
}

func (n *Node) isAsked(gid keys.Hash) (is bool) {
	n.read(func(d *directory) { is = d.Groups[gid].Asked })
	return is
}

// Group shows one group.
func (n *Node) Group(ctx context.Context, ref string) (GroupInfo, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return GroupInfo{}, err
	}
	return n.groupInfo(ctx, r)
}

func (n *Node) groupInfo(ctx context.Context, r *room) (g GroupInfo, err error) {
	found, err := r.disk.alarms(true)
	if err != nil {
		return g, diskError(err)
	}
	err = r.look(ctx, func(m *group.Machine) {
		mark := r.readMark()
		g = GroupInfo{
			GroupID: r.gid.String(), Name: n.groupName(m), Role: m.Role(n.me), Members: len(m.Members()),
			E2EE: m.Settings().E2EE, Epoch: newestHeld(m), Marked: m.Marked(n.clock()).String(),
			Keep: r.keepText(), Read: mark.Read, Unread: mark.Unread,
		}
		blind := cannotRead(m, false)
		g.CannotRead = peerTexts(blind)
		if pair := m.Direct(); pair != nil {
			g.With = ptr(other(*pair, n.me).String())
		} else {
			g.OwnerPeerID, g.Join, g.Settings = m.Owner().String(), ptr(m.Owner().String()+"/"+r.gid.String()), shownSettings(m)
			g.CatchingUp = r.progress.Load()
			if p, forked := m.Parent(); forked {
				g.Parent = ptr(p.String())
			}
		}
		g.Alarms = r.shownAlarms(m, found)
		if m.Local().Hidden {
			g.Role = "none"
		}
		if g.Role == "none" {
			g.Marked = group.Unmarked.String()
		}
		who := map[string]string{}
		for i, p := range blind {
			who[g.CannotRead[i]] = person(m, p)
		}
		g.Readers = words.Readers(g.Audience(false, func(p string) string { return who[p] }))
	})
	return g, err
}

func shownSettings(m *group.Machine) *GroupSettings {
	s := m.Settings()
	out := &GroupSettings{
		History: "none", MaxAge: (time.Duration(s.MaxAge) * time.Millisecond).String(), MaxMessages: s.MaxMessages,
		RotateBy: "any", RequireE2EE: m.RequiresE2EE(),
	}
	if s.History == group.HistoryAll {
		out.History = "all"
	}
	switch s.RotateBy {
	case group.RotateByDeputies:
		out.RotateBy = "deputies"
	case group.RotateByOwner:
		out.RotateBy = "owner"
	}
	return out
}

// newestHeld is the generation of the newest epoch whose key this node holds.
func newestHeld(m *group.Machine) *uint64 {
	for _, e := range slices.Backward(m.Epochs()) {
		if e.Held {
			return &e.Gen
		}
	}
	return nil
}

// SetGroup changes settings of a group; only its owner may.
func (n *Node) SetGroup(ctx context.Context, ref string, c SetGroup) (GroupInfo, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return GroupInfo{}, err
	}
	if err := n.changeSettings(ctx, r, func(s *group.Settings) error {
		if c.Name != nil {
			if !group.ValidName(*c.Name) {
				return errNotAName()
			}
			s.Name = *c.Name
		}
		if c.MaxAge != nil {
			if *c.MaxAge < 1e9 {
				return &Error{Kind: KindUsage, Message: "--max-age is at least 1s"}
			}
			s.MaxAge = uint64(c.MaxAge.Milliseconds())
		}
		if c.MaxMessages != nil {
			s.MaxMessages = *c.MaxMessages
		}
		return nil
	}); err != nil {
		return GroupInfo{}, err
	}
	return n.groupInfo(ctx, r)
}

func (n *Node) changeSettings(ctx context.Context, r *room, edit func(*group.Settings) error) error {
	var s group.Settings
	owner := false
	if err := r.look(ctx, func(m *group.Machine) { s, owner = m.Settings(), m.Owner() == n.me }); err != nil {
		return err
	}
	switch {
	case r.direct != nil:
		return &Error{Kind: NotAllowed, Message: "a conversation of two has no settings"}
	case !owner:
		return &Error{Kind: NotAllowed, Message: "only the owner may change settings", Hint: "`conclave group show GROUP` says who that is"}
	}
	before := s
	if err := edit(&s); err != nil || s == before {
		return err
	}
	_, err := r.act(ctx, group.Change{Settings: s})
	return personError(err)
}

// Encryption switches a group's encryption on or off, or acknowledges that its
// owner switched it off.
func (n *Node) Encryption(ctx context.Context, ref, mode string) (Encryption, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return Encryption{}, err
	}
	switch mode {
	case "on", "off":
		err = n.changeSettings(ctx, r, func(s *group.Settings) error { s.E2EE = mode == "on"; return nil })
	case "accept":
		_, err = r.act(ctx, group.AcceptPlain{})
	default:
		err = &Error{Kind: KindUsage, Message: "encryption is on, off or accept"}
	}
	if err != nil {
		return Encryption{}, personError(err)
	}
	g, err := n.groupInfo(ctx, r)
	return Encryption{GroupID: g.GroupID, E2EE: g.E2EE}, err
}

// Rotate replaces the room key because this person asks for it.
func (n *Node) Rotate(ctx context.Context, ref string) (Rotation, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return Rotation{}, err
	}
	rds, err := r.act(ctx, group.Rotate{})
	switch {
	case errors.Is(err, group.ErrOff):
		return Rotation{}, &Error{Kind: NotAllowed, Message: "encryption is off in this group: there is no key to replace"}
	case r.direct != nil && errors.Is(err, group.ErrNotMember):
		return Rotation{}, &Error{Kind: NotAllowed, Message: "the other person's first key is not here yet", Hint: "it comes when both of you are online"}
	case err != nil:
		return Rotation{}, personError(err)
	}
	out := Rotation{GroupID: r.gid.String(), EID: rds[0].Epoch.String()}
	err = r.look(ctx, func(m *group.Machine) {
		e, _ := m.Epoch(rds[0].Epoch)
		out.Epoch = e.Gen
	})
	return out, err
}

// Keys lists a group's room keys, oldest first: which, by whom, why, and who is
// known to hold each.
func (n *Node) Keys(ctx context.Context, ref string) ([]Key, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return nil, err
	}
	out := []Key{}
	err = r.look(ctx, func(m *group.Machine) {
		members := m.Members()
		for _, e := range m.Epochs() {
			k := Key{
				GroupID: r.gid.String(), Epoch: e.Gen, EID: e.EID.String(), MintedBy: e.Author.String(), Time: timeText(e.Time),
				Reason: e.Reason.String(), Holders: []string{}, Missing: []string{}, Current: e.Current,
			}
			for _, p := range members {
				switch {
				case m.Holds(p, e.EID):
					k.Holders = append(k.Holders, p.String())
				case m.Covers(p, e.EID) == nil:
					k.Missing = append(k.Missing, p.String())
				}
			}
			out = append(out, k)
		}
	})
	return out, err
}
