package node

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"conclave/group"
	"conclave/keys"
	"conclave/node/store"
)

// Keys of a group's space. Authors are 64 hex digits, numbers and the first
// half of a hash 16 and 32.
//
//	/c/<author>/<lane>/<seq>/<hash>        control entry: ord, payload
//	/m/<author>/<lane>/<seq>/<hash>        message: ord, flags, payload
//	/o/<ord>/m/<author>/<lane>/<seq>/<hash>             display order of messages
//	/o/<shown>/n<ord>/<author>/<lane>/<seq>/<hash>      and of events: after them
//	/q/<n>                                 outbox
//	/b/<n>                                 outbox of the backup that this home is from
//	/p/<hash>                              record that waits for what it cites: flags, payload
//	/h/<member>                            what that member holds of this node's messages
//	/l/<kind>/<author>                     newest bundle or report
//	/x/<author>/<lane>/<seq>/<kind>        alarm: when, and the two records
//	/o/<shown>/x/<author>/<lane>/<seq>/<kind>           where people see it
//	/lost                                  lane of the time when records were lost
//	/j/<number>                            journal: in which order they were shown here
//	/keep, /purge, /r, /f                  of retention: see there
//	/k, /a                                 requests kept for others: see there
//	/read                                  how far this person has read: see there
//	/local                                 what this node alone decided
const localKey = "/local"

// disk is one group's part of the store and of the keybag.
type disk struct {
	gid   keys.Hash
	bag   *store.Keybag
	db    *store.DB
	space *store.Space

	me      keys.PeerID
	damaged bool     // load met a record that cannot be read
	lanes   []uint64 // of this node's own records among those
	lost    bool     // records were lost in a repair; members may have them
}

func (n *Node) openDisk(gid keys.Hash) (*disk, error) {
	key, err := n.bag.DataKey(gid)
	if err != nil {
		return nil, err
	}
	space, err := n.db.Space("/g/"+gid.String(), key)
	if err != nil {
		return nil, err
	}
	return &disk{gid: gid, bag: n.bag, db: n.db, space: space, me: n.me}, nil
}

func recordKey(kind string, author keys.PeerID, lane, seq uint64, h keys.Hash) string {
	return "/" + kind + placeKey(author, lane, seq, h)
}

// placeKey is how the keys of records end.
func placeKey(author keys.PeerID, lane, seq uint64, h keys.Hash) string {
	return "/" + hex.EncodeToString(author[:]) + "/" + store.Num(lane) + "/" + store.Num(seq) + "/" + hex.EncodeToString(h[:16])
}

// messageOrder is the place of a message in the display order, the same at every
// member.
func messageOrder(s group.StoredMessage) string {
	return "/o/" + store.Num(s.Ord) + "/m" + placeKey(s.Author, s.Lane, s.Seq, s.Hash)
}

// entryOrder is where people see a control entry: after the messages that this
// node held by then.
func entryOrder(s group.StoredEntry) string {
	return "/o/" + store.Num(s.Shown) + "/n" + store.Num(s.Ord) + placeKey(s.Author, s.Lane, s.Seq, s.Hash)
}

// recordOf turns a key of the display order into that of the record, and says
// whether it is a message. It is empty for what is no such key.
func recordOf(order string) (key string, message bool) {
	p := strings.Split(order, "/") // "", o, ord, kind, author, lane, seq, hash
	if len(p) != 8 || p[3] == "" {
		return "", false
	}
	switch p[3] {
	case "m":
		return "/m/" + strings.Join(p[4:], "/"), true
	case "x":
		return "/x/" + strings.Join(p[4:], "/"), false
	}
	return "/c/" + strings.Join(p[4:], "/"), false
}

