package node

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// linkPrefix begins the text of a link.
const linkPrefix = "conclave:"

// Limits of a link. (PROTOCOL.md, "Limits")
const (
	linkHints   = 3
	linkAddrs   = 3
	maxLinkText = 4096
	linkDial    = 10 * time.Second // for one of the hints

	leastLinkLife   = time.Minute
	defaultLinkLife = 24 * time.Hour
)

// link is what the text of a link says. Whoever has the secret may come in.
// (PROTOCOL.md, "Joining")
type link struct {
	gid, invite keys.Hash
	secret      keys.Secret
	hints       []peerAddrs
}

// linkProof follows a join request on the link stream.
type linkProof struct {
	_      struct{} `cbor:",toarray"`
	Invite keys.Hash
	Proof  []byte
}

func (l link) text() string {
	var parts []string
	for _, b := range [][]byte{l.gid[:], l.invite[:], l.secret[:], keys.Marshal(l.hints)} {
		parts = append(parts, base64.RawURLEncoding.EncodeToString(b))
	}
	return linkPrefix + strings.Join(parts, ".")
}

// parseLink reads a link. Its errors never repeat it.
func parseLink(text string) (l link, err error) {
	bad := &Error{Kind: KindUsage, Message: "that is not a whole link", Hint: "copy all of it, from `conclave:` to the end"}
	parts := strings.Split(strings.TrimPrefix(text, linkPrefix), ".")
	if len(text) > maxLinkText || len(parts) != 4 {
		return l, bad
	}
	var raw [4][]byte
	for i, p := range parts {
		if raw[i], err = base64.RawURLEncoding.DecodeString(p); err != nil {
			return l, bad
		}
	}
	if len(raw[0]) != 32 || len(raw[1]) != 32 || len(raw[2]) != 32 || keys.Unmarshal(raw[3], &l.hints) != nil {
		return l, bad
	}
	if len(l.hints) == 0 || len(l.hints) > linkHints || slices.ContainsFunc(l.hints, func(h peerAddrs) bool { return h.Peer.Check() != nil || len(h.Addrs) > linkAddrs }) {
		return l, bad
	}
	l.gid, l.invite, l.secret = keys.Hash(raw[0]), keys.Hash(raw[1]), keys.Secret(raw[2])
	return l, nil
}

// proof shows joiner's right to come in by the link.
func (l link) proof(joiner keys.PeerID) linkProof {
	return linkProof{Invite: l.invite, Proof: group.SignJoinProof(keys.IdentityFromSeed(l.secret), l.gid, l.invite, joiner)}
}

// CreateLink makes a link to a group. The link itself is in this answer alone.
func (n *Node) CreateLink(ctx context.Context, ref string, o LinkOptions) (Link, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return Link{}, err
	}
	life := defaultLinkLife
	if o.Expires != nil {
		life = *o.Expires
	}
	if life < leastLinkLife || life > mostKept {
		return Link{}, &Error{Kind: KindUsage, Message: "a link cannot last that long, or that short", Hint: "--expires 24h; from 1m to 36500d"}
	}
	if o.Uses > 1 && !o.PreApproved {
		return Link{}, &Error{Kind: KindUsage, Message: "uses are counted where nobody approves", Hint: "give --preapproved too, or leave --uses away"}
	}
	key, err := keys.GenerateIdentity()
	if err != nil {
		return Link{}, err
	}
	add := group.LinkAdd{Key: key.PeerID(), Uses: max(o.Uses, 1), Expires: n.clock() + uint64(life.Milliseconds()), PreApproved: o.PreApproved}
	if _, err := r.act(ctx, add); err != nil {
		return Link{}, personError(err)
	}
	var out Link
	err = r.look(ctx, func(m *group.Machine) {
		all := m.Links()
		i := slices.IndexFunc(all, func(l group.LinkInfo) bool { return l.Key == add.Key })
		out = r.linkOf(all[i])
		text := link{gid: r.gid, invite: all[i].Invite, secret: key.Seed(), hints: r.linkHints()}.text()
		out.Link = &text
	})
	return out, err
}

// linkHints names this node and members that it is connected to.
func (r *room) linkHints() []peerAddrs {
	own := r.n.net.Addrs()
	slices.SortStableFunc(own, func(a, b string) int { return loopbackLast(a) - loopbackLast(b) })
	hints := []peerAddrs{{Peer: r.n.me, Addrs: own[:min(len(own), linkAddrs)]}}
	for _, t := range r.told(r.n.me) {
		if len(hints) < linkHints {
			hints = append(hints, peerAddrs{Peer: t.Peer, Addrs: t.Addrs[:min(len(t.Addrs), linkAddrs)]})
		}
	}
	return hints
}

func loopbackLast(addr string) int {
	if strings.HasPrefix(addr, "/ip4/127.") || strings.HasPrefix(addr, "/ip6/::1/") {
		return 1
	}
	return 0
}

// Links lists the links that were made to a group.
func (n *Node) Links(ctx context.Context, ref string) ([]Link, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return nil, err
	}
	out := []Link{}
	err = r.look(ctx, func(m *group.Machine) {
		for _, l := range m.Links() {
			out = append(out, r.linkOf(l))
		}
	})
	return out, err
}

// openLinks counts the pre-approved links that still admit people.
func openLinks(m *group.Machine) (n int) {
	for _, l := range m.Links() {
		if l.PreApproved && l.State == group.LinkOpen {
			n++
		}
	}
	return n
}

