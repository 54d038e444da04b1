package group

import (
	"slices"

	"conclave/keys"
)

// Request is a wish to join: who, with which bundle, and a note.
type Request struct {
	_      struct{} `cbor:",toarray"`
	Peer   PeerID
	Bundle []byte // signed record
	Note   string
	From   string // remote address, for the limit of each
	Since  uint64 // Unix milliseconds
	Called string // as the peer says of itself, "" for no name
}

// Offer is an invitation by peer ID that this node gave.
type Offer struct {
	_     struct{} `cbor:",toarray"`
	Peer  PeerID
	ID    Hash
	Since uint64
}

// maxPerAddress is how many requests of one remote address wait at once.
const maxPerAddress = 4

// onJoinAsked keeps a request for the person to answer. Whoever holds an offer
// is admitted at once; whoever is a member already needs nothing.
func (m *Machine) onJoinAsked(r Request) error {
	b, err := keys.ParseBundle(r.Bundle)
	if err != nil {
		return err
	}
	if b.Peer != r.Peer || len(r.Note) > MaxNoteBytes || r.Called != "" && !ValidName(r.Called) {
		return ErrBody
	}
	if m.st.banned(r.Peer) {
		return ErrBanned
	}
	if !m.mayApprove() {
		return ErrNotAllowed
	}
	if b.Seq < m.bundleSeq(r.Peer) {
		return ErrStale
	}
	m.receiveLatest(bundleRecord(b))
	if m.st.member(r.Peer) {
		return nil
	}
	if slices.ContainsFunc(m.local.Offers, func(o Offer) bool { return o.Peer == r.Peer }) {
		m.keepRequest(r)
		m.onApprove(r.Peer) // where this node may not sign yet, the peer asks again
		return nil
	}
	m.keepRequest(r)
	m.show(ShowRequest, Hash{}, r.Peer, 0)
	return nil
}

// bundleSeq is the number of the newest bundle known of p, a request's included.
func (m *Machine) bundleSeq(p PeerID) uint64 {
	seq := m.bundles[p].Seq
	if r, ok := m.request(p); ok {
		if b, err := keys.ParseBundle(r.Bundle); err == nil {
			seq = max(seq, b.Seq)
		}
	}
	return seq
}

func bundleRecord(b keys.Bundle) Verified {
	return Verified{Payload: append([]byte{byte(KindBundle)}, b.Raw()...), Hash: b.Hash(), v: b}
}

// keepRequest adds or renews a request. Over the limit the address with the
// most requests loses its oldest.
func (m *Machine) keepRequest(r Request) {
	r.Since = m.now
	rs := slices.DeleteFunc(slices.Clone(m.local.Requests), func(o Request) bool {
		if o.Peer == r.Peer {
			r.Since = o.Since
		}
		return o.Peer == r.Peer
	})
	rs = append(rs, r)
	if r.From != "" {
		rs = dropOldest(rs, r.From, maxPerAddress)
	}
	for len(rs) > MaxRequests {
		rs = dropOldest(rs, mostFrom(rs), 0)
	}
	m.local.Requests = rs
	m.local.Declined = slices.DeleteFunc(slices.Clone(m.local.Declined), func(p PeerID) bool { return p == r.Peer })
	m.saveLocal()
}

// dropOldest drops the oldest request from the address where it has more than most.
func dropOldest(rs []Request, from string, most int) []Request {
	n, oldest := 0, -1
	for i, r := range rs {
		if r.From == from {
			n++
			if oldest < 0 || r.Since < rs[oldest].Since {
				oldest = i
			}
		}
	}
	if n <= most || oldest < 0 {
		return rs
	}
	return slices.Delete(rs, oldest, oldest+1)
}

func mostFrom(rs []Request) string {
	count := map[string]int{}
	best := rs[0].From
	for _, r := range rs {
		if count[r.From]++; count[r.From] > count[best] {
			best = r.From
		}
	}
	return best
}

