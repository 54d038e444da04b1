package screen

import (
	"slices"
	"time"

	"conclave/node"
)

// offer is who stands above the line to be decided about: a request to join, or
// an invitation.
type offer struct {
	request *node.Request
	invite  *node.Invitation
}

func (o offer) none() bool { return o.request == nil && o.invite == nil }

// key tells offers apart.
func (o offer) key() string {
	switch {
	case o.request != nil:
		return o.request.GroupID + o.request.PeerID
	case o.invite != nil:
		return o.invite.InviteID
	}
	return ""
}

// peer is who is to be decided about.
func (o offer) peer() string {
	if o.request != nil {
		return o.request.PeerID
	}
	return o.invite.From
}

// first is the offer that is shown; the others wait behind it.
func (s *state) first() offer {
	switch {
	case len(s.requests) > 0:
		return offer{request: &s.requests[0]}
	case len(s.invitations) > 0:
		return offer{invite: &s.invitations[0]}
	}
	return offer{}
}

// glance is how long an offer that took the place of another one is shown before
// a key decides about it: the key may have been meant for the other.
const glance = 700 * time.Millisecond

// keepOffers takes the lists as the node has them now. What was there keeps its
// place: nobody slides under the key that lets somebody else in.
func (s *state) keepOffers(requests []node.Request, invitations []node.Invitation) {
	s.requests = inPlace(s.requests, requests, func(r node.Request) string { return r.GroupID + r.PeerID })
	invitations = slices.DeleteFunc(invitations, func(i node.Invitation) bool { return s.aside[i.InviteID] })
	s.invitations = inPlace(s.invitations, invitations, func(i node.Invitation) string { return i.InviteID })
	s.noteOffer()
}

// noteOffer remembers since when the offer is another one than before.
func (s *state) noteOffer() {
	now := s.first().key()
	if now != s.offered {
		s.replaced = time.Time{}
		if s.offered != "" {
			s.replaced = s.now()
		}
	}
	s.offered = now
}

// ready reports whether a key may decide about the offer.
func (s *state) ready() bool { return s.now().Sub(s.replaced) >= glance }

// drop takes the offer away that was decided about.
func (s *state) drop() {
	if len(s.requests) > 0 {
		s.requests = slices.Delete(s.requests, 0, 1)
	} else {
		s.invitations = slices.Delete(s.invitations, 0, 1)
	}
	s.noteOffer()
}

// inPlace is now, beginning with what was there before in its order.
func inPlace[T any](was, now []T, key func(T) string) []T {
	left := map[string]T{}
	for _, v := range now {
		left[key(v)] = v
	}
	var out []T
	for _, list := range [][]T{was, now} {
		for _, v := range list {
			if fresh, ok := left[key(v)]; ok {
				out = append(out, fresh)
				delete(left, key(v))
			}
		}
	}
	return out
}
