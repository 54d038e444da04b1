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
}

// SignJoinRequest returns the request as it travels.
func SignJoinRequest(self *keys.Identity, r JoinRequest) []byte {
	r.GID, r.Peer = Hash{}, self.PeerID()
	return self.Sign(keys.LabelJoin, Hash{}, keys.Marshal(&r)).Encode()
}

// ParseJoinRequest checks a request that came from peer to approver. Errors:
// ErrSize, ErrEncoding, ErrBody, keys.ErrSignature and those of the bundle.
func ParseJoinRequest(b []byte, peer, approver PeerID) (JoinRequest, error) {
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
	case r.GID != (Hash{}), r.Peer != peer, r.Approver != approver, len(r.Note) > MaxNoteBytes:
		return JoinRequest{}, ErrBody
	case len(r.Group) != 0 && len(r.Group) != 32, r.Name != "" && !ValidName(r.Name):
		return JoinRequest{}, ErrBody
	}
	if err := rec.Verify(keys.LabelJoin, Hash{}, peer); err != nil {
		return JoinRequest{}, err
	}
	bundle, err := keys.ParseBundle(r.Bundle)
	if err != nil {
		return JoinRequest{}, err
	}
	if bundle.Peer != peer {
		return JoinRequest{}, ErrBody
	}
	return r, nil
}
