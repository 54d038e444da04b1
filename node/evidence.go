package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"conclave/group"
	"conclave/keys"
	"conclave/node/store"
)

// Alarms are kept apart from the log, each with both records, so that the proof
// outlives retention, cuts and restarts.
const alarmPrefix = "/x/"

// place is where somebody signed twice.
type place struct {
	author    keys.PeerID
	lane, seq uint64
	kind      group.Kind // 0 in a home of before there were kinds
}

func placeOf(x group.Alarm) place { return place{x.Author, x.Lane, x.Seq, x.Kind} }

func (p place) String() string {
	return fmt.Sprintf("%x/%s/%s/%02x", p.author[:], store.Num(p.lane), store.Num(p.seq), byte(p.kind))
}

// alarm is one of them, as it is on disk.
type alarm struct {
	place
	found uint64    // Unix milliseconds; 0 where that is not known
	proof [2][]byte // payloads; none where one of them was not kept
}

// alarmRecord is its value.
type alarmRecord struct {
	_             struct{} `cbor:",toarray"`
	Found         uint64
	First, Second []byte
}

// alarmOrder is where people see an alarm: after what this node held by then.
func alarmOrder(x group.Alarm) string {
	return fmt.Sprintf("/o/%s/x/%s", store.Num(x.Shown), placeOf(x))
}

func parsePlace(key string) (p place, ok bool) {
	parts := strings.Split(strings.TrimPrefix(key, alarmPrefix), "/") // author, lane, seq, kind
	if len(parts) != 3 && len(parts) != 4 {
		return p, false
	}
	author, err := hex.DecodeString(parts[0])
	if err != nil || len(author) != len(p.author) {
		return p, false
	}
	p.author = keys.PeerID(author)
	var errs [3]error
	p.lane, errs[0] = strconv.ParseUint(parts[1], 16, 64)
	p.seq, errs[1] = strconv.ParseUint(parts[2], 16, 64)
	if len(parts) == 4 {
		var kind uint64
		kind, errs[2] = strconv.ParseUint(parts[3], 16, 8)
		p.kind = group.Kind(kind)
	}
	return p, errors.Join(errs[:]...) == nil
}

// putAlarms adds alarms of a turn to its one write. A message that was held
// first lies on disk, or among the turn's own batches.
func (d *disk) putAlarms(b *store.Batch, found []group.Alarm, turn []*group.Batch) {
	for _, x := range found {
		first := x.First
		if x.Kind == group.KindMessage {
			first = d.heldMessage(x, turn)
		}
		d.space.Put(b, alarmPrefix+placeOf(x).String(), keys.Marshal(alarmRecord{Found: x.Time, First: first, Second: x.Record}))
		d.space.Put(b, alarmOrder(x), nil)
	}
}

func (d *disk) heldMessage(x group.Alarm, turn []*group.Batch) []byte {
	for _, from := range turn {
		for _, s := range from.Messages {
			if s.Hash == x.Held {
				return s.Payload
			}
		}
	}
	s, err := d.message(group.MessageRef{Author: x.Author, Lane: x.Lane, Seq: x.Seq, Hash: x.Held})
	if err != nil {
		return nil // damaged here: the alarm stands without its proof
	}
	return s.Payload
}

// placesOfAlarms is what a Machine needs to know of alarms: which there were.
func (d *disk) placesOfAlarms() (out []group.Alarm, err error) {
	all, err := d.alarms(true)
	for _, a := range all {
		out = append(out, group.Alarm{Author: a.author, Kind: a.kind, Lane: a.lane, Seq: a.seq})
	}
	return out, err
}

// alarms reads all alarms, or only where they are.
func (d *disk) alarms(placesOnly bool) (out []alarm, err error) {
	for rec, err := range d.space.Scan(store.Query{Prefix: strings.TrimSuffix(alarmPrefix, "/"), KeysOnly: placesOnly}) {
		if err != nil && rec.Key == "" {
			return nil, err
		}
		p, ok := parsePlace(rec.Key)
		if !ok {
			continue
		}
		out = append(out, readAlarm(p, rec.Value))
	}
	return out, nil
}

func readAlarm(p place, v []byte) alarm {
	a := alarm{place: p}
	var rec alarmRecord
	if keys.Unmarshal(v, &rec) == nil {
		a.found = rec.Found
		if len(rec.First) > 0 && len(rec.Second) > 0 {
			a.proof = [2][]byte{rec.First, rec.Second}
		}
	}
	return a
}

// fork is the alarm's proof, false where there is none that others can check.
func (d *disk) fork(a alarm) (group.Fork, bool) {
	f, err := group.VerifyFork(d.gid, d.signed(a.proof[0]), d.signed(a.proof[1]))
	return f, err == nil
}

// signed is a record with what its signature rests on: where its own was spoilt on
// the way, those that follow it in its log here, up to a good one.
// (PROTOCOL.md, "Evidence")
func (d *disk) signed(payload []byte) [][]byte {
	out := [][]byte{payload}
	for len(out) <= maxBatchRecords {
		if _, err := group.Decode(d.gid, payload); err == nil {
			break
		}
		v, err := group.DecodeOwn(d.gid, payload)
		if err != nil || v.Msg() == nil {
			break
		}
		if payload = d.after(v); payload == nil {
			break
		}
		out = append(out, payload)
	}
	return out
}

