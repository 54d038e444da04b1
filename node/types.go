package node

import (
	"encoding/json"
	"time"

	"conclave/node/api/words"
)

// The answers of the node's operations. Field names are the JSON contract of
// the command line: listed fields are always there, null when unknown.

// Status answers `status`.
type Status struct {
	PeerID  string   `json:"peer_id"`
	Addrs   []string `json:"addrs"`
	Peers   int      `json:"peers"`
	Groups  int      `json:"groups"`
	Version string   `json:"version"`
	Unread  int      `json:"unread"`  // messages of others that were not read; 100: that many or more
	Alarms  int      `json:"alarms"`  // people in a group who signed two different things under one number
	Dropped uint64   `json:"dropped"` // payloads that found no room since the start, and were left to catch-up
}

// ID answers `init` and `id`.
type ID struct {
	PeerID      string `json:"peer_id"`
	Fingerprint string `json:"fingerprint"`
}

// GroupInfo answers `group create`, `group list`, `group show` and `group set`.
type GroupInfo struct {
	GroupID     string  `json:"group_id"`
	Name        string  `json:"name"`
	Role        string  `json:"role"` // owner, deputy, member, none (left or removed)
	Members     int     `json:"members"`
	E2EE        bool    `json:"e2ee"`
	Epoch       *uint64 `json:"epoch"`  // generation of the newest epoch whose key this node holds
	Marked      string  `json:"marked"` // no, soft, hard
	Join        *string `json:"join"`   // what another person types after `conclave join`; null for a conversation
	OwnerPeerID string  `json:"owner_peer_id,omitempty"`
	Parent      *string `json:"parent,omitempty"` // the group that this one goes on for
	Keep        *string `json:"keep"`             // how long messages are kept here; null: for ever
	Read        *string `json:"read"`             // as of ReadMark
	Unread      int     `json:"unread"`
	With        *string `json:"with"` // the other of a conversation of two; null: a group

	// Of one group that is shown.
	Settings   *GroupSettings `json:"settings,omitempty"`
	CatchingUp *Progress      `json:"catching_up,omitempty"`
	CannotRead []string       `json:"cannot_read,omitempty"` // as of Sent, for the next line
	Readers    string         `json:"readers,omitempty"`     // who can read the next line, in words
	Alarms     []Alarm        `json:"alarms,omitempty"`
}

// Title is what people see as the name: of a conversation who the other is, with
// the fingerprint, since anybody can go by any name.
func (g *GroupInfo) Title() string {
	switch {
	case g.With == nil:
		return words.Line(g.Name)
	case g.Name == *g.With:
		return words.Fingerprint(*g.With)
	}
	return words.Who(g.Name, *g.With)
}

// Audience decides who can read the next line, where name names a member.
func (g *GroupInfo) Audience(plain bool, name func(peer string) string) words.Audience {
	a := words.Audience{Out: g.Role == "none", E2EE: g.E2EE, Plain: plain, Key: g.Epoch != nil && g.Marked != "hard", Members: g.Members}
	for _, p := range g.CannotRead {
		a.Cannot = append(a.Cannot, name(p))
	}
	return a
}

// GroupSettings are what a group was created with, or set to since.
type GroupSettings struct {
	History     string `json:"history"`      // none or all
	MaxAge      string `json:"max_age"`      // a Go duration; "0s": never
	MaxMessages uint64 `json:"max_messages"` // 0: no limit
	RotateBy    string `json:"rotate_by"`    // any, deputies or owner
	RequireE2EE bool   `json:"require_encryption"`
}

// Progress says how far catch-up with a member has come, in records.
type Progress struct {
	Done  uint64 `json:"done"`
	Total uint64 `json:"total"`
}

// CreateGroup is the request behind `group create`.
type CreateGroup struct {
	Name        string        `json:"name"`
	Plain       bool          `json:"plain,omitempty"`
	RequireE2EE bool          `json:"require_encryption,omitempty"`
	History     string        `json:"history,omitempty"`      // none (default) or all
	MaxAge      time.Duration `json:"max_age,omitempty"`      // nanoseconds; 0 means 720h
	MaxMessages uint64        `json:"max_messages,omitempty"` // 0 means no limit
	RotateBy    string        `json:"rotate_by,omitempty"`    // any (default), deputies, owner
}

