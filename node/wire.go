package node

import (
	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

// The protocols of the node's streams. Every frame is one canonical CBOR array;
// see the section "Streams" of group/PROTOCOL.md.
const (
	protoJoin  = "/conclave/join/1"
	protoKey   = "/conclave/key/1"
	protoSync  = "/conclave/sync/1"
	protoOffer = "/conclave/offer/1"
	protoLink  = "/conclave/link/1"
	protoKept  = "/conclave/kept/1"
	protoSeek  = "/conclave/seek/1"

	protoWithdraw = "/conclave/withdraw/1"
)

const (
	maxFrame   = 512 << 10
	batchBytes = 256 << 10 // payload bytes after which a batch is full
)

// joinStatus is the answer to a join request.
type joinStatus uint64

const (
	joinRequested joinStatus = iota
	joinJoined
	joinDeclined
	joinBanned
	joinRefused  // this peer may not approve
	joinNotFound // no such group here
	joinNameIt   // the peer owns none, or several: name the group
	joinLinkOver // the link admits nobody any more
	joinKept     // this peer may not approve, and keeps the request for those who may
	joinLimit
)

// joinAnswer is the first frame back on the join stream. After joinJoined come
// batches until one is last, then a keyAnswer.
type joinAnswer struct {
	_      struct{} `cbor:",toarray"`
	Status joinStatus
	GID    []byte // 32 bytes where the status names a group
}

// keyAsk asks for room keys, sealed to the asker's present bundle.
type keyAsk struct {
	_      struct{} `cbor:",toarray"`
	GID    keys.Hash
	Bundle []byte
	EIDs   []keys.Hash
}

// keyAnswer has one item for each epoch asked for, in that order.
type keyAnswer struct {
	_     struct{} `cbor:",toarray"`
	Items []keyItem
}

type keyItem struct {
	_        struct{} `cbor:",toarray"`
	EID      keys.Hash
	Refusal  group.Refusal
	Envelope []byte
}

// hello opens catch-up: the asker's root. A wish asks for a rotation besides.
type hello struct {
	_    struct{} `cbor:",toarray"`
	GID  keys.Hash
	Root keys.Hash
	Wish bool
}

// welcome answers a hello. Equal roots end the stream. Peers are members that the answerer is connected to, so that
// members who know one of them come to know each other.
type welcome struct {
	_      struct{} `cbor:",toarray"`
	Member bool
	Root   keys.Hash
	Peers  []peerAddrs

	Farewell bool   // a former member gets batches that tell how it ended
	Now      uint64 // a member's clock, Unix milliseconds: for `doctor` alone
}

// peerAddrs says where a peer was reached.
type peerAddrs struct {
	_     struct{} `cbor:",toarray"`
	Peer  keys.PeerID
	Addrs []string
}

// maxTold is how many peers a welcome names.
const maxTold = 32

// parts divide what a giver has for the asker, in display order. The asker names
// those that it wants of this giver, one after the other.
type parts struct {
	_    struct{} `cbor:",toarray"`
	List []part
}

// part begins at the records with ord From and ends where the next begins.
type part struct {
	_     struct{} `cbor:",toarray"`
	From  uint64
	Count uint64 // records
}

// maxParts is how many parts there are at most.
const maxParts = 4096

// want asks for the messages with From <= ord < To.
type want struct {
	_        struct{} `cbor:",toarray"`
	From, To uint64
}

// batch is one step of catch-up, acknowledged after it is durable.
type batch struct {
	_       struct{} `cbor:",toarray"`
	Records [][]byte
	Bases   []base
	Ranges  [][][]byte // each a contiguous range of one log, oldest first
	Last    bool
	Left    uint64 // records that come after this batch
}

type base struct {
	_          struct{} `cbor:",toarray"`
	Author     keys.PeerID
	Lane, Base uint64
	Ord        uint64
}

// ack acknowledges a batch.
type ack struct {
	_  struct{} `cbor:",toarray"`
	OK bool
}

// offer tells a peer of an invitation, or that its join request was answered.
type offer struct {
	_    struct{} `cbor:",toarray"`
	GID  keys.Hash
	Name string // empty: a nudge to ask again
}

// withdrawal takes back what its sender asked, or offered, about a group.
type withdrawal struct {
	_   struct{} `cbor:",toarray"`
	GID keys.Hash
}

// put writes one frame.
func put(s *mesh.Stream, v any) error { return s.WriteFrame(keys.Marshal(v)) }

// get reads one frame into v.
func get(s *mesh.Stream, v any) error {
	b, err := s.ReadFrame(maxFrame)
	if err != nil {
		return err
	}
	return keys.Unmarshal(b, v)
}
