package group

import (
	"cmp"

	"conclave/keys"
)

// Ready is what a Step asks of the shell, in this order: Keys durable, then
// Batch durable as one atomic write, then the roster swapped, then Drop, and
// only then anything published, sealed, answered or shown.
type Ready struct {
	Keys    []KeyWrite
	Batch   Batch
	Members []PeerID // who may be on the topic; nil: as before
	Drop    []PeerID // connections to close
	Publish [][]byte // payloads for the topic
	Seal    []SealJob
	Show    []Shown
	Sent    []SentItem // outbox items that left in this Step
	Want    bool       // something more is missing that a peer could give: catch up
	Wish    []PeerID   // whom to ask for a rotation
	Wake    uint64     // Unix milliseconds of the next Tick; 0: none
	Epoch   Hash       // eid of the epoch that this Step minted, if any
}

// KeyWrite is a change of the keybag.
type KeyWrite struct {
	EID Hash
	Key keys.Secret
}

// Batch is what to store, atomically.
type Batch struct {
	Entries  []StoredEntry
	Messages []StoredMessage
	OutPut   []OutItem
	OutDel   []uint64
	Latest   []Verified // replace the older bundle or report of that author
	Alarms   []Alarm
	Holds    []Holds // replace the older one of that member
	Local    *Local
	Wait     []Waiting // records that wait for what they cite
	Waited   []Hash    // those that no longer do
}

// Waiting is a record that cites what this node does not hold yet.
type Waiting struct {
	Hash       Hash
	Payload    []byte
	SigSkipped bool
}

// Empty reports whether there is nothing to store.
func (b *Batch) Empty() bool {
	return len(b.Entries)+len(b.Messages)+len(b.OutPut)+len(b.OutDel)+len(b.Latest)+len(b.Alarms)+len(b.Holds)+len(b.Wait)+len(b.Waited) == 0 && b.Local == nil
}

// StoredEntry is an applied control entry with its exact ord.
type StoredEntry struct {
	Author    PeerID
	Lane, Seq uint64
	Hash      Hash
	Ord       uint64
	Shown     uint64 // where people see it: no earlier than what this node held by then
	Payload   []byte
}

// StoredMessage is an accepted message record with its exact ord.
type StoredMessage struct {
	Author     PeerID
	Lane, Seq  uint64
	Hash       Hash
	Ord        uint64
	Payload    []byte
	SigSkipped bool
	msg        *Msg
	size       uint32 // bytes of the payload
}

// Msg returns the message. It must not be changed.
func (s StoredMessage) Msg() *Msg { return s.msg }

// Bare is s without its payload and what is sealed in it: enough for a Machine
// to start from.
func (s StoredMessage) Bare() StoredMessage {
	x := *s.msg
	x.Salt, x.Commit, x.Data = nil, nil, nil
	s.Payload, s.msg = nil, &x
	return s
}

// OutItem is an item that the API accepted and that has not left yet.
type OutItem struct {
	_     struct{} `cbor:",toarray"`
	N     uint64
	ID    keys.ItemID
	Text  string
	Plain bool
	Since uint64 // Unix milliseconds
}

// SentItem tells under which epoch an item left; EID is zero for plaintext.
type SentItem struct {
	ID  keys.ItemID
	EID Hash
	Gen uint64
}

// SealJob asks for one envelope to each recipient. With Publish set the
// envelopes come back in a Sealed event, to go out on the topic.
type SealJob struct {
	EID, Ectx, KC Hash
	Minter        PeerID
	Lane, Seq     uint64
	Key           keys.Secret
	To            []keys.Bundle
}

// ShownKind is what kind of thing became visible.
type ShownKind int

// The kinds of things shown.
const (
	ShowMessage ShownKind = iota
	ShowEntry
	ShowRequest
	ShowKey
	ShowHeld
	ShowAlarm
	ShowDelivered // a member is known to hold more of this node's messages
	ShowCopied    // this home was rolled back, or copied: what signs elsewhere, or did, has another lane
)

// Shown is something that a person may see now.
type Shown struct {
	Kind   ShownKind
	Hash   Hash
	Author PeerID
	Ord    uint64
}

