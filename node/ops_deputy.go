package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"conclave/group"
	"conclave/keys"
)

// capability is a thing that an owner may let a deputy do, by the name that
// people give it.
type capability struct {
	name string
	caps group.Caps
}

var capabilities = []capability{
	{"approve", group.CapApprove}, {"kick", group.CapKick}, {"rotate", group.CapRotate}, {"invite", group.CapInvite},
}

// capNames lists what caps allow; nil where that is nothing.
func capNames(caps group.Caps) (out []string) {
	for _, c := range capabilities {
		if caps&c.caps != 0 {
			out = append(out, c.name)
		}
	}
	return out
}

func parseCaps(names []string) (caps group.Caps, err error) {
	for _, name := range names {
		i := slices.IndexFunc(capabilities, func(c capability) bool { return c.name == name })
		if i < 0 {
			return 0, &Error{Kind: KindUsage, Message: fmt.Sprintf("a deputy cannot be let %q", name), Hint: "--can " + strings.Join(capNames(^group.Caps(0)), ",")}
		}
		caps |= capabilities[i].caps
	}
	if caps == 0 {
		return 0, &Error{Kind: KindUsage, Message: "what may the deputy do?", Hint: "--can " + strings.Join(capNames(^group.Caps(0)), ",")}
	}
	return caps, nil
}

// AddDeputy lets a member act for the owner: approve, kick, rotate, invite. Given
// again it replaces what was given before.
func (n *Node) AddDeputy(ctx context.Context, ref, peer string, can []string) (Deputy, error) {
	caps, err := parseCaps(can)
	if err != nil {
		return Deputy{}, err
	}
	return n.changeDeputy(ctx, ref, peer, func(p keys.PeerID) group.Event { return group.DeputyAdd{Peer: p, Caps: caps} })
}

// RemoveDeputy takes that back: what the deputy did until then stands, whatever
// else comes to light later does not count.
func (n *Node) RemoveDeputy(ctx context.Context, ref, peer string) (Deputy, error) {
	return n.changeDeputy(ctx, ref, peer, func(p keys.PeerID) group.Event { return group.DeputyRemove{Peer: p} })
}

func (n *Node) changeDeputy(ctx context.Context, ref, peer string, ev func(keys.PeerID) group.Event) (Deputy, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return Deputy{}, err
	}
	var p keys.PeerID
	var refused error
	if err := r.look(ctx, func(m *group.Machine) {
		if p, refused = findPeer(m, m.Everyone(), peer); refused == nil {
			refused = mayAppoint(m, n.me, p)
		}
	}); err != nil || refused != nil {
		return Deputy{}, errors.Join(err, refused)
	}
	event := ev(p)
	if _, err := r.act(ctx, event); err != nil {
		if _, removal := event.(group.DeputyRemove); removal && errors.Is(err, group.ErrNotMember) {
			return Deputy{}, &Error{Kind: NotFound, Message: "that person is no deputy of this group", Hint: "see `conclave members GROUP`"}
		}
		return Deputy{}, personError(err)
	}
	out := Deputy{GroupID: r.gid.String(), PeerID: p.String()}
	err = r.look(ctx, func(m *group.Machine) { out.Role, out.Can = m.Role(p), append([]string{}, capNames(m.Caps(p))...) })
	return out, err
}

// mayAppoint says why this person may not make p a deputy, or none any more.
func mayAppoint(m *group.Machine, me, p keys.PeerID) error {
	switch {
	case m.Direct() != nil:
		return &Error{Kind: NotAllowed, Message: "a conversation of two has no deputies"}
	case m.Owner() != me:
		return &Error{Kind: NotAllowed, Message: "only the owner appoints deputies", Hint: "`conclave group show GROUP` says who that is"}
	case p == me:
		return &Error{Kind: NotAllowed, Message: "the owner may do everything already"}
	}
	return nil
}