// mayApprove reports whether this node may admit people.
func (m *Machine) mayApprove() bool {
	o, _ := m.st.owner()
	return m.g.direct == nil && m.isMember() && (o == m.me || m.st.caps(m.me)&CapApprove != 0)
}

func (m *Machine) request(p PeerID) (Request, bool) {
	i := slices.IndexFunc(m.local.Requests, func(r Request) bool { return r.Peer == p })
	if i < 0 {
		return Request{}, false
	}
	return m.local.Requests[i], true
}

// onApprove admits a peer that asked, with a new epoch where the present one
// cannot be handed to it.
func (m *Machine) onApprove(p PeerID) error {
	r, ok := m.request(p)
	if !ok || m.st.member(p) {
		return ErrNoRequest
	}
	if m.st.banned(p) {
		return ErrBanned
	}
	b, err := keys.ParseBundle(r.Bundle)
	if err != nil {
		return err
	}
	if _, err := m.write(TypeAdd, &Peer{Peer: p}); err != nil {
		return err
	}
	m.letIn(p, b)
	return nil
}

func (m *Machine) onDecline(p PeerID) error {
	if _, ok := m.request(p); !ok {
		return ErrNoRequest
	}
	if !m.mayApprove() {
		return ErrNotAllowed
	}
	m.dropRequest(p)
	m.local.Declined = append(slices.Clone(m.local.Declined), p)
	if n := len(m.local.Declined); n > MaxRequests {
		m.local.Declined = m.local.Declined[n-MaxRequests:]
	}
	return nil
}

func (m *Machine) dropRequest(p PeerID) {
	m.local.Requests = slices.DeleteFunc(slices.Clone(m.local.Requests), func(r Request) bool { return r.Peer == p })
	m.local.Offers = slices.DeleteFunc(slices.Clone(m.local.Offers), func(o Offer) bool { return o.Peer == p })
	m.saveLocal()
}

// onInvite keeps an offer for a peer, which is admitted when it accepts.
func (m *Machine) onInvite(p PeerID) error {
	switch {
	case !m.mayApprove():
		return ErrNotAllowed
	case m.st.banned(p):
		return ErrBanned
	case m.st.member(p):
		return ErrDependency
	}
	if slices.ContainsFunc(m.local.Offers, func(o Offer) bool { return o.Peer == p }) {
		return nil
	}
	if len(m.local.Offers) >= MaxOutbox/10 {
		return ErrFull
	}
	id := OfferID(m.g.gid, m.me, p)
	m.local.Offers = append(slices.Clone(m.local.Offers), Offer{Peer: p, ID: id, Since: m.now})
	m.saveLocal()
	if _, asked := m.request(p); asked {
		m.onApprove(p) // where this node may not sign yet, the peer asks again
	}
	return nil
}

// onUninvite takes an offer back: when that peer asks now, a person decides.
func (m *Machine) onUninvite(p PeerID) error {
	if !slices.ContainsFunc(m.local.Offers, func(o Offer) bool { return o.Peer == p }) {
		return ErrNoRequest
	}
	m.local.Offers = slices.DeleteFunc(slices.Clone(m.local.Offers), func(o Offer) bool { return o.Peer == p })
	m.saveLocal()
	return nil
}

// onUnasked forgets the request of a peer that takes it back. An offer to it
// stands.
func (m *Machine) onUnasked(p PeerID) {
	if _, asked := m.request(p); !asked {
		return
	}
	m.local.Requests = slices.DeleteFunc(slices.Clone(m.local.Requests), func(r Request) bool { return r.Peer == p })
	m.saveLocal()
	m.show(ShowRequest, Hash{}, p, 0)
}

// OfferID names the invitation of one peer to one group by one approver, the
// same however often it is given.
func OfferID(gid Hash, from, to PeerID) Hash {
	return keys.Sum(slices.Concat([]byte("conclave/1 offer"), gid[:], from[:], to[:]))
}
