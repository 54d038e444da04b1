package group

import (
	"fmt"

	"conclave/keys"
)

// JoinRequest is the record that a joiner gives to an approver over a stream.
// It is signed for that approver alone. (PROTOCOL.md, "Joining")
type JoinRequest struct {
	_        struct{} `cbor:",toarray"`
	GID      Hash     // zero: the joiner cannot be held to a group it does not know
	Peer     PeerID
	Approver PeerID
	Group    []byte // the group's ID where known, else none
	Name     string // or its name, where that is what the joiner was told
	Nonce    Hash
	Bundle   []byte // signed record
	Note     string
	Again    bool // a repetition by the node, not a new wish of its person
	Time     uint64
	Called   string // the name that the joiner goes by: a claim; "" for none

	raw []byte
}

// Record returns a parsed request as its peer signed it.
func (r JoinRequest) Record() []byte { return r.raw }

// Waiting returns a parsed request as one that came from a remote address.
func (r JoinRequest) Waiting(from string) Request {
	return Request{Peer: r.Peer, Bundle: r.Bundle, Note: r.Note, From: from, Called: r.Called}
}

// Requests that members keep for those who may approve, in milliseconds.
// (PROTOCOL.md, "Limits")
const (
	MaxKeptAge   = 30 * 24 * 3600 * 1000
	maxKeptAhead = 24 * 3600 * 1000
)

// SignJoinRequest returns the request as it travels.
func SignJoinRequest(self *keys.Identity, r JoinRequest) []byte {
	r.GID, r.Peer = Hash{}, self.PeerID()
	return self.Sign(keys.LabelJoin, Hash{}, keys.Marshal(&r)).Encode()
}

// ParseJoinRequest checks a request that came from peer to approver. Errors:
// ErrSize, ErrEncoding, ErrBody, keys.ErrSignature and those of the bundle.
func ParseJoinRequest(b []byte, peer, approver PeerID) (JoinRequest, error) {
	r, err := parseJoin(b)
	if err == nil && (r.Peer != peer || r.Approver != approver) {
		return JoinRequest{}, ErrBody
	}
	return r, err
}

// parseJoin checks a request but for whom it came from and whom it is for.
func parseJoin(b []byte) (JoinRequest, error) {
	if len(b) > MaxPayload {
		return JoinRequest{}, ErrSize
	}
	rec, err := keys.DecodeRecord(b)
	if err != nil {
		return JoinRequest{}, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	var r JoinRequest
	if err := keys.Unmarshal(rec.Body, &r); err != nil {
		return JoinRequest{}, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	switch {
	case r.GID != (Hash{}), len(r.Note) > MaxNoteBytes:
		return JoinRequest{}, ErrBody
	case len(r.Group) != 0 && len(r.Group) != 32, r.Name != "" && !ValidName(r.Name), r.Called != "" && !ValidName(r.Called):
		return JoinRequest{}, ErrBody
	}
	if err := rec.Verify(keys.LabelJoin, Hash{}, r.Peer); err != nil {
		return JoinRequest{}, err
	}
	bundle, err := keys.ParseBundle(r.Bundle)
	if err != nil {
		return JoinRequest{}, err
	}
	if bundle.Peer != r.Peer {
		return JoinRequest{}, ErrBody
	}
	r.raw = b
	return r, nil
}

// KeptRequest checks a request that keeper, a member, kept for those who may
// approve. It is signed for that member and this group's ID; or, as one that
// the owner would take, for the owner: then which of the owner's groups it means
// is for the caller to tell. So a keeper can hold a request back, or give it
// again within its time, and nothing else. Errors: those of ParseJoinRequest,
// ErrNotMember, ErrBanned, ErrStale, and ErrDependency where its peer is a
// member already. (PROTOCOL.md, "Joining")
func (m *Machine) KeptRequest(b []byte, keeper PeerID, now uint64) (JoinRequest, error) {
	r, err := parseJoin(b)
	if err != nil {
		return JoinRequest{}, err
	}
	owner, _ := m.st.owner()
	forKeeper := r.Approver == keeper && len(r.Group) == 32
	switch {
	case m.g.direct != nil, !forKeeper && r.Approver != owner, len(r.Group) == 32 && Hash(r.Group) != m.g.gid:
		return JoinRequest{}, ErrBody
	case !m.st.member(keeper):
		return JoinRequest{}, ErrNotMember
	case m.st.member(r.Peer):
		return JoinRequest{}, ErrDependency
	case m.st.banned(r.Peer):
		return JoinRequest{}, ErrBanned
	case r.Time > now && r.Time-now > maxKeptAhead, now > r.Time && now-r.Time > MaxKeptAge:
		return JoinRequest{}, ErrStale
	case r.Time <= m.lastWord(r.Peer):
		return JoinRequest{}, ErrStale
	}
	return r, nil
}

// lastWord is the latest time, as claimed, at which p was admitted, was removed
// or left: what p asked before that was answered.
func (m *Machine) lastWord(p PeerID) (at uint64) {
	for _, e := range m.g.order {
		if e.role == roleNone {
			continue
		}
		switch e.Type {
		case TypeAdd, TypeJoin, TypeGrant, TypeKick, TypeBan:
			if e.subject() == p {
				at = max(at, e.Time)
			}
		case TypeLeave:
			if e.Author == p {
				at = max(at, e.Time)
			}
		}
	}
	return at
}

// Approves reports whether p may admit people, as far as this node knows.
func (m *Machine) Approves(p PeerID) bool {
	o, _ := m.st.owner()
	return m.g.direct == nil && m.st.member(p) && (o == p || m.st.caps(p)&CapApprove != 0)
}
