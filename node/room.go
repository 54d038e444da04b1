package node

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
)

const (
	jobBytes    = 32 << 20 // of records from the topic that wait for the loop; beyond, they are left to catch-up
	jobBacklog  = 8192     // records that wait for the loop before new ones are left to catch-up
	turnJobs    = 256      // jobs that one atomic write may join
	joinedSends = 256      // items of waiting sends that leave as one message

	fullRetry = 5 * time.Second // between two tries while the disk is full
)

// room is one group at this node. Its loop owns the Machine and is the only one
// to touch it; everyone else posts jobs.
type room struct {
	n      *Node
	gid    keys.Hash
	direct *[2]keys.PeerID
	disk   *disk
	jobs   chan job
	queued atomic.Int64 // bytes of records from the topic among the jobs
	late   *late
	out    *outlet
	syncer *syncer
	beacon *beacon
	topic  *mesh.Topic

	farewells *lru.Cache[keys.PeerID, farewell]

	roster   atomic.Pointer[roster]   // what the validator reads
	progress atomic.Pointer[Progress] // of a catch-up that takes more than a moment
	applied  sync.Map                 // group.Short of every applied control entry
	tops     sync.Map                 // logKey to the newest seq held

	compared atomic.Bool   // the start is over: this node may sign
	signing  chan struct{} // closed with it

	ended chan struct{} // closed when the group is forgotten
	end   context.CancelFunc
	tasks sync.WaitGroup // all that runs until then

	reading atomic.Pointer[reading] // how far this person has read; the loop moves it

	keep      atomic.Int64 // ms that messages are kept, 0: for ever
	retaining sync.Mutex   // held while old ones are erased

	m       *group.Machine // Only the loop touches what follows.
	wake    *time.Timer
	failed  error // of the disk: the Machine is ahead of it
	full    bool  // the disk was, when something was written last
	behind  bool  // the Machine was put back, and does not know who is online
	waiters map[keys.ItemID][]chan group.SentItem
	journal journal
	used    usedKeys
	parked  []group.OutItem // of the backup that this home is from
	kept    kept            // requests to join, for those who may approve
	holes   map[hole]uint64 // in logs, that retention made: where each begins
}

// roster is who may speak on the topic, as the validator sees it.
type roster struct {
	members  map[keys.PeerID]bool
	admitted map[keys.PeerID]bool    // members and former members
	budgets  map[keys.PeerID]*budget // of members
}

// job is one thing for the loop: events to step, then a look at the Machine.
// Exactly one answer is sent where done is set.
type job struct {
	events []group.Event
	bytes  int64 // of a record from the topic
	look   func(*group.Machine)
	once   *once
	wait   chan group.SentItem // hears of the items of a Send that is held
	done   chan outcome        // has room for the answer
	taken  *atomic.Bool        // set by the loop that looks, or by the asker that gives up
}

// lookAt runs the job's look, unless its asker has given up: what a look writes
// to is read as soon as the asker returns.
func (j job) lookAt(m *group.Machine) {
	if j.look != nil && j.taken.CompareAndSwap(false, true) {
		j.look(m)
	}
}

// outcome is what became of a job's events, after everything was made durable.
type outcome struct {
	ready []group.Ready
	err   error
}

func (n *Node) openRoom(gid keys.Hash, direct *[2]keys.PeerID) (*room, error) {
	d, err := n.openDisk(gid)
	if err != nil {
		return nil, err
	}
	r := &room{n: n, gid: gid, direct: direct, disk: d, jobs: make(chan job, jobBacklog), late: newLate(), waiters: map[keys.ItemID][]chan group.SentItem{}, signing: make(chan struct{}), ended: make(chan struct{})}
	r.out, r.syncer = newOutlet(r), newSyncer(r)
	if r.beacon, err = newBeacon(r); err != nil {
		return nil, err
	}
	if r.farewells, err = lru.New[keys.PeerID, farewell](quotaFarewells); err != nil {
		return nil, err
	}
	if err := r.reload(n.bundle); err != nil {
		return nil, err
	}
	if r.journal, err = d.loadJournal(); err != nil {
		return nil, err
	}
	n.bus.begin(r.journal.last + 1)
	if r.used, err = d.loadOnce(); err != nil {
		return nil, err
	}
	return r, errors.Join(r.loadParked(), r.loadRetention(), r.loadKept(), r.loadRead())
}

// reload puts the Machine where the disk left it.
func (r *room) reload(bundle keys.Bundle) error {
	stored, err := r.disk.load()
	if err != nil {
		return err
	}
	r.m = group.New(group.Config{GID: r.gid, Self: r.n.self, Direct: r.direct, Bundle: bundle, Careful: !r.compared.Load()}, stored)
	for _, e := range stored.Entries {
		r.applied.Store(group.Short(e.Hash[:16]), true)
	}
	for _, s := range stored.Messages {
		r.noteTop(s)
	}
	r.swapRoster(r.m.Members())
	return nil
}