// save makes room keys durable, then the rest in one atomic write, with what more
// adds to it. A key whose entry is lost in between is dropped at the next start.
func (d *disk) save(ks []group.KeyWrite, batches []*group.Batch, more func(*store.Batch)) error {
	if len(ks) > 0 {
		err := d.bag.Update(func(tx *store.Tx) error {
			for _, k := range ks {
				if err := tx.PutRoomKey(d.gid, k.EID, k.Key); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		point("keys-saved")
	}
	var b store.Batch
	for _, from := range batches {
		d.put(&b, from)
		d.putAlarms(&b, from.Alarms, batches)
	}
	more(&b)
	return d.db.Commit(&b)
}

func (d *disk) put(b *store.Batch, from *group.Batch) {
	for _, e := range from.Entries {
		d.space.Put(b, recordKey("c", e.Author, e.Lane, e.Seq, e.Hash), append(binary.BigEndian.AppendUint64(nil, e.Ord), e.Payload...))
		d.space.Put(b, entryOrder(e), nil)
	}
	for _, m := range from.Messages {
		d.space.Put(b, recordKey("m", m.Author, m.Lane, m.Seq, m.Hash), slices.Concat(binary.BigEndian.AppendUint64(nil, m.Ord), []byte{flagsOf(m.SigSkipped)}, m.Payload))
		d.space.Put(b, messageOrder(m), nil)
	}
	for _, o := range from.OutPut {
		d.space.Put(b, "/q/"+store.Num(o.N), keys.Marshal(o))
	}
	for _, n := range from.OutDel {
		d.space.Delete(b, "/q/"+store.Num(n))
	}
	for _, v := range from.Latest {
		a := v.Author()
		d.space.Put(b, fmt.Sprintf("/l/%02x/%x", byte(v.Kind()), a[:]), v.Payload)
	}
	for _, h := range from.Holds {
		d.space.Put(b, fmt.Sprintf("/h/%x", h.Peer[:]), keys.Marshal(h))
	}
	for _, w := range from.Wait {
		d.space.Put(b, waitingKey(w.Hash), append([]byte{flagsOf(w.SigSkipped)}, w.Payload...))
	}
	for _, h := range from.Waited {
		d.space.Delete(b, waitingKey(h))
	}
	if from.Local != nil {
		d.space.Put(b, localKey, keys.Marshal(from.Local))
	}
}

func waitingKey(h keys.Hash) string { return fmt.Sprintf("/p/%x", h[:16]) }

func flagsOf(sigSkipped bool) byte {
	if sigSkipped {
		return 1
	}
	return 0
}

// load reads everything that a Machine starts from. A damaged record is left
// out: the others bring it again.
func (d *disk) load() (group.Stored, error) {
	s := group.Stored{Keys: map[keys.Hash]keys.Secret{}}
	d.damaged, d.lanes = false, nil
	for eid, k := range d.bag.RoomKeys(d.gid) {
		s.Keys[eid] = k
	}
	s.Erased = slices.Collect(d.bag.ErasedEpochs(d.gid))
	err := d.eachNoting("/c", d.noteDamage, func(_ string, v []byte) error {
		e, err := d.decode(v, 8)
		if err == nil && e.Entry() != nil {
			s.Entries = append(s.Entries, e)
		}
		return nil
	})
	if err != nil {
		return s, err
	}
	if err := d.eachNoting("/m", d.noteDamage, func(key string, v []byte) error {
		if m, ok := storedMessage(d.gid, v); ok {
			s.Messages = append(s.Messages, m.Bare())
		}
		return nil
	}); err != nil {
		return s, err
	}
	if err := d.loadSmall(&s); err != nil {
		return s, err
	}
	s.Damaged = d.lanes
	if err := d.loadLost(&s); err != nil {
		return s, err
	}
	return s, d.dropOrphans(&s)
}

func (d *disk) loadSmall(s *group.Stored) error {
	err := d.eachNoting("/q", d.noteDamage, func(_ string, v []byte) error {
		var o group.OutItem
		if keys.Unmarshal(v, &o) == nil {
			s.Outbox = append(s.Outbox, o)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := d.eachNoting("/l", d.noteDamage, func(_ string, v []byte) error {
		if r, err := group.DecodeOwn(d.gid, v); err == nil {
			s.Latest = append(s.Latest, r)
		}
		return nil
	}); err != nil {
		return err
	}
	if err := d.eachNoting("/p", d.noteDamage, func(_ string, v []byte) error {
		if r, err := d.decode(v, 1); err == nil {
			s.Waiting = append(s.Waiting, group.Waiting{Hash: r.Hash, Payload: v[1:], SigSkipped: v[0] == 1})
		}
		return nil
	}); err != nil {
		return err
	}
	if err := d.eachNoting("/h", d.noteDamage, func(_ string, v []byte) error {
		var h group.Holds
		if keys.Unmarshal(v, &h) == nil {
			s.Holds = append(s.Holds, h)
		}
		return nil
	}); err != nil {
		return err
	}
	if s.Alarms, err = d.placesOfAlarms(); err != nil {
		return err
	}
	s.Local, err = d.local()
	return err
}

// local reads what this node alone decided, nil if that is nothing.
func (d *disk) local() (*group.Local, error) {
	v, err := d.space.Get(localKey)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	l := new(group.Local)
	return l, keys.Unmarshal(v, l)
}

// dropOrphans drops room keys whose EPOCH was never stored: the process ended
// between the two writes, and nothing was sealed under them. Where a record is
// damaged or was lost it may be that EPOCH, and all keys are kept.
func (d *disk) dropOrphans(s *group.Stored) error {
	known := map[keys.Hash]bool{}
	for _, e := range s.Entries {
		known[e.Hash] = true
	}
	var gone []keys.Hash
	for eid := range s.Keys {
		if !known[eid] && !d.damaged && !d.lost {
			gone = append(gone, eid)
			delete(s.Keys, eid)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	err := d.bag.Update(func(tx *store.Tx) error {
		for _, eid := range gone {
			tx.DropRoomKey(d.gid, eid)
		}
		return nil
	})
	if errors.Is(err, store.ErrDiskFull) {
		return nil // they do no harm until the next start
	}
	return err
}

// each calls f for every whole record under prefix.
func (d *disk) each(prefix string, f func(key string, v []byte) error) error {
	return d.eachNoting(prefix, func(string) {}, f)
}

// eachNoting is each, and calls damaged for every other record.
func (d *disk) eachNoting(prefix string, damaged func(key string), f func(key string, v []byte) error) error {
	for rec, err := range d.space.Scan(store.Query{Prefix: prefix}) {
		if errors.Is(err, store.ErrCorrupt) && rec.Key != "" {
			damaged(rec.Key)
			continue
		}
		if err != nil {
			return err
		}
		if err := f(rec.Key, rec.Value); err != nil {
			return err
		}
	}
	return nil
}

// noteDamage remembers that a record cannot be read. One of this node's own used
// up a number, whatever it said.
func (d *disk) noteDamage(key string) {
	d.damaged = true
	p := strings.Split(key, "/") // "", kind, author, lane, seq, hash
	if len(p) != 6 || p[1] != "c" && p[1] != "m" || p[2] != fmt.Sprintf("%x", d.me[:]) {
		return
	}
	if lane, err := strconv.ParseUint(p[3], 16, 64); err == nil && !slices.Contains(d.lanes, lane) {
		d.lanes = append(d.lanes, lane)
	}
}

func (d *disk) decode(v []byte, head int) (group.Verified, error) {
	if len(v) < head {
		return group.Verified{}, group.ErrEncoding
	}
	return group.DecodeOwn(d.gid, v[head:])
}

func storedMessage(gid keys.Hash, v []byte) (group.StoredMessage, bool) {
	if len(v) < 9 {
		return group.StoredMessage{}, false
	}
	s, err := group.ReadMessage(gid, v[9:], binary.BigEndian.Uint64(v), v[8] == 1)
	return s, err == nil
}

// message reads one message record.
func (d *disk) message(ref group.MessageRef) (group.StoredMessage, error) {
	v, err := d.space.Get(recordKey("m", ref.Author, ref.Lane, ref.Seq, ref.Hash))
	if err != nil {
		return group.StoredMessage{}, err
	}
	m, ok := storedMessage(d.gid, v)
	if !ok {
		return m, store.ErrCorrupt
	}
	return m, nil
}
