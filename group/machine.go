package group

import (
	"maps"
	"slices"

	"conclave/keys"
)

// Config is what a Machine is for.
type Config struct {
	GID    Hash
	Self   *keys.Identity
	Direct *[2]PeerID // the two people of a conversation, sorted; nil in a group
	Bundle keys.Bundle

	// Careful keeps the Machine from signing until a Compared: this home may
	// have been rolled back, and others would know.
	Careful bool
}

// Stored is what a Machine starts from: what its Batches and KeyWrites left
// behind, in any order. The zero value is a group not yet known.
type Stored struct {
	Entries  []Verified
	Messages []StoredMessage      // bare, or whole
	Keys     map[Hash]keys.Secret // room keys by eid
	Erased   []Hash
	Outbox   []OutItem
	Latest   []Verified // bundles and reports
	Holds    []Holds    // who holds what of this node's own messages
	Damaged  []uint64   // lanes of this node in which a record cannot be read any more
	Local    *Local
	Waiting  []Waiting
	Alarms   []Alarm // records of none are needed
}

// Machine is the state of one group at one member. It is not safe for use by
// several goroutines.
type Machine struct {
	g    *graph
	st   *State // fold of everything applied
	self *keys.Identity
	me   PeerID
	lane uint64

	logs        map[chain]*msgLog
	msgs        map[Short]*message
	offers      map[chain][]Based    // bases that peers named, newest last
	lacked      map[Short][]*message // what is not held, and lies in a hole, with what cites it
	orphans     map[Short][]*message // likewise, with what names it as the one before
	sealedUnder map[int]int          // messages by the idx of their epoch
	clock       uint64               // greatest ord of any message held
	pend        pending

	held    map[Hash]keys.Secret
	erased  map[Hash]bool
	early   map[Hash]keys.Secret // room keys by commitment, before their epoch
	bundles map[PeerID]keys.Bundle
	reports map[PeerID]*Report
	holds   map[PeerID][]LogHead // what members hold of this node's own messages
	latest  map[latestKey]Verified
	alarmed map[PeerID][]link // where somebody signed twice
	chunks  map[link]Verified // of each place the first that came before its EPOCH

	out    []OutItem
	local  Local
	kept   map[Hash]bool // while restoring: the entries of frozen terms that were applied
	online map[PeerID]bool

	restoring  bool
	careful    bool       // signs nothing until this node's heights were compared
	owesReport bool       // a key came, or was there, that the group was not told of
	again      []Verified // stored as waiting, though nothing is missing that they cite
	damaged    bool       // a number of the present lane may have been used for what is lost

	rot     rotation
	cache   struct{ eligible []*entry }
	cited   cited
	now     uint64
	entropy keys.Secret
	derived uint64
	taken   uint64 // number of the newest outbox item before this Step
	r       *Ready
}

type latestKey struct {
	kind Kind
	peer PeerID
}

// cited is the control view that this node's last message cited.
type cited struct {
	view set
	any  bool
}

// Local is what this node alone decided about the group.
type Local struct {
	_        struct{}  `cbor:",toarray"`
	Accepted Hash      // the SET whose "encryption off" this person acknowledged
	Requests []Request // waiting for an answer
	Offers   []Offer   // invitations by peer ID that this node gave
	Declined []PeerID
	Frozen   []uint64 // terms whose owner signed twice under one number
	Left     bool     // by this person's own wish
	Hidden   bool     // a conversation that is hidden and blocked here
	Lane     uint64
	Next     uint64 // number of the next outbox item
	Accept   bool   // a conversation from a stranger was accepted, or begun here
	Kept     []Hash // newest entries of the frozen terms that are applied here
}