// Step takes one input. All or nothing: with an error nothing has changed.
func (m *Machine) Step(in Input) (Ready, error) {
	m.r = new(Ready)
	m.now, m.entropy, m.derived, m.taken = in.Now, in.Entropy, 0, m.local.Next
	m.rot.turnBack(m.now)
	before := len(m.g.order)
	if m.damaged {
		m.beginLane()
	}
	err := m.handle(in.Event)
	if err != nil {
		r := *m.r
		m.r = nil
		return Ready{Want: r.Want}, err
	}
	m.damaged = false
	m.settle(before)
	r := *m.r
	m.r = nil
	m.entropy = keys.Secret{}
	return r, nil
}

func (m *Machine) handle(ev Event) error {
	switch ev := ev.(type) {
	case Received:
		return m.onReceived(ev.Record)
	case Based:
		m.onBased(ev)
	case KeyReceived:
		return m.onKey(ev)
	case JoinAsked:
		return m.onJoinAsked(ev.Request)
	case Holds:
		m.onHolds(ev)
	case Wished:
		m.onWish(ev.From)
	case Online:
		m.onOnline(ev)
	case Tick:
	case Sealed:
		m.onSealed(ev)
	case Create:
		return m.onCreate(ev.Genesis)
	case Send:
		return m.onSend(ev)
	case Approve:
		return m.onApprove(ev.Peer)
	case Decline:
		return m.onDecline(ev.Peer)
	case Invite:
		return m.onInvite(ev.Peer)
	case Uninvite:
		return m.onUninvite(ev.Peer)
	case Unasked:
		m.onUnasked(ev.Peer)
	case Quit:
		return m.onQuit(ev.Abandon)
	case Remove:
		return m.onRemove(ev)
	case Unban:
		return m.onUnban(ev.Peer)
	case Rotate:
		return m.onRotate()
	case Change:
		return m.onChange(ev.Settings)
	case AcceptPlain:
		return m.onAcceptPlain()
	case SetName:
		return m.onSetName(ev.Name)
	case NewBundle:
		m.onNewBundle(ev.Record)
	case DeputyAdd:
		return m.onDeputyAdd(ev)
	case DeputyRemove:
		return m.onDeputyRemove(ev.Peer)
	case TakeOver:
		return m.onTakeOver()
	case HandOver:
		return m.onHandOver(ev.Peer)
	case LinkAdd:
		return m.onLinkAdd(ev)
	case LinkRevoke:
		return m.onLinkRevoke(ev.Invite)
	case LinkUsed:
		return m.onLinkUsed(ev)
	case Compared:
		m.careful = false
	case AcceptTalk:
		m.local.Accept = true
		m.saveLocal()
	}
	return nil
}

// settle follows up on whatever the event changed: roster, keys, outbox,
// rotation, the next wake-up.
func (m *Machine) settle(structuralBefore int) {
	m.retryStored()
	if len(m.g.order) != structuralBefore {
		m.trimLinks()
		m.settleRoster()
		m.retryHidden()
	}
	m.claimEarlyKeys()
	m.coverGuests(len(m.g.order) != structuralBefore || len(m.r.Keys) > 0)
	m.rotateIfDue()
	m.flush()
	m.holdNew()
	m.settleReport()
	m.r.Want = m.r.Want || m.pend.news
	m.pend.news = false
	m.r.Batch.Wait, m.r.Batch.Waited = m.pend.settle(m.Admitted)
	m.r.Wake = m.nextWake()
}

// fresh derives 32 bytes from this Step's entropy; never the same twice.
func (m *Machine) fresh(label string) [32]byte {
	m.derived++
	return keys.Derive(m.entropy, label, m.derived)
}

func (m *Machine) saveLocal() {
	l := m.local
	m.r.Batch.Local = &l
}

func (m *Machine) show(kind ShownKind, h Hash, author PeerID, ord uint64) {
	m.r.Show = append(m.r.Show, Shown{Kind: kind, Hash: h, Author: author, Ord: ord})
}

func compareOrd(a, b uint64, x, y Hash) int { return cmp.Or(cmp.Compare(a, b), x.Compare(y)) }