// RevokeLink ends a link, named by its ID or by the begin of one.
func (n *Node) RevokeLink(ctx context.Context, ref, id string) (Link, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return Link{}, err
	}
	var invite keys.Hash
	found := 0
	if err := r.look(ctx, func(m *group.Machine) {
		for _, l := range m.Links() {
			if l.Invite.String() == id || isPrefix(id, l.Invite) {
				invite = l.Invite
				found++
			}
		}
	}); err != nil {
		return Link{}, err
	}
	if found != 1 {
		return Link{}, &Error{Kind: NotFound, Message: "no such link", Hint: "see `conclave links GROUP`"}
	}
	if _, err := r.act(ctx, group.LinkRevoke{Invite: invite}); err != nil {
		return Link{}, personError(err)
	}
	var out Link
	err = r.look(ctx, func(m *group.Machine) {
		l, _ := m.Link(invite)
		out = r.linkOf(l)
	})
	return out, err
}

func (r *room) linkOf(l group.LinkInfo) Link {
	return Link{
		GroupID: r.gid.String(), InviteID: l.Invite.String(), By: l.Author.String(), Uses: l.Uses, Used: l.Used,
		Expires: timeText(l.Expires), PreApproved: l.PreApproved, State: l.State.String(),
	}
}

// serveLink answers whoever wants to come in by a link.
func (n *Node) serveLink(ctx context.Context, s *mesh.Stream) {
	b, err := s.ReadFrame(group.MaxPayload)
	if err != nil {
		return
	}
	var l linkProof
	req, err := group.ParseJoinRequest(b, s.Peer(), n.me)
	if err == nil {
		err = get(s, &l)
	}
	if err != nil || len(req.Group) != 32 {
		n.log.Debug("join by link", "peer", s.Peer().Short(), "err", err)
		s.Reset()
		return
	}
	r, status, err := n.groupAskedFor(ctx, req)
	switch {
	case err != nil:
		s.Reset() // this node is stopping: that is no answer
	case r == nil:
		put(s, joinAnswer{Status: status})
	default:
		judge := func() (joinStatus, error) { return r.judgeLink(ctx, s, req, l) }
		if err := r.answerJoin(ctx, s, req, judge); err != nil && ctx.Err() == nil {
			n.log.Debug("answer join by link", "peer", s.Peer().Short(), "err", err)
		}
	}
}

// judgeLink sponsors whoever has a pre-approved link; with another one the
// request waits for a person, here or elsewhere.
func (r *room) judgeLink(ctx context.Context, s *mesh.Stream, req group.JoinRequest, l linkProof) (joinStatus, error) {
	var info group.LinkInfo
	known, sound := false, false
	if err := r.lookFor(ctx, s.Peer(), func(m *group.Machine) {
		if info, known = m.Link(l.Invite); known {
			sound = info.CheckJoinProof(r.gid, s.Peer(), l.Proof)
		}
	}); err != nil {
		return 0, err
	}
	switch {
	case !known:
		return joinNotFound, nil
	case !sound:
		return joinLinkOver, nil
	case !info.PreApproved && info.State == group.LinkOpen:
		return r.judgeJoin(ctx, s, req)
	}
	_, err := r.act(ctx, group.LinkUsed{Peer: s.Peer(), Bundle: req.Bundle, Invite: l.Invite, Proof: l.Proof})
	switch {
	case errors.Is(err, group.ErrLink):
		return joinLinkOver, nil
	case errors.Is(err, group.ErrBanned):
		return joinBanned, nil
	case err != nil:
		return 0, err
	}
	return joinJoined, nil
}

// joinByLink asks the members that a link names to be let in.
func (n *Node) joinByLink(ctx context.Context, text, note string, wait bool) (JoinState, error) {
	l, err := parseLink(text)
	if err != nil {
		return JoinState{}, err
	}
	if n.memberOf(ctx, l.gid) {
		s := l.gid.String()
		return JoinState{GroupID: &s, State: stateJoined}, nil
	}
	return n.join(ctx, joinRef{Peer: l.hints[0].Peer, GID: l.gid, Note: note, State: stateRequested, Since: n.now(), Link: text}, wait)
}

// askByLink asks one member after another, those first that are connected.
func (n *Node) askByLink(ctx context.Context, j joinRef, again bool) (joinRef, error) {
	l, err := parseLink(j.Link)
	if err != nil {
		return j, err
	}
	connected := n.net.Connected()
	slices.SortStableFunc(l.hints, func(a, b peerAddrs) int {
		return awayLast(connected, a.Peer) - awayLast(connected, b.Peer)
	})
	proof := l.proof(n.me)
	last, kept := error(mesh.ErrUnreachable), false
	for _, h := range l.hints {
		if h.Peer == n.me {
			continue
		}
		if err := n.net.Remember(h.Peer, h.Addrs...); err != nil {
			n.log.Debug("address in a link", "peer", h.Peer.Short(), "err", err)
		}
		one := j
		one.Peer = h.Peer
		err := n.reach(ctx, h.Peer, linkDial)
		if err == nil {
			if one, err = n.askOne(ctx, one, again, &proof); err == nil {
				one.Peer = j.Peer
				if !one.Kept {
					return one, nil
				}
				j, kept = one, true // another one may be able to answer
			}
		}
		if errors.Is(err, group.ErrLink) {
			return j, err // whoever does not know of that only knows less
		}
		var said *Error
		if errors.As(err, &said) || !errors.As(last, &said) {
			last = err // what somebody says tells more than that another is away
		}
	}
	if kept {
		return j, nil
	}
	return j, last
}

// reach connects to a peer, or gives up after d.
func (n *Node) reach(ctx context.Context, p keys.PeerID, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	if err := n.net.Connect(ctx, p); err != nil {
		return mesh.ErrUnreachable
	}
	return nil
}

func awayLast(connected []keys.PeerID, p keys.PeerID) int {
	if slices.Contains(connected, p) {
		return 0
	}
	return 1
}