// start takes part in the group's topic and runs the loop until the node ends.
func (n *Node) start(r *room) (err error) {
	if r.topic, err = n.net.Join(mesh.TopicPrefix+group.Topic(r.gid).String(), r.others(), r.validate); err != nil {
		return err
	}
	known := r.others()
	if len(known) == 0 && r.disk.lost {
		known = n.book.everyone() // one of them may be a member
	}
	for _, p := range known {
		n.book.keep(p)
	}
	r.wake = time.NewTimer(time.Millisecond)
	ctx, end := context.WithCancel(n.ctx)
	r.end = end
	for _, run := range []func(context.Context){r.loop, r.beginSigning, r.out.run, r.syncer.run, r.syncer.watchMesh, r.beacon.run} {
		r.tasks.Add(1)
		n.wg.Go(func() {
			defer r.tasks.Done()
			run(ctx)
		})
	}
	for _, p := range n.net.Connected() {
		r.post(group.Online{Peer: p, Up: true})
	}
	r.syncer.kick() // with those; whoever comes later kicks again
	return nil
}

// compareWait is how long a start waits for a member to compare heights with.
const compareWait = 2 * time.Second

// beginSigning lets the room sign once its heights were compared with a
// member's, or nobody could be reached: a home that was rolled back must not
// use a number twice.
func (r *room) beginSigning(ctx context.Context) {
	if len(r.others()) > 0 {
		select {
		case <-r.syncer.pulled:
		case <-time.After(compareWait):
		case <-ctx.Done():
			return
		}
	}
	r.compared.Store(true)
	r.ask(ctx, job{events: []group.Event{group.Compared{}}})
	close(r.signing)
}

// act is do for what this person wants: it waits for the start to be over.
func (r *room) act(ctx context.Context, ev group.Event) ([]group.Ready, error) {
	select {
	case <-r.signing:
		return r.do(ctx, ev)
	case <-ctx.Done():
		return nil, waitError(ctx)
	case <-r.n.ctx.Done():
		return nil, errStopping
	case <-r.ended:
		return nil, unknownGroup(r.gid.String())
	}
}

// loop runs the room. Everything that waits when a turn begins shares its one
// atomic write. What came faster than its author may waits for a moment without
// jobs.
func (r *room) loop(ctx context.Context) {
	defer r.wake.Stop()
	for {
		tooFast := r.late.more
		if len(r.jobs) > 0 {
			tooFast = nil
		}
		select {
		case j := <-r.jobs:
			r.turn(r.gather(j))
		case <-r.wake.C:
			r.turn(r.onWake())
		case <-tooFast:
			r.onLate()
		case <-ctx.Done():
			return
		}
	}
}

// onWake is what happens when a planned moment has come.
func (r *room) onWake() (js []job) {
	if r.behind {
		r.behind = false
		for _, p := range r.n.net.Connected() {
			js = append(js, job{events: []group.Event{group.Online{Peer: p, Up: true}}})
		}
	}
	return append(js, job{events: []group.Event{group.Tick{}}})
}

func (r *room) gather(first job) []job {
	js := []job{first}
	r.queued.Add(-first.bytes)
	for len(js) < turnJobs {
		select {
		case j := <-r.jobs:
			r.queued.Add(-j.bytes)
			js = append(js, j)
		default:
			return js
		}
	}
	return js
}

// post gives the loop events without waiting; where the backlog is full they
// are left to catch-up, and it reports false.
func (r *room) post(evs ...group.Event) bool { return r.enqueue(job{events: evs}) }

// postRecord is post for a record from the topic, of which only so many bytes
// wait at a time.
func (r *room) postRecord(v group.Verified) bool {
	return r.enqueue(job{events: []group.Event{group.Received{Record: v}}, bytes: int64(len(v.Payload))})
}

func (r *room) enqueue(j job) bool {
	if r.queued.Add(j.bytes) <= jobBytes {
		select {
		case r.jobs <- j:
			return true
		default:
		}
	}
	r.queued.Add(-j.bytes)
	r.n.counts.backlog.Add(uint64(len(j.events)))
	r.syncer.kick()
	return false
}

// do steps events and returns when they are durable, with what each asked for.
func (r *room) do(ctx context.Context, evs ...group.Event) ([]group.Ready, error) {
	return r.ask(ctx, job{events: evs})
}

// look reads the Machine on its own goroutine, after all that was posted before.
func (r *room) look(ctx context.Context, f func(*group.Machine)) error {
	_, err := r.ask(ctx, job{look: f})
	return err
}

func (r *room) ask(ctx context.Context, j job) ([]group.Ready, error) {
	j.done, j.taken = make(chan outcome, 1), new(atomic.Bool)
	select {
	case r.jobs <- j:
	case <-ctx.Done():
		return nil, waitError(ctx)
	case <-r.n.ctx.Done():
		return nil, errStopping
	case <-r.ended:
		return nil, unknownGroup(r.gid.String())
	}
	var gone error
	select {
	case o := <-j.done:
		return o.ready, o.err
	case <-ctx.Done():
		gone = waitError(ctx)
	case <-r.n.ctx.Done():
		gone = errStopping
	case <-r.ended:
		gone = unknownGroup(r.gid.String())
	}
	if j.look != nil && !j.taken.CompareAndSwap(false, true) {
		<-j.done // the loop is looking
	}
	return nil, gone
}