// New returns a Machine that stands where stored left it.
func New(cfg Config, stored Stored) *Machine {
	m := &Machine{
		g: newGraph(cfg.GID), self: cfg.Self, me: cfg.Self.PeerID(),
		logs: map[chain]*msgLog{}, msgs: map[Short]*message{}, offers: map[chain][]Based{}, lacked: map[Short][]*message{}, orphans: map[Short][]*message{}, sealedUnder: map[int]int{},
		pend: newPending(), held: map[Hash]keys.Secret{}, erased: map[Hash]bool{}, early: map[Hash]keys.Secret{},
		bundles: map[PeerID]keys.Bundle{}, reports: map[PeerID]*Report{}, holds: map[PeerID][]LogHead{}, latest: map[latestKey]Verified{},
		alarmed: map[PeerID][]link{}, chunks: map[link]Verified{},
		online: map[PeerID]bool{}, r: new(Ready),
	}
	if stored.Local != nil {
		m.local = *stored.Local
	}
	m.lane = m.local.Lane
	m.g.direct = cfg.Direct
	if cfg.Direct != nil {
		m.g.insert(impliedGenesis(cfg.GID, *cfg.Direct))
	}
	m.refold()
	m.restoring = true
	m.restore(stored)
	m.restoring = false
	m.careful = cfg.Careful && len(m.st.members()) > 1
	m.damaged = m.usedMore(stored)
	m.owesReport = m.unreported()
	m.bundles[m.me] = cfg.Bundle
	if len(cfg.Bundle.Raw()) > 0 {
		m.latest[latestKey{KindBundle, m.me}] = bundleRecord(cfg.Bundle)
	}
	m.r = nil
	return m
}

// restore replays what the store held. Nothing comes of it but state.
func (m *Machine) restore(stored Stored) {
	maps.Copy(m.held, stored.Keys)
	for _, h := range stored.Erased {
		m.erased[h] = true
	}
	slices.SortFunc(stored.Entries, func(a, b Verified) int {
		return compareOrd(a.Entry().Ord, b.Entry().Ord, a.Hash, b.Hash)
	})
	for _, a := range stored.Alarms {
		m.alarmed[a.Author] = append(m.alarmed[a.Author], a.at())
	}
	m.kept = keptEntries(stored.Entries, m.local.Kept)
	for _, v := range stored.Entries {
		m.receiveEntry(v)
	}
	m.kept = nil
	for _, h := range stored.Holds {
		m.holds[h.Peer] = h.Logs
	}
	slices.SortFunc(stored.Messages, func(a, b StoredMessage) int { return compareOrd(a.Ord, b.Ord, a.Hash, b.Hash) })
	for _, s := range stored.Messages {
		m.restoreMessage(s)
	}
	for _, v := range stored.Latest {
		m.receiveLatest(v)
	}
	m.out = stored.Outbox
	m.refold()
	m.restoreWaiting(stored.Waiting)
	if log := m.logs[chain{m.me, m.lane}]; log.top() != nil {
		m.cited = cited{view: log.top().view, any: true}
	}
}

// usedMore reports whether this node signed something in its present lane that
// the store no longer tells, or that rests on what it no longer tells.
func (m *Machine) usedMore(stored Stored) bool {
	return slices.Contains(stored.Damaged, m.lane) ||
		slices.ContainsFunc(stored.Entries, func(v Verified) bool {
			return v.Author() == m.me && v.Entry().Lane == m.lane && m.g.byHash[short(v.Hash)] == nil
		}) ||
		slices.ContainsFunc(stored.Messages, func(s StoredMessage) bool {
			return s.Author == m.me && s.Lane == m.lane && m.msgs[short(s.Hash)] == nil
		})
}

// keptEntries returns the entries at or before the newest applied ones of frozen
// terms, along prev.
func keptEntries(stored []Verified, newest []Hash) map[Hash]bool {
	prev := map[Hash]Hash{}
	for _, v := range stored {
		prev[v.Hash] = v.Entry().Prev
	}
	kept := map[Hash]bool{}
	for _, h := range newest {
		for ; h != (Hash{}) && !kept[h]; h = prev[h] {
			kept[h] = true
		}
	}
	return kept
}