// SetGroup is the request behind `group set` and `group rename`; nil leaves a
// setting alone.
type SetGroup struct {
	Name        *string        `json:"name,omitempty"`
	MaxAge      *time.Duration `json:"max_age,omitempty"`
	MaxMessages *uint64        `json:"max_messages,omitempty"`
}

// Invite answers `invite`.
type Invite struct {
	InviteID string `json:"invite_id"`
	GroupID  string `json:"group_id"`
	PeerID   string `json:"peer_id"`
	State    string `json:"state"` // pending, delivered, accepted, joined, declined
}

// Invitation is one line of `invites`: an offer that this person received.
type Invitation struct {
	InviteID string `json:"invite_id"`
	GroupID  string `json:"group_id"`
	Name     string `json:"name"`
	From     string `json:"from"`

	FromName *string `json:"from_name"` // as a group says that both are in
}

// JoinState answers `join`, `join --list` and `accept`. GroupID is null until
// the approver has said which group it is.
type JoinState struct {
	GroupID *string `json:"group_id"`
	State   string  `json:"state"`             // requested, joined, declined
	PeerID  string  `json:"peer_id,omitempty"` // who was asked
	Kept    bool    `json:"kept,omitempty"`    // by a member who may not approve, for those who may
}

// Request answers `requests`, `approve` and `decline`.
type Request struct {
	GroupID     string  `json:"group_id"`
	PeerID      string  `json:"peer_id"`
	Fingerprint string  `json:"fingerprint"`
	Note        string  `json:"note"`
	State       string  `json:"state"` // pending, approved, declined
	Epoch       *uint64 `json:"epoch"`
	KeptBy      *string `json:"kept_by,omitempty"` // the member who was asked, and kept the request for those who may approve

	Name  *string `json:"name"`  // as they say themselves; null: they chose none
	Alike bool    `json:"alike"` // a member, or another who waits, has a name that this could be taken for
}

// Member is one line of `members`.
type Member struct {
	GroupID string  `json:"group_id"`
	PeerID  string  `json:"peer_id"`
	Name    string  `json:"name"`
	Role    string  `json:"role"`
	Epoch   *uint64 `json:"epoch"` // the newest that member is known to hold
	Online  bool    `json:"online"`
	Self    bool    `json:"self"`

	Verified bool     `json:"verified"`      // the safety numbers were compared
	Alike    bool     `json:"alike"`         // another member's name could be taken for this one
	Can      []string `json:"can,omitempty"` // what a deputy may: approve, kick, rotate, invite
}

// LinkOptions are what `invite --link` may ask for.
type LinkOptions struct {
	Uses        uint64         `json:"uses,omitempty"`    // how many may come in unasked; default 1
	Expires     *time.Duration `json:"expires,omitempty"` // default 24h
	PreApproved bool           `json:"preapproved,omitempty"`
}

// Link answers `invite --link` and `links`. The link itself is shown once.
type Link struct {
	GroupID     string  `json:"group_id"`
	InviteID    string  `json:"invite_id"`
	Link        *string `json:"link,omitempty"`
	By          string  `json:"by"`
	Uses        uint64  `json:"uses"`
	Used        uint64  `json:"used"`
	Expires     *string `json:"expires"`
	PreApproved bool    `json:"preapproved"`
	State       string  `json:"state"` // open, revoked, retired, used up, expired
}

// Handover answers `transfer`.
type Handover struct {
	GroupID     string `json:"group_id"`
	PeerID      string `json:"peer_id"`
	State       string `json:"state"` // accepted: ready to take over; transferred: the owner now
	OwnerPeerID string `json:"owner_peer_id"`
}

// Fork answers `group fork`.
type Fork struct {
	GroupID string   `json:"group_id"`
	Name    string   `json:"name"`
	Parent  string   `json:"parent"`
	Invited []string `json:"invited"` // peer IDs
}

// Deputy answers `deputy add` and `deputy remove`.
type Deputy struct {
	GroupID string   `json:"group_id"`
	PeerID  string   `json:"peer_id"`
	Role    string   `json:"role"` // deputy or member
	Can     []string `json:"can"`
}

