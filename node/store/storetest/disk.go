// Package storetest is for tests of the store and of what is built on it: a disk
// that fails, stalls, fills up or loses power when told to, and the contract
// that every disk beneath a store.DB must let it keep.
package storetest

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"conclave/node/store"
)

// Disk is a vfs.FS for store.Options that does as it is told. All methods are
// safe for concurrent use.
type Disk struct {
	vfs.FS // errorfs over under
	under  vfs.FS

	mu     sync.Mutex
	faults []*fault
	free   uint64 // 0: what the disk beneath says
	total  uint64
}

// fault is one thing that is going to happen.
type fault struct {
	match   Match
	left    int           // matching writes until it happens
	err     error         // what fails from then on; nil: a stall
	reached chan struct{} // closed when it happens
	release chan struct{} // ends the stall
}

// Match picks the writes that a fault counts.
type Match func(op errorfs.Op) bool

// AnyWrite matches whatever changes the disk: also what pebble does in the
// background, so that the n-th one differs between runs.
func AnyWrite(op errorfs.Op) bool {
	switch op.Kind {
	case errorfs.OpFilePreallocate, errorfs.OpFileClose, errorfs.OpLock, errorfs.OpMkdirAll:
		return false // their errors do no harm, or they do not occur in practice
	}
	return op.Kind.ReadOrWrite() == errorfs.OpIsWrite
}

// JournalSync matches what makes a Commit durable: one per Commit unless
// several run at once.
func JournalSync(op errorfs.Op) bool {
	sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData
	return sync && strings.HasSuffix(op.Path, ".log")
}

// TableWrite matches the writing of flushes and compactions.
func TableWrite(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".sst")
}

// HomeFile matches the steps of the replacement of a file of the home: "keybag",
// "settings". See Step.
func HomeFile(name string) Match {
	return func(op errorfs.Op) bool { return op.Path == name }
}

// NewDisk returns a disk over the files of under; nil stands for the operating
// system's, as the store uses them.
func NewDisk(under vfs.FS) *Disk {
	if under == nil {
		under = store.PrivateFS()
	}
	d := &Disk{under: under}
	d.FS = errorfs.Wrap(under, errorfs.InjectorFunc(d.inject))
	return d
}

// NewMemDisk returns an empty disk in memory, which can lose power.
func NewMemDisk() *Disk { return NewDisk(vfs.NewCrashableMem()) }

// PowerLoss returns a disk as it might be found after a power cut now: with all
// that was synced, and each block that was not with a chance of percent in a
// hundred. Only for a disk from NewMemDisk. The old disk is best left alone.
func (d *Disk) PowerLoss(percent int, rng *rand.Rand) *Disk {
	cfg := vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}
	return NewDisk(d.under.(*vfs.MemFS).CrashClone(cfg))
}

// FailAt makes the n-th matching write from now, 1 being the next, and all
// matching ones after it fail with err. The channel is closed when it happens.
func (d *Disk) FailAt(n int, err error, match Match) <-chan struct{} {
	return d.arm(&fault{match: match, left: n, err: err, reached: make(chan struct{})})
}

// StallAt makes the n-th matching write from now, 1 being the next, wait until
// release is called. The channel is closed when it begins to wait.
func (d *Disk) StallAt(n int, match Match) (stalled <-chan struct{}, release func()) {
	f := &fault{match: match, left: n, reached: make(chan struct{}), release: make(chan struct{})}
	return d.arm(f), sync.OnceFunc(func() { close(f.release) })
}

func (d *Disk) arm(f *fault) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = append(d.faults, f)
	return f.reached
}

// Heal takes back every fault that is not a stall under way.
func (d *Disk) Heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = nil
}

// SetSpace makes the disk say that so many bytes of total are free. It changes
// nothing else: writes do not fail.
func (d *Disk) SetSpace(free, total uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free, d.total = free, total
}

// Step is for store.Home's SetFault: the steps of a file's replacement count as
// writes to a path that is the file's bare name.
func (d *Disk) Step(step, name string) error {
	kinds := map[string]errorfs.OpKind{
		"write": errorfs.OpFileWrite, "rename": errorfs.OpRename, "syncdir": errorfs.OpFileSync,
	}
	return d.inject(errorfs.Op{Kind: kinds[step], Path: filepath.Base(name)})
}

// inject decides about one operation before it is done.
func (d *Disk) inject(op errorfs.Op) error {
	for _, f := range d.due(op) {
		if f.err != nil {
			return f.err
		}
		<-f.release
	}
	return nil
}

// due counts op and returns the faults that it meets.
func (d *Disk) due(op errorfs.Op) (due []*fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.faults {
		if !f.match(op) {
			continue
		}
		if f.left--; f.left == 0 {
			close(f.reached)
		}
		if f.left == 0 || f.left < 0 && f.err != nil {
			due = append(due, f)
		}
	}
	return due
}

// ReuseForWrite is here because errorfs lets the file through unwrapped.
func (d *Disk) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.ReuseForWrite(oldname, newname, c)
	if err != nil {
		return nil, err
	}
	return errorfs.WrapFile(f, errorfs.InjectorFunc(func(op errorfs.Op) error {
		op.Path = newname // WrapFile does not know it
		return d.inject(op)
	})), nil
}

// GetDiskUsage says what SetSpace said.
func (d *Disk) GetDiskUsage(path string) (vfs.DiskUsage, error) {
	d.mu.Lock()
	free, total := d.free, d.total
	d.mu.Unlock()
	if total == 0 {
		return d.under.GetDiskUsage(path)
	}
	return vfs.DiskUsage{AvailBytes: free, TotalBytes: total, UsedBytes: total - free}, nil
}