// restoreMessage takes a message back; what it cites was satisfied when it was
// accepted. One whose control entries are lost is left to catch-up. Where a
// record before it is not there, this copy of the log begins above that.
func (m *Machine) restoreMessage(s StoredMessage) {
	if need, err := m.missingControl(s.msg); err != nil || len(need) > 0 {
		return
	}
	rec := m.newMessage(Verified{Hash: s.Hash, v: s.msg})
	rec.ord, rec.size = s.Ord, s.size
	m.hold(rec)
}

// restoreWaiting takes back the records that waited. What does not have to wait
// any more is left to the first Step, which stores what comes of it.
func (m *Machine) restoreWaiting(stored []Waiting) {
	m.pend.touched = nil
	slices.SortFunc(stored, func(a, b Waiting) int { return a.Hash.Compare(b.Hash) })
	for _, s := range stored {
		v, err := DecodeOwn(m.g.gid, s.Payload)
		if err != nil {
			continue
		}
		v.skipped = s.SigSkipped
		m.pend.stored[short(v.Hash)] = true
		var need []Short
		if e := v.Entry(); e != nil {
			need, err = m.g.missing(e)
		} else if x := v.Msg(); x != nil {
			need, err = m.missingFor(x)
		}
		if err != nil || len(need) == 0 || !m.pend.wait(v, need[0]) {
			m.again = append(m.again, v)
		}
	}
}

// retryStored takes in what restoreWaiting left.
func (m *Machine) retryStored() {
	for _, v := range m.again {
		m.pend.touched = append(m.pend.touched, v)
		m.onReceived(v) // what contradicts its citations is dropped here
	}
	m.again = nil
}

// impliedGenesis is the unsigned first entry of a conversation of two.
func impliedGenesis(gid Hash, people [2]PeerID) *entry {
	body := &Genesis{Settings: Settings{E2EE: true, MaxAge: DefaultMaxAge}}
	return &entry{
		Entry: &Entry{Type: TypeGenesis, Author: people[0], Seq: 1, Term: 1, body: body},
		eh:    gid, ord: 1, role: roleOwner,
	}
}

// DefaultMaxAge is how long a room key serves before the group is soft-marked,
// in milliseconds: 30 days.
const DefaultMaxAge = 30 * 24 * 3600 * 1000

// DirectID returns the ID of the conversation of two people, the same whoever
// starts it, and the two in order.
func DirectID(a, b PeerID) (Hash, [2]PeerID) {
	pair := [2]PeerID{a, b}
	if b.Compare(a) < 0 {
		pair = [2]PeerID{b, a}
	}
	return keys.Sum(slices.Concat([]byte("conclave/1 dm"), pair[0][:], pair[1][:])), pair
}

// refold brings the state up to date after entries were applied.
func (m *Machine) refold() {
	m.st = m.g.fold(m.g.everything())
	m.cache.eligible = nil
}

func (m *Machine) requiresE2EE() bool {
	gen := m.genesis()
	return gen != nil && gen.body.(*Genesis).RequireE2EE
}

func (m *Machine) genesis() *entry { return m.g.byHash[short(m.g.gid)] }

// eligible returns the epochs that may be encrypted under now, preferred first.
func (m *Machine) eligible() []*entry {
	if m.cache.eligible == nil {
		m.cache.eligible = m.st.eligibleEpochs()
		if m.cache.eligible == nil {
			m.cache.eligible = []*entry{}
		}
	}
	return m.cache.eligible
}

// current returns the epoch that a message of this node goes out under now, nil
// where the group is hard-marked.
func (m *Machine) current() *entry {
	for _, p := range m.eligible() {
		if _, ok := m.held[p.eh]; ok {
			return p
		}
	}
	return nil
}

// isMember reports whether this node is a member as far as it knows.
func (m *Machine) isMember() bool { return m.st.member(m.me) && !m.local.Hidden }