// Sent answers `send` and `dm`, once for every line.
type Sent struct {
	GroupID   string  `json:"group_id"`
	MessageID string  `json:"message_id"`
	State     string  `json:"state"` // sent or held
	Epoch     *uint64 `json:"epoch"`
	EID       *string `json:"eid"`
	Encrypted bool    `json:"encrypted"`
	Hint      string  `json:"hint,omitempty"` // why it is held

	// CannotRead are members who are not known to hold the key, at most 32 of
	// them; Keys lists all. They read the line once they have it.
	CannotRead []string `json:"cannot_read"`
}

// LogLine is one line of `log`.
type LogLine struct {
	GroupID    string  `json:"group_id"`
	Kind       string  `json:"kind"` // message, unreadable, gap, event
	MessageID  *string `json:"message_id"`
	Sender     *string `json:"sender"`
	SenderName *string `json:"sender_name"`
	Seq        *uint64 `json:"seq"`
	Time       *string `json:"time"` // RFC 3339 UTC with milliseconds
	Epoch      *uint64 `json:"epoch"`
	EID        *string `json:"eid"`
	Encrypted  bool    `json:"encrypted"`
	Text       *string `json:"text"`   // only for kind message
	Reason     *string `json:"reason"` // why unreadable, what is missing, what happened
	Cursor     string  `json:"cursor"` // position for paging; opaque

	Missing    *Missing `json:"gap"`        // what is missing, of a gap
	State      *string  `json:"state"`      // of this person's messages: held, sent, delivered
	Delivered  *int     `json:"delivered"`  // of those that left: how many others are known to hold it
	Recipients *int     `json:"recipients"` // and how many it is for: those who may read it
}

// Missing describes a gap: records of one author that are known to exist. Each
// holds one message or more.
type Missing struct {
	From   uint64   `json:"from"` // sequence numbers
	To     uint64   `json:"to"`
	HeldBy []string `json:"held_by"` // members who said that they hold some of them
	Asked  *string  `json:"asked"`   // when a member was last asked; null: none yet
}

// LogQuery selects lines of a group's log, oldest first.
type LogQuery struct {
	After  string // lines after this cursor; empty: from the beginning
	Before string // the last lines before this cursor; one of After, Before and Last
	Last   bool   // the last Limit lines in place of the first
	Limit  int    // at most this many, 1 to 1,000, 0 means 1,000; held lines and gaps come beside, at the end
}

// Change answers `leave`, `kick`, `ban` and `unban`.
type Change struct {
	GroupID string  `json:"group_id"`
	PeerID  string  `json:"peer_id"`
	State   string  `json:"state"` // left, removed, banned, unbanned
	Epoch   *uint64 `json:"epoch"`

	LinksEnded int    `json:"links_ended,omitempty"` // pre-approved ones that the removal ended
	Hint       string `json:"hint,omitempty"`        // what to do about these
}

// Rotation answers `rotate`.
type Rotation struct {
	GroupID string `json:"group_id"`
	Epoch   uint64 `json:"epoch"`
	EID     string `json:"eid"`
}

// Encryption answers `encryption`.
type Encryption struct {
	GroupID string `json:"group_id"`
	E2EE    bool   `json:"e2ee"`
}

// Key is one line of `keys`.
type Key struct {
	GroupID  string   `json:"group_id"`
	Epoch    uint64   `json:"epoch"`
	EID      string   `json:"eid"`
	MintedBy string   `json:"minted_by"`
	Reason   string   `json:"reason"`
	Holders  []string `json:"holders"` // members known to hold it
	Missing  []string `json:"missing"` // members not known to hold it
	Current  bool     `json:"current"`
	Time     *string  `json:"time"` // as who made it claims
}

// Verification answers `verify`, of a group or of a peer.
type Verification struct {
	GroupID      string `json:"group_id,omitempty"`
	PeerID       string `json:"peer_id,omitempty"`
	SafetyNumber string `json:"safety_number"`
	Verified     bool   `json:"verified"`
}

// Event is what a follower of the node is told: a line was added to a group's
// log, or something else about the group or a request changed.
type Event struct {
	ID      uint64          `json:"id"`
	Kind    string          `json:"kind"` // log, group, request, invitation, join, delivered, read, alarm, progress, reset
	GroupID string          `json:"group_id"`
	Line    *LogLine        `json:"line,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
}
