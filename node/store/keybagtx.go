package store

import (
	"fmt"
	"maps"
	"time"

	"conclave/keys"
)

// Tx collects the changes of one Keybag.Update. It must not be kept.
type Tx struct {
	next    bagState
	copied  map[keys.Hash]bool // the groups that are our own copies already
	changed bool
	erased  bool // a secret goes
}

func newTx(s *bagState) *Tx {
	return &Tx{
		next:   bagState{bundles: maps.Clone(s.bundles), groups: maps.Clone(s.groups)},
		copied: map[keys.Hash]bool{},
	}
}

// group returns a group that may be changed.
func (tx *Tx) group(gid keys.Hash) *bagGroup {
	tx.changed = true
	g := tx.next.groups[gid]
	switch {
	case g == nil:
		g = &bagGroup{rooms: map[keys.Hash]keys.Secret{}, erased: map[keys.Hash]struct{}{}}
	case !tx.copied[gid]:
		g = &bagGroup{data: g.data, rooms: maps.Clone(g.rooms), erased: maps.Clone(g.erased)}
	}
	tx.copied[gid] = true
	tx.next.groups[gid] = g
	return g
}

// view returns a group for reading.
func (tx *Tx) view(gid keys.Hash) *bagGroup {
	if g := tx.next.groups[gid]; g != nil {
		return g
	}
	return &bagGroup{}
}

// PutRoomKey stores the room key of an epoch. To store it again changes nothing.
// Errors, both without effect: ErrErased if it was erased for good,
// ErrKeyChanged if another key is held.
func (tx *Tx) PutRoomKey(gid, eid keys.Hash, key keys.Secret) error {
	g := tx.view(gid)
	if _, gone := g.erased[eid]; gone {
		return fmt.Errorf("%w: epoch %s", ErrErased, eid.Short())
	}
	if old, held := g.rooms[eid]; held {
		if !old.Equal(key) {
			return fmt.Errorf("%w: epoch %s", ErrKeyChanged, eid.Short())
		}
		return nil
	}
	tx.group(gid).rooms[eid] = key
	return nil
}

// DropRoomKey removes a room key that may come back: one whose epoch was never
// stored, say.
func (tx *Tx) DropRoomKey(gid, eid keys.Hash) {
	if _, held := tx.view(gid).rooms[eid]; held {
		delete(tx.group(gid).rooms, eid)
		tx.erased = true
	}
}

// EraseRoomKey removes a room key, held or not, and remembers for ever that it
// was erased.
func (tx *Tx) EraseRoomKey(gid, eid keys.Hash) {
	if _, gone := tx.view(gid).erased[eid]; gone {
		return
	}
	g := tx.group(gid)
	delete(g.rooms, eid)
	g.erased[eid] = struct{}{}
	tx.erased = true
}

// DataKey returns the data key of a group, making it on demand. Errors:
// keys.ErrRandom.
func (tx *Tx) DataKey(gid keys.Hash) (keys.Secret, error) {
	if k := tx.view(gid).data; !k.IsZero() {
		return k, nil
	}
	k, err := keys.NewEntropy()
	if err != nil {
		return keys.Secret{}, err
	}
	tx.group(gid).data = k
	return k, nil
}

// DropGroup removes a group's room keys and its data key, and with that makes
// its records in the DB unreadable. Which epochs were erased stays remembered.
func (tx *Tx) DropGroup(gid keys.Hash) {
	if tx.next.groups[gid] == nil {
		return
	}
	tx.erased = true
	g := tx.group(gid)
	g.data, g.rooms = keys.Secret{}, map[keys.Hash]keys.Secret{}
	if len(g.erased) == 0 {
		delete(tx.next.groups, gid)
	}
}

// PutBundle stores the private half of the bundle with this hash, made at this
// time.
func (tx *Tx) PutBundle(hash keys.Hash, seed keys.Secret, created time.Time) {
	tx.changed = true
	tx.next.bundles[hash] = BundleKey{Seed: seed, Created: time.UnixMilli(created.UnixMilli())}
}

// EraseBundle removes the private half of a bundle.
func (tx *Tx) EraseBundle(hash keys.Hash) {
	if _, held := tx.next.bundles[hash]; held {
		delete(tx.next.bundles, hash)
		tx.changed, tx.erased = true, true
	}
}
