package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"conclave/keys"
)

// Keybag holds the secrets of a home: room keys, the private halves of bundles,
// and one data key per group, under which the group's records are sealed in the
// DB. It alone says which keys are held.
//
// They lie in one small file which every Update replaces as a whole under a
// fresh key, and not in the database, since a log-structured store keeps deleted
// values in old tables. Reading takes no lock and sees whole updates.
type Keybag struct {
	home   *Home
	master keys.Secret

	mu    sync.Mutex // held by Update
	state atomic.Pointer[bagState]
}

// BundleKey is the private half of a bundle.
type BundleKey struct {
	Seed    keys.Secret
	Created time.Time // to the millisecond
}

// bagState is what a keybag holds. Once stored in a Keybag it does not change.
type bagState struct {
	bundles map[keys.Hash]BundleKey
	groups  map[keys.Hash]*bagGroup
}

// bagGroup is what is held of one group. data is zero where there is no data
// key; erased eids stay for ever.
type bagGroup struct {
	data   keys.Secret
	rooms  map[keys.Hash]keys.Secret
	erased map[keys.Hash]struct{}
}

// OpenKeybag reads the keybag of a home, making an empty one in a new home.
// Errors: ErrDamaged, also where the file is missing although there is a
// database; ErrNewerFormat; ErrUnsafeHome; ErrDiskFull.
func OpenKeybag(h *Home) (*Keybag, error) {
	master, err := ensureMaster(h.dir)
	if err != nil {
		return nil, err
	}
	b := &Keybag{home: h, master: master}
	state, err := b.read()
	if errors.Is(err, fs.ErrNotExist) {
		state, err = b.start()
	}
	if err != nil {
		return nil, err
	}
	b.state.Store(state)
	return b, nil
}

func (b *Keybag) read() (*bagState, error) {
	path := filepath.Join(b.home.dir, keybagFile)
	file, err := readFile(path, maxKeybag)
	if err != nil {
		return nil, err
	}
	state, err := openKeybag(b.master, file)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, path)
	}
	return state, nil
}

// start writes the first keybag of a home.
func (b *Keybag) start() (*bagState, error) {
	if err := refuseOrphans(b.home.dir, keybagFile, databaseDir); err != nil {
		return nil, err
	}
	state := &bagState{bundles: map[keys.Hash]BundleKey{}, groups: map[keys.Hash]*bagGroup{}}
	return state, b.write(state)
}

// Format writes "keybag" whatever the verb: fmt would find the secrets.
func (*Keybag) Format(f fmt.State, _ rune) { io.WriteString(f, "keybag") }

// write replaces the file.
func (b *Keybag) write(s *bagState) error {
	file, err := sealKeybag(b.master, s)
	if err != nil {
		return err
	}
	return b.home.replaceFile(keybagFile, file)
}

// Update lets change make several changes and writes them in one rewrite: after
// a crash all of them are there or none, and when Update returns nil they are
// durable. If change returns an error nothing changes and Update returns it. If
// the write fails the Keybag stays as it was, though the file may have changed.
// change must not call Update. Errors: ErrDiskFull, keys.ErrRandom, those of the
// file system.
func (b *Keybag) Update(change func(*Tx) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	tx := newTx(b.state.Load())
	if err := change(tx); err != nil {
		return err
	}
	if !tx.changed {
		return nil
	}
	var old *os.File
	if tx.erased {
		old = b.openOld()
	}
	if err := b.write(&tx.next); err != nil {
		return errors.Join(err, closeOld(old))
	}
	b.state.Store(&tx.next)
	wipe(old)
	return nil
}

// openOld opens the file that is about to be replaced.
func (b *Keybag) openOld() *os.File {
	f, err := openPrivate(filepath.Join(b.home.dir, keybagFile), os.O_WRONLY)
	if err != nil {
		return nil
	}
	return f
}

func closeOld(f *os.File) error {
	if f == nil {
		return nil
	}
	return f.Close()
}

// wipe overwrites the wrapped key of a keybag file that has no name any more.
// Where a disk writes in place, the erased keys then cannot be had from its free
// blocks together with the master key. It is best effort on every disk: what was
// promised is durable already.
func wipe(f *os.File) {
	if f == nil {
		return
	}
	f.WriteAt(make([]byte, headerSize), 0)
	f.Sync()
	f.Close()
}

// RoomKey returns the room key of an epoch, if it is held.
func (b *Keybag) RoomKey(gid, eid keys.Hash) (keys.Secret, bool) {
	k, ok := b.group(gid).rooms[eid]
	return k, ok
}

// RoomKeys yields the epochs of a group whose keys are held, in no order.
func (b *Keybag) RoomKeys(gid keys.Hash) iter.Seq2[keys.Hash, keys.Secret] {
	return maps.All(b.group(gid).rooms)
}

// Erased reports whether the key of this epoch was erased for good.
func (b *Keybag) Erased(gid, eid keys.Hash) bool {
	_, ok := b.group(gid).erased[eid]
	return ok
}

// ErasedEpochs yields the epochs of a group whose keys were erased, in no order.
func (b *Keybag) ErasedEpochs(gid keys.Hash) iter.Seq[keys.Hash] {
	return maps.Keys(b.group(gid).erased)
}

// Groups returns the groups that have a data key, in the order of their IDs.
func (b *Keybag) Groups() []keys.Hash {
	var gids []keys.Hash
	for gid, g := range b.state.Load().groups {
		if !g.data.IsZero() {
			gids = append(gids, gid)
		}
	}
	slices.SortFunc(gids, keys.Hash.Compare)
	return gids
}

// Bundle returns the private half of the bundle with this hash, if it is held.
func (b *Keybag) Bundle(hash keys.Hash) (BundleKey, bool) {
	k, ok := b.state.Load().bundles[hash]
	return k, ok
}

// Bundles yields the bundles whose private halves are held, in no order.
func (b *Keybag) Bundles() iter.Seq2[keys.Hash, BundleKey] {
	return maps.All(b.state.Load().bundles)
}

// DataKey returns the data key of a group, making it on demand. The node's own
// records have one too, under the zero gid. Errors: those of Update.
func (b *Keybag) DataKey(gid keys.Hash) (keys.Secret, error) {
	if k := b.group(gid).data; !k.IsZero() {
		return k, nil
	}
	var k keys.Secret
	err := b.Update(func(tx *Tx) (err error) {
		k, err = tx.DataKey(gid)
		return err
	})
	if err != nil {
		return keys.Secret{}, err
	}
	return k, nil
}

func (b *Keybag) group(gid keys.Hash) *bagGroup {
	if g := b.state.Load().groups[gid]; g != nil {
		return g
	}
	return &bagGroup{}
}
