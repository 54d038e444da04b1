package group

import (
	"github.com/fxamacker/cbor/v2"

	"conclave/keys"
)

// Kind is the first byte of every payload: which record follows, and so under
// which label it was signed. (PROTOCOL.md, "Payloads")
type Kind byte

// The kinds of payload.
const (
	KindEntry   Kind = 'E' // control entry
	KindMessage Kind = 'M'
	KindBundle  Kind = 'B'
	KindChunk   Kind = 'C' // envelopes of one rotation
	KindReport  Kind = 'R' // which epochs a member holds
	KindSummary Kind = 'S' // what a member holds, in 32 bytes
)

// Short is the first half of a hash: how dependencies and heads are named.
type Short [16]byte

func short(h Hash) Short { return Short(h[:16]) }

// Topic names the gossip topic of a group. Nodes announce their topics to
// whomever they are connected to: a stranger does not learn the group's ID.
// (PROTOCOL.md, "Payloads")
func Topic(gid Hash) Hash { return keys.Sum(append([]byte("conclave/1 topic"), gid[:]...)) }

// Head names the newest applied record of one chain.
type Head struct {
	_      struct{} `cbor:",toarray"`
	Author PeerID
	Lane   uint64
	Seq    uint64
	Hash   Short
}

// Entry is a control entry: one link of its author's signed chain.
// (PROTOCOL.md, "Control entries")
type Entry struct {
	_      struct{} `cbor:",toarray"`
	GID    Hash     // zero in a GENESIS
	Type   Type
	Author PeerID
	Lane   uint64
	Seq    uint64 // from 1
	Prev   Hash   // zero at the start of lane 0
	Ord    uint64 // 1 + the greatest ord of what is cited, as claimed
	Time   uint64 // Unix milliseconds, as claimed
	Term   uint64 // of the owner; 0 where the author acts as deputy or member
	Seen   []Head // sorted by author, lane, seq, hash
	Body   cbor.RawMessage

	body any // Body decoded: a pointer to the type's struct
}

// Msg is one message record: its author's items under one header, key, seal and
// signature. (PROTOCOL.md, "Messages")
type Msg struct {
	_      struct{} `cbor:",toarray"`
	GID    Hash
	Author PeerID
	Lane   uint64
	Seq    uint64
	Prev   Hash
	Ord    uint64
	Time   uint64
	Deps   []Head // at most MaxDeps newest messages of others
	JID    Hash   // the author's incarnation
	Ctrl   *Ctrl  // nil: as in the author's message before
	EID    []byte // 32 bytes, or none: plaintext
	Salt   []byte // 32 bytes, or none with plaintext
	Commit []byte // likewise
	Data   []byte // ciphertext, or the items in plaintext
}

// Ctrl is the control view that a message cites.
type Ctrl struct {
	_    struct{} `cbor:",toarray"`
	Seen []Head
	Acks []Hash // member-authored JOIN and LEAVE since the author's last message
}

// Item is one line of a person in a message.
type Item struct {
	_    struct{} `cbor:",toarray"`
	ID   keys.ItemID
	Text string
}

// Chunk carries some envelopes of one rotation over the topic. EnvelopeContext
// of its fields and the receiver's own bundle finds the envelope by tag.
// (PROTOCOL.md, "Envelopes")
type Chunk struct {
	_         struct{} `cbor:",toarray"`
	GID       Hash
	Minter    PeerID
	Lane      uint64
	Seq       uint64 // of the EPOCH entry
	KC        Hash
	Index     uint64
	Envelopes []Envelope // sorted by tag
}

// Envelope is the room key sealed to one member.
type Envelope struct {
	_    struct{} `cbor:",toarray"`
	Tag  [8]byte
	Data []byte // keys.EnvelopeSize bytes
}

// Report says which epochs its author holds the key of. No rule reads it; it is
// shown to people. The greatest Seq counts.
type Report struct {
	_      struct{} `cbor:",toarray"`
	GID    Hash
	Author PeerID
	Seq    uint64
	Epochs []Hash // newest first, at most MaxSeen
}
