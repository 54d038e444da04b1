package group

import "slices"

// So many alarms are kept of one person: one is enough to act on, and whoever
// signs everything twice fills no disk. So are chunks that came before their
// EPOCH.
const (
	maxAlarms      = 8
	maxEarlyChunks = 64 // of all minters
	maxEarlyOf     = 4  // of one
)

// Alarm is a person who signed twice under one number of one log, or committed
// to two keys for one epoch. Two records prove it: VerifyFork.
type Alarm struct {
	Author    PeerID
	Kind      Kind // as in Fork
	Lane, Seq uint64
	Time      uint64 // when it was found, in Unix milliseconds
	Shown     uint64 // where people see it: no earlier than what this node held by then
	Held      Hash   // of the record held first
	First     []byte // that record; none of a message, which the store has by its hash
	Record    []byte // the other one
}

func (a Alarm) at() link { return link{a.Kind, a.Author, a.Lane, a.Seq} }

// alarm tells people, once of each place, and keeps the proof.
func (m *Machine) alarm(a Alarm) {
	if m.restoring || slices.Contains(m.alarmed[a.Author], a.at()) || len(m.alarmed[a.Author]) >= maxAlarms {
		return
	}
	m.alarmed[a.Author] = append(m.alarmed[a.Author], a.at())
	a.Time, a.Shown = m.now, m.clock
	m.r.Batch.Alarms = append(m.r.Batch.Alarms, a)
	m.show(ShowAlarm, Hash{}, a.Author, 0)
}

// alarmEntry is asked about an entry that is not held yet.
func (m *Machine) alarmEntry(e *entry) {
	if !m.g.forks(e.Entry) {
		return
	}
	held := m.g.numbered(e)
	a := Alarm{Author: e.Author, Kind: KindEntry, Lane: e.Lane, Seq: e.Seq, Held: held, Record: e.payload}
	if o := m.g.byHash[short(held)]; o != nil {
		a.First = o.payload
	}
	m.alarm(a)
}

// alarmMessage is told of a message and of another one that is held under its
// number. What only goes on with another branch is no second fork.
func (m *Machine) alarmMessage(rec, held *message, payload []byte) {
	if p := rec.prev; p != nil && p.lane == rec.lane && m.logs[chain{rec.author, rec.lane}].at(p.seq) != p {
		return
	}
	m.alarm(Alarm{Author: rec.author, Kind: KindMessage, Lane: rec.lane, Seq: rec.seq, Held: held.hash, Record: payload})
}

// receiveChunk compares the commitment that a minter signed with the envelopes
// to that in the EPOCH, or, before that is here, in the chunk that came first.
func (m *Machine) receiveChunk(v Verified) {
	at, kc := v.keyAt()
	if !m.Admitted(at.author) {
		return
	}
	var held *entry
	for _, e := range m.g.epochs {
		if e.Author == at.author && e.Lane == at.lane && e.Seq == at.seq {
			if e.body.(*Epoch).KC == kc {
				return
			}
			held = e
		}
	}
	if held != nil {
		m.alarm(Alarm{Author: at.author, Kind: KindChunk, Lane: at.lane, Seq: at.seq, Held: held.eh, First: held.payload, Record: v.Payload})
		return
	}
	if first, known := m.chunks[at]; known {
		m.alarmChunks(at, first, v)
	} else if len(m.chunks) < maxEarlyChunks && m.earlyOf(at.author) < maxEarlyOf {
		m.chunks[at] = v
	}
}

func (m *Machine) earlyOf(p PeerID) (n int) {
	for at := range m.chunks {
		if at.author == p {
			n++
		}
	}
	return n
}

// alarmChunks is told of two records of keys under one number.
func (m *Machine) alarmChunks(at link, first, v Verified) {
	if _, ok := forkedAt(first, v); ok {
		m.alarm(Alarm{Author: at.author, Kind: KindChunk, Lane: at.lane, Seq: at.seq, Held: first.Hash, First: first.Payload, Record: v.Payload})
	}
}

// alarmEarly compares an EPOCH to the chunk that came before it.
func (m *Machine) alarmEarly(e *entry) {
	v := Verified{Payload: e.payload, Hash: e.eh, v: e.Entry}
	at, _ := v.keyAt()
	if first, known := m.chunks[at]; known {
		delete(m.chunks, at)
		m.alarmChunks(at, first, v)
	}
}
