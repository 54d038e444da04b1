package group

import "conclave/keys"

// Input is one thing that happened, with the time and fresh entropy of the
// moment. Entropy is used for at most one Step; room keys and salts derive from it.
type Input struct {
	Now     uint64 // Unix milliseconds
	Entropy keys.Secret
	Event   Event
}

// Event is what happened.
type Event interface{ event() }

// What comes from other nodes.
type (
	// Received is a record from the topic or from catch-up.
	Received struct{ Record Verified }
	// Based tells where a log begins for this node, from a catch-up peer:
	// what lies at or below Base was said before this member could read, or is
	// not held by that peer. Ord is the greatest ord there.
	Based struct {
		_          struct{} `cbor:",toarray"`
		Author     PeerID
		Lane, Base uint64
		Ord        uint64
	}
	// KeyReceived is a room key that an envelope held; Commit is the kc it came with.
	KeyReceived struct {
		Commit Hash
		Key    keys.Secret
	}
	// JoinAsked is a join request that came over a stream.
	JoinAsked struct{ Request Request }
	// Wished is a member's wish that this node rotate a soft-marked group.
	Wished struct{ From PeerID }
	// Online tells that a peer is connected, or no longer.
	Online struct {
		Peer PeerID
		Up   bool
	}
	// Tick is the passing of time.
	Tick struct{}
	// Sealed brings the envelopes of a SealJob back.
	Sealed struct {
		Job       SealJob
		Envelopes []Envelope
	}
)

// What the person at this node wants.
type (
	// Create makes the group; the Config's GID is what CreateID returned.
	Create struct {
		Genesis Verified
	}
	// Send gives items to be sent.
	Send struct {
		Items []Item
		Plain bool
	}
	// Approve answers a join request with yes.
	Approve struct{ Peer PeerID }
	// Decline answers it with no.
	Decline struct{ Peer PeerID }
	// Invite keeps an offer to a peer, which admits it when it asks.
	Invite struct{ Peer PeerID }
	// Uninvite takes an offer back that was not taken up.
	Uninvite struct{ Peer PeerID }
	// Unasked is the news that a peer takes its join request back.
	Unasked struct{ Peer PeerID }
	// Quit leaves the group; Abandon lets an owner leave others behind.
	Quit struct{ Abandon bool }
	// Remove kicks or bans a member.
	Remove struct {
		Peer PeerID
		Ban  bool
	}
	// Unban lets a banned peer be admitted again.
	Unban struct{ Peer PeerID }
	// Rotate asks for a new room key.
	Rotate struct{}
	// Change replaces the settings.
	Change struct{ Settings Settings }
	// AcceptPlain acknowledges that encryption was switched off.
	AcceptPlain struct{}
	// SetName states this person's name in the group.
	SetName struct{ Name string }
	// NewBundle replaces this node's own bundle.
	NewBundle struct{ Record Verified }
	// DeputyAdd grants authority; DeputyRemove takes it back.
	DeputyAdd struct {
		Peer PeerID
		Caps Caps
	}
	DeputyRemove struct{ Peer PeerID }
	// TakeOver says that this person would be the owner; HandOver makes a
	// member who said so the owner.
	TakeOver struct{}
	HandOver struct{ Peer PeerID }
	// LinkAdd makes a link; LinkRevoke ends it.
	LinkAdd struct {
		Key         [32]byte // public half of the key that the link's secret gives
		Uses        uint64
		Expires     uint64 // Unix milliseconds
		PreApproved bool
	}
	LinkRevoke struct{ Invite Hash }
	// LinkUsed is the wish of a peer to come in by a link.
	LinkUsed struct {
		Peer   PeerID
		Bundle []byte // signed record
		Invite Hash
		Proof  []byte // by the link's key
	}
	// Compared ends a careful start: this node's heights were compared with
	// those of the members in reach.
	Compared struct{}
	// AcceptTalk accepts a conversation that a stranger began.
	AcceptTalk struct{}
)

func (Received) event()     {}
func (Based) event()        {}
func (KeyReceived) event()  {}
func (JoinAsked) event()    {}
func (Wished) event()       {}
func (Online) event()       {}
func (Tick) event()         {}
func (Sealed) event()       {}
func (Create) event()       {}
func (Send) event()         {}
func (Approve) event()      {}
func (Decline) event()      {}
func (Invite) event()       {}
func (Uninvite) event()     {}
func (Unasked) event()      {}
func (Quit) event()         {}
func (Remove) event()       {}
func (Unban) event()        {}
func (Rotate) event()       {}
func (Change) event()       {}
func (AcceptPlain) event()  {}
func (SetName) event()      {}
func (NewBundle) event()    {}
func (DeputyAdd) event()    {}
func (DeputyRemove) event() {}
func (TakeOver) event()     {}
func (HandOver) event()     {}
func (LinkAdd) event()      {}
func (LinkRevoke) event()   {}
func (LinkUsed) event()     {}
func (Compared) event()     {}
func (AcceptTalk) event()   {}
