package node

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/store"
)

// lostKey is the record of a group from which records were lost in a repair: the
// lane that this node wrote in then, in which it never signs again.
const lostKey = "/lost"

// Repaired answers `doctor --repair`.
type Repaired struct {
	State   string  `json:"state"`   // sound: nothing was done; repaired
	Records int     `json:"records"` // that could be read and were kept
	Aside   *string `json:"aside"`   // where the damaged database lies now
	Hint    string  `json:"hint,omitempty"`
}

// Repair puts what can be read of a damaged database into a new one. No node may
// run in the home. Identity and room keys lie in files of their own; what cannot
// be read any more the node asks of the members when it runs again, and it begins
// a new lane in every group, for a number that is lost must not be used twice.
func Repair(cfg Config) (Repaired, error) {
	home, err := store.OpenHome(cfg.Home)
	if err != nil {
		return Repaired{}, homeError(err)
	}
	defer home.Close()
	bag, err := store.OpenKeybag(home)
	if err != nil {
		return Repaired{}, homeError(err)
	}
	opts := cfg.disk.database
	if sound, err := isSound(home, bag, opts); err != nil || sound {
		return Repaired{State: "sound"}, homeError(err)
	}
	s, err := home.Salvage(opts)
	if err != nil {
		return Repaired{}, homeError(err)
	}
	db, err := store.Open(home.Database(), opts)
	if err != nil {
		return Repaired{}, homeError(err)
	}
	if err := errors.Join(markLost(db, bag, home.Identity().PeerID()), db.Close()); err != nil {
		return Repaired{}, homeError(err)
	}
	return Repaired{State: "repaired", Records: s.Records, Aside: &s.Aside, Hint: "run `conclave up`: members are asked for what is missing"}, nil
}

// isSound reports whether a node can start on the home: the database can be read
// throughout, and so can the records without which it does not start. Other
// records that are damaged it leaves out, and members bring them again.
func isSound(home *store.Home, bag *store.Keybag, opts store.Options) (bool, error) {
	if sound, err := home.Sound(opts); err != nil || !sound {
		return false, err
	}
	opts.ReadOnly = true
	db, err := store.Open(home.Database(), opts)
	if err != nil {
		return false, err
	}
	defer db.Close()
	for _, gid := range bag.Groups() {
		space, key, err := spaceOf(db, bag, gid)
		if err != nil {
			return false, err
		}
		if _, err := space.Get(key); errors.Is(err, store.ErrCorrupt) {
			return false, nil
		}
	}
	return true, nil
}

// spaceOf returns a group's space, or the node's own for the zero hash, and the
// key of the record there that has to be readable.
func spaceOf(db *store.DB, bag *store.Keybag, gid keys.Hash) (*store.Space, string, error) {
	prefix, must := "/g/"+gid.String(), localKey
	if gid == (keys.Hash{}) {
		prefix, must = "/n", directoryKey
	}
	key, err := bag.DataKey(gid)
	if err != nil {
		return nil, "", err
	}
	space, err := db.Space(prefix, key)
	return space, must, err
}

// markLost notes in every group that records may be missing, and writes the
// directory anew where it is lost: the keybag knows the groups.
func markLost(db *store.DB, bag *store.Keybag, me keys.PeerID) error {
	var b store.Batch
	groups := map[keys.Hash]groupRef{}
	for _, gid := range bag.Groups() {
		if gid == (keys.Hash{}) {
			continue
		}
		space, _, err := spaceOf(db, bag, gid)
		if err != nil {
			return err
		}
		d := &disk{gid: gid, bag: bag, db: db, space: space, me: me}
		if d.any() {
			groups[gid] = groupRef{Direct: d.pair()}
		} // else nobody can tell what it is until a member comes: see roomFor
		space.Put(&b, lostKey, []byte(store.Num(d.lastLane(&b))))
	}
	if err := keepDirectory(db, bag, &b, groups); err != nil {
		return err
	}
	return db.Commit(&b)
}

// lastLane is the lane in which this node wrote, as far as can be told. What this
// node alone decided is begun anew where it cannot be read.
func (d *disk) lastLane(b *store.Batch) uint64 {
	v, err := d.space.Get(localKey)
	var l group.Local
	if err != nil || keys.Unmarshal(v, &l) != nil {
		if errors.Is(err, store.ErrCorrupt) {
			d.space.Delete(b, localKey)
		}
		return 0
	}
	return l.Lane
}

// any reports whether a record is left.
func (d *disk) any() bool {
	for range d.space.Scan(store.Query{Limit: 1, KeysOnly: true}) {
		return true
	}
	return false
}

// pair returns the two people of a conversation, nil for a group: a
// conversation's ID follows from who they are.
func (d *disk) pair() (pair *[2]keys.PeerID) {
	for _, prefix := range []string{"/m", "/l"} {
		d.each(prefix, func(_ string, v []byte) error {
			for _, head := range []int{9, 0} {
				if r, err := d.decode(v, head); err == nil {
					if gid, p := group.DirectID(d.me, r.Author()); gid == d.gid {
						pair = &p
					}
				}
			}
			return nil
		})
	}
	return pair
}

func keepDirectory(db *store.DB, bag *store.Keybag, b *store.Batch, groups map[keys.Hash]groupRef) error {
	space, _, err := spaceOf(db, bag, keys.Hash{})
	if err != nil {
		return err
	}
	if v, err := space.Get(directoryKey); err == nil && json.Unmarshal(v, new(directory)) == nil {
		return nil
	}
	v, err := json.Marshal(directory{Groups: groups, Verified: map[keys.PeerID]time.Time{}})
	if err != nil {
		return err
	}
	space.Put(b, directoryKey, v)
	return nil
}

// loadLost reads whether records were lost from this group, and adds the lane
// that this node wrote in then to those in which it must not sign.
func (d *disk) loadLost(s *group.Stored) error {
	v, err := d.space.Get(lostKey)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil && !errors.Is(err, store.ErrCorrupt) {
		return err
	}
	d.lost = true
	lane, err := strconv.ParseUint(strings.TrimSpace(string(v)), 16, 64)
	if err == nil && !slices.Contains(s.Damaged, lane) {
		s.Damaged = append(s.Damaged, lane)
	}
	return nil
}
