package group

// Type is what a control entry does.
type Type uint64

// The types of control entries. Numbers 20 to 23 are reserved for succession,
// attestation, claim and absorption; Decode refuses them.
const (
	TypeGenesis Type = iota + 1
	TypeSet
	TypeAdd
	TypeDecline
	TypeInvite
	TypeInviteRevoke
	TypeJoin
	TypeLeave
	TypeKick
	TypeBan
	TypeUnban
	TypeEpoch
	TypeGrant
	TypeRevoke
	TypeTransfer
	TypeAccept
	TypeProfile
	TypeEquiv
)

// History says what a newcomer may read of what came before.
type History uint64

// The history settings.
const (
	HistoryNone History = iota
	HistoryAll
)

// RotateBy says who may replace the room key.
type RotateBy uint64

// The rotation settings.
const (
	RotateByAny RotateBy = iota
	RotateByDeputies
	RotateByOwner
)

// Settings are what the owner decides. A SET states all of them.
type Settings struct {
	_           struct{} `cbor:",toarray"`
	Name        string
	E2EE        bool
	History     History
	MaxAge      uint64 // milliseconds until the group is soft-marked; 0: never
	MaxMessages uint64 // messages under one epoch until it is soft-marked; 0: no limit
	RotateBy    RotateBy
}

// Genesis is the body of the first entry; its hash is the group's ID.
type Genesis struct {
	_           struct{} `cbor:",toarray"`
	Settings    Settings
	RequireE2EE bool   // plaintext and switching encryption off are invalid
	Salt        Hash   // makes the group ID unique
	Parent      []byte // the group this one was forked from: 32 bytes, or none
}

// Set is the body of a SET.
type Set struct {
	_        struct{} `cbor:",toarray"`
	Settings Settings
}

// Peer is the body of ADD, DECLINE and UNBAN.
type Peer struct {
	_    struct{} `cbor:",toarray"`
	Peer PeerID
}

// InviteLink is the body of INVITE: an invitation by link.
type InviteLink struct {
	_           struct{} `cbor:",toarray"`
	Key         [32]byte // Ed25519 key derived from the link's secret
	Uses        uint64
	Expires     uint64 // Unix milliseconds
	PreApproved bool
}

// InviteRevoke is the body of INVITE_REVOKE.
type InviteRevoke struct {
	_      struct{} `cbor:",toarray"`
	Invite Hash
}

// Join is the body of JOIN, an entry of the sponsor's chain.
type Join struct {
	_      struct{} `cbor:",toarray"`
	Invite Hash
	Joiner PeerID
	Proof  []byte // signature by the invite's key over (gid, invite, joiner)
}

// Cut names the last accepted record of one log of a person; what follows it,
// and every lane not named, is beyond.
type Cut struct {
	_    struct{} `cbor:",toarray"`
	Log  LogKind
	Lane uint64
	Seq  uint64
	Hash Hash
}

// LogKind tells an author's two logs apart.
type LogKind uint64

// The logs of an author.
const (
	ControlLog LogKind = iota
	MessageLog
)

// Leave is the body of LEAVE.
type Leave struct {
	_       struct{} `cbor:",toarray"`
	JID     Hash
	Abandon bool // by an owner: members go on without one
	Cuts    []Cut
}

// Removal is the body of KICK and BAN.
type Removal struct {
	_    struct{} `cbor:",toarray"`
	Peer PeerID
	JIDs []Hash // the person's live incarnations, sorted
	Cuts []Cut
}

// Reason is why an epoch was minted.
type Reason uint64

// The reasons, in the order of their wire numbers.
const (
	ReasonCreate Reason = iota + 1
	ReasonAdmitted
	ReasonRemoved
	ReasonEncryptionOn
	ReasonAge
	ReasonMessages
	ReasonRequest
	ReasonRescue
	ReasonCover
)

func (r Reason) String() string {
	names := [...]string{"", "create", "admitted", "removed", "encryption-on", "age", "messages", "request", "rescue", "cover"}
	if int(r) < len(names) {
		return names[r]
	}
	return "unknown"
}

// Epoch is the body of EPOCH: one room key from its making to its replacement.
type Epoch struct {
	_       struct{} `cbor:",toarray"`
	Gen     uint64   // 1 + the greatest of its parents
	Parents []Hash
	Acks    []Hash // member-authored LEAVE and JOIN beyond the parents' views
	KC      Hash   // key commitment
	Salt    Hash
	Suite   uint64
	History History
	Reason  Reason
	N       uint64 // envelopes sealed
	Chunks  uint64
}

// Suite is the only cipher suite: HPKE Base with MLKEM768X25519, HKDF-SHA256 and
// ChaCha20-Poly1305 for envelopes, ChaCha20-Poly1305 for messages.
const Suite = 1

// Caps are what a deputy may do.
type Caps uint64

// The capabilities.
const (
	CapApprove Caps = 1 << iota
	CapKick
	CapRotate
	CapInvite
	allCaps = CapApprove | CapKick | CapRotate | CapInvite
)

// Grant is the body of GRANT. A GRANT is also an admission.
type Grant struct {
	_    struct{} `cbor:",toarray"`
	Peer PeerID
	Caps Caps
}

// Revoke is the body of REVOKE.
type Revoke struct {
	_     struct{} `cbor:",toarray"`
	Grant Hash
	Cuts  []Cut
}

// Transfer is the body of TRANSFER.
type Transfer struct {
	_      struct{} `cbor:",toarray"`
	To     PeerID
	Accept Hash
}

// Accept is the body of ACCEPT.
type Accept struct {
	_    struct{} `cbor:",toarray"`
	Term uint64   // the term that ends
}

// Profile is the body of PROFILE.
type Profile struct {
	_    struct{} `cbor:",toarray"`
	Name string
}

// Equiv is the body of EQUIV: two signed records of one author, lane and seq.
type Equiv struct {
	_    struct{} `cbor:",toarray"`
	A, B []byte   // payloads
}

// newBody returns a pointer to the body struct of t, nil where t is not defined.
func newBody(t Type) any {
	switch t {
	case TypeGenesis:
		return new(Genesis)
	case TypeSet:
		return new(Set)
	case TypeAdd, TypeDecline, TypeUnban:
		return new(Peer)
	case TypeInvite:
		return new(InviteLink)
	case TypeInviteRevoke:
		return new(InviteRevoke)
	case TypeJoin:
		return new(Join)
	case TypeLeave:
		return new(Leave)
	case TypeKick, TypeBan:
		return new(Removal)
	case TypeEpoch:
		return new(Epoch)
	case TypeGrant:
		return new(Grant)
	case TypeRevoke:
		return new(Revoke)
	case TypeTransfer:
		return new(Transfer)
	case TypeAccept:
		return new(Accept)
	case TypeProfile:
		return new(Profile)
	case TypeEquiv:
		return new(Equiv)
	}
	return nil
}

// String returns the type's name as the protocol text spells it.
func (t Type) String() string {
	names := [...]string{"", "GENESIS", "SET", "ADD", "DECLINE", "INVITE", "INVITE_REVOKE", "JOIN", "LEAVE", "KICK", "BAN", "UNBAN", "EPOCH", "GRANT", "REVOKE", "TRANSFER", "ACCEPT", "PROFILE", "EQUIV"}
	if int(t) < len(names) {
		return names[t]
	}
	return "reserved"
}