// after returns the message that names v as the one before it, nil if none is here.
func (d *disk) after(v group.Verified) []byte {
	x := v.Msg()
	at := path.Dir(recordKey("m", x.Author, x.Lane, x.Seq+1, keys.Hash{}))
	for rec, err := range d.space.Scan(store.Query{Prefix: at}) {
		s, ok := storedMessage(d.gid, rec.Value)
		if err != nil || !ok {
			continue
		}
		if next, err := group.DecodeOwn(d.gid, s.Payload); err == nil && next.Msg().Prev == v.Hash {
			return s.Payload
		}
	}
	return nil
}

// alarmLine is the line of the log about an alarm.
func (r *room) alarmLine(ctx context.Context, order, key string) (lines []LogLine, err error) {
	p, ok := parsePlace(key)
	if !ok {
		return nil, nil
	}
	v, err := r.disk.space.Get(key)
	if err != nil && !errors.Is(err, store.ErrCorrupt) && !errors.Is(err, store.ErrNotFound) {
		return nil, diskError(err)
	}
	err = r.look(ctx, func(m *group.Machine) { lines = []LogLine{r.lineOfAlarm(m, order, readAlarm(p, v))} })
	return lines, err
}

// lineOfAlarm tells in the log who signed twice. Only called from the loop.
func (r *room) lineOfAlarm(m *group.Machine, order string, a alarm) LogLine {
	line := r.line("event", cursor(order, 0))
	line.Sender, line.Seq = ptr(a.author.String()), ptr(a.seq)
	if name := m.Name(a.author); name != "" {
		line.SenderName = &name
	}
	if a.found > 0 {
		line.Time = timeText(a.found)
	}
	line.Reason = ptr(person(m, a.author) + " " + a.says() + "; `conclave group show GROUP` says what to do")
	return line
}

// says is what somebody did, in words that follow the name.
func (p place) says() string {
	switch p.kind {
	case group.KindEntry:
		return fmt.Sprintf("signed two different changes of the group under number %d", p.seq)
	case group.KindMessage:
		return fmt.Sprintf("signed two different messages under number %d", p.seq)
	case group.KindChunk:
		return fmt.Sprintf("signed two different keys for one epoch, under number %d", p.seq)
	}
	return fmt.Sprintf("signed two different records under number %d", p.seq)
}

// logName names the log of a place for programs.
func (p place) logName() string {
	switch p.kind {
	case group.KindEntry:
		return "control"
	case group.KindMessage:
		return "messages"
	case group.KindChunk:
		return "keys"
	}
	return "unknown"
}

// advice is what this person can do about somebody who signed twice, "" where
// nothing is left to do. Only called from the loop.
func (r *room) advice(m *group.Machine, p keys.PeerID) string {
	me := r.n.me
	switch role := m.Role(p); {
	case p == me:
		return "your own identity signs elsewhere too: see whether a copy or an old backup of this home runs, and stop it"
	case m.Direct() != nil:
		return "compare with them in person what each of you reads; `conclave leave GROUP` ends the conversation here"
	case role == "none":
		return ""
	case role == "owner":
		return "nobody can remove an owner: `conclave group fork GROUP` begins a new group in the place of this one"
	case m.Owner() == me && role == "deputy":
		return "`conclave deputy remove GROUP " + p.Short() + "` ends what they may, `conclave kick GROUP " + p.Short() + "` their membership"
	case m.Owner() == me, role == "member" && m.Caps(me)&group.CapKick != 0:
		return "`conclave kick GROUP " + p.Short() + "` removes them"
	}
	return "ask the owner, ·" + m.Owner().Short() + ", to remove them: `conclave evidence export GROUP` is the proof"
}

// alarmed lists, for everyone of whom there is something left to do, where they
// signed twice. Only called from the loop.
func (r *room) alarmed(m *group.Machine, found []alarm) (who []keys.PeerID, at map[keys.PeerID][]alarm) {
	at = map[keys.PeerID][]alarm{}
	for _, a := range found {
		if at[a.author] == nil && r.advice(m, a.author) != "" {
			who = append(who, a.author)
		}
		at[a.author] = append(at[a.author], a)
	}
	slices.SortFunc(who, keys.PeerID.Compare)
	return who, at
}

// countAlarms counts those people in all groups that this person is in.
func (n *Node) countAlarms(ctx context.Context) (count int, err error) {
	for _, r := range n.allRooms() {
		found, err := r.disk.alarms(true)
		if err != nil {
			return 0, diskError(err)
		}
		if len(found) == 0 {
			continue
		}
		if err := r.look(ctx, func(m *group.Machine) {
			if m.IsMember(n.me) {
				who, _ := r.alarmed(m, found)
				count += len(who)
			}
		}); err != nil {
			return 0, err
		}
	}
	return count, nil
}

// checkAlarms adds a finding for each of those people. Only called from the loop.
func (r *room) checkAlarms(m *group.Machine, add func(check, state, says, hint string)) {
	found, err := r.disk.alarms(true)
	if err != nil {
		return // the disk has a finding of its own
	}
	who, at := r.alarmed(m, found)
	for _, p := range who {
		says := "·" + p.Short() + " " + at[p][0].says()
		if more := len(at[p]) - 1; more > 0 {
			says += fmt.Sprintf(", and did so %s more", times(more))
		}
		add("alarm", act, says, r.advice(m, p))
	}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
