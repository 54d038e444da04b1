package node

import (
	"errors"
	"fmt"
	"math"

	"conclave/group"
	"conclave/keys"
	"conclave/node/store"
)

// The journal of a group says in which order its records were shown at this
// node, so that a follower who comes back, also after a restart, is told what it
// missed. A row is written with the records that it names, in one batch. Rows of
// the distant past go: whoever comes back after that reads the log again.
//
//	/j/<number of the first record>    journalRow

const (
	journalRows = 8192 // kept of a group
	journalRefs = 1024 // records in a row
	mostAgain   = 4096 // messages that a room key makes readable at once and that are named
)

// journalRow names records that were shown one after the other.
type journalRow struct {
	_    struct{} `cbor:",toarray"`
	Prev uint64   // number of this group's last record before these, 0: there was none
	Lost bool     // more were shown than a row names: the log has to be read again
	Refs []journalRef
}

// journalRef is one record that was shown.
type journalRef struct {
	_     struct{} `cbor:",toarray"`
	Key   string   // of a message; of an entry or alarm, that in the display order
	Blind bool     // its key was not there: it was shown as unreadable, and is named again once it is
}

// journal is what the loop knows of its group's journal.
type journal struct {
	rows []uint64 // first numbers
	last uint64   // number of the last record
}

func journalKey(first uint64) string { return "/j/" + store.Num(first) }

// loadJournal finds where the journal stands.
func (d *disk) loadJournal() (j journal, err error) {
	for rec, err := range d.space.Scan(store.Query{Prefix: "/j", KeysOnly: true}) {
		if err != nil {
			return j, err
		}
		if first := rowNumber(rec.Key); first != math.MaxUint64 {
			j.rows = append(j.rows, first)
		}
	}
	if len(j.rows) == 0 {
		return j, nil
	}
	j.last = j.rows[len(j.rows)-1]
	row, err := d.journalRow(j.last)
	if err == nil {
		j.last += uint64(max(len(row.Refs), 1)) - 1
	}
	if errors.Is(err, store.ErrCorrupt) {
		j.last += journalRefs // it had no more
		err = nil
	}
	return j, err
}

func (d *disk) journalRow(first uint64) (row journalRow, err error) {
	v, err := d.space.Get(journalKey(first))
	if err == nil {
		err = decodeRow(v, &row)
	}
	return row, err
}

func decodeRow(v []byte, row *journalRow) error {
	if err := keys.Unmarshal(v, row); err != nil {
		return fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	return nil
}

// put adds the rows of a turn to its batch, and takes the oldest away. The
// journal that it returns counts once the batch is durable.
func (j journal) put(d *disk, b *store.Batch, first uint64, shown []showing) journal {
	for len(shown) > 0 {
		row := journalRow{Prev: j.last}
		n := min(len(shown), journalRefs)
		for _, s := range shown[:n] {
			row.Refs = append(row.Refs, s.ref)
			row.Lost = row.Lost || s.ref.Key == ""
		}
		d.space.Put(b, journalKey(first), keys.Marshal(row))
		j.rows, j.last = append(j.rows, first), first+uint64(n)-1
		first, shown = first+uint64(n), shown[n:]
	}
	for ; len(j.rows) > journalRows; j.rows = j.rows[1:] {
		d.space.Delete(b, journalKey(j.rows[0]))
	}
	return j
}

// showing is a record of a turn that people may see.
type showing struct {
	ref   journalRef
	lines func() []LogLine
}

// shows lists what a step has shown, the lines not yet made. Only called from
// the loop.
func (r *room) shows(rd *group.Ready) (out []showing) {
	if len(rd.Show) == 0 {
		return nil
	}
	for _, e := range rd.Batch.Entries {
		key := entryOrder(e)
		out = append(out, showing{journalRef{Key: key}, func() []LogLine { return r.entryLines(r.m, key, e.Hash) }})
	}
	fresh := map[keys.Hash]bool{}
	for _, s := range rd.Batch.Messages {
		fresh[s.Hash] = true
		ref := journalRef{Key: recordKey("m", s.Author, s.Lane, s.Seq, s.Hash), Blind: r.m.MayRead(s.Hash) != nil}
		out = append(out, showing{ref, func() []LogLine { return r.messageLines(r.m, messageOrder(s), s) }})
	}
	for _, x := range rd.Batch.Alarms {
		key, a := alarmOrder(x), alarm{place: placeOf(x), found: x.Time}
		out = append(out, showing{journalRef{Key: key}, func() []LogLine { return []LogLine{r.lineOfAlarm(r.m, key, a)} }})
	}
	for _, s := range rd.Show {
		if s.Kind == group.ShowKey {
			out = append(out, r.showsAgain(s.Hash, fresh)...)
		}
	}
	return out
}

// showsAgain lists the messages that a room key has made readable. Where they
// are too many, nobody is told them one by one.
func (r *room) showsAgain(eid keys.Hash, fresh map[keys.Hash]bool) (out []showing) {
	for _, ref := range r.m.MessagesUnder(eid) {
		if fresh[ref.Hash] {
			continue
		}
		key := recordKey("m", ref.Author, ref.Lane, ref.Seq, ref.Hash)
		out = append(out, showing{journalRef{Key: key}, func() []LogLine {
			s, err := r.disk.message(ref)
			if err != nil {
				return nil
			}
			return r.messageLines(r.m, messageOrder(s), s)
		}})
	}
	if len(out) > mostAgain {
		return []showing{{journalRef{}, func() []LogLine { return nil }}}
	}
	return out
}

// events makes what followers are told of a turn's steps.
func (r *room) events(t *told, steps []step) (out []Event) {
	gid, number := r.gid.String(), t.first
	for i := range steps {
		if steps[i].err != nil {
			continue
		}
		for _, s := range steps[i].shown {
			if s.ref.Key == "" {
				out = append(out, Event{ID: eventID(number, lastItem), Kind: EventReset, GroupID: gid})
			}
			for item, l := range s.lines() {
				out = append(out, Event{ID: eventID(number, item), Kind: "log", GroupID: gid, Line: &l})
			}
			number++
		}
		out = append(out, r.notices(eventID(number-1, lastItem), steps[i].ready.Show)...)
	}
	return out
}

// notices are what a step has to tell beside lines.
func (r *room) notices(id uint64, shown []group.Shown) (out []Event) {
	gid := r.gid.String()
	for _, s := range shown {
		switch s.Kind {
		case group.ShowRequest:
			out = append(out, Event{ID: id, Kind: "request", GroupID: gid, Data: aboutPeer(s.Author)})
		case group.ShowDelivered:
			out = append(out, Event{ID: id, Kind: "delivered", GroupID: gid, Data: aboutPeer(s.Author)})
		case group.ShowAlarm, group.ShowCopied:
			out = append(out, Event{ID: id, Kind: "alarm", GroupID: gid, Data: aboutPeer(s.Author)})
		}
	}
	if len(shown) > 0 {
		out = append(out, Event{ID: id, Kind: "group", GroupID: gid})
	}
	return out
}
