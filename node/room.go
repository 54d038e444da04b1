package node

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
	"conclave/node/store"
)

const (
	jobBacklog  = 8192 // records that wait for the loop before new ones are left to catch-up
	turnJobs    = 256  // jobs that one atomic write may join
	joinedSends = 256  // items of waiting sends that leave as one message
)

// room is one group at this node. Its loop owns the Machine and is the only one
// to touch it; everyone else posts jobs.
type room struct {
	n      *Node
	gid    keys.Hash
	direct *[2]keys.PeerID
	disk   *disk
	jobs   chan job
	out    *outlet
	syncer *syncer
	topic  *mesh.Topic

	roster  atomic.Pointer[roster] // what the validator reads
	applied sync.Map               // group.Short of every applied control entry

	compared atomic.Bool   // the start is over: this node may sign
	signing  chan struct{} // closed with it

	m       *group.Machine // Only the loop touches what follows.
	wake    *time.Timer
	waiters map[keys.ItemID]chan group.SentItem
}

// roster is who may speak on the topic, as the validator sees it.
type roster struct {
	members  map[keys.PeerID]bool
	admitted map[keys.PeerID]bool // members and former members
}

// job is one thing for the loop: events to step, then a look at the Machine.
// Exactly one answer is sent where done is set.
type job struct {
	events []group.Event
	look   func(*group.Machine)
	wait   chan group.SentItem // hears of the items of a Send that is held
	done   chan outcome        // has room for the answer
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
	r := &room{n: n, gid: gid, direct: direct, disk: d, jobs: make(chan job, jobBacklog), waiters: map[keys.ItemID]chan group.SentItem{}, signing: make(chan struct{})}
	r.out, r.syncer = newOutlet(r), newSyncer(r)
	return r, r.reload()
}

// reload puts the Machine where the disk left it.
func (r *room) reload() error {
	stored, err := r.disk.load()
	if err != nil {
		return err
	}
	r.m = group.New(group.Config{GID: r.gid, Self: r.n.self, Direct: r.direct, Bundle: r.n.bundle, Careful: !r.compared.Load()}, stored)
	for _, e := range stored.Entries {
		r.applied.Store(group.Short(e.Hash[:16]), true)
	}
	r.swapRoster(r.m.Members())
	return nil
}

// start takes part in the group's topic and runs the loop until the node ends.
func (n *Node) start(r *room) (err error) {
	if r.topic, err = n.net.Join(mesh.TopicPrefix+r.gid.String(), r.others(), r.validate); err != nil {
		return err
	}
	for _, p := range r.others() {
		n.book.keep(p)
	}
	r.wake = time.NewTimer(time.Millisecond)
	n.wg.Go(func() { r.loop(n.ctx) })
	n.wg.Go(func() { r.beginSigning(n.ctx) })
	n.wg.Go(func() { r.out.run(n.ctx) })
	n.wg.Go(func() { r.syncer.run(n.ctx) })
	for _, p := range n.net.Connected() {
		r.post(group.Online{Peer: p, Up: true})
	}
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
	}
}

// loop runs the room. Everything that waits when a turn begins shares its one
// atomic write.
func (r *room) loop(ctx context.Context) {
	defer r.wake.Stop()
	for {
		select {
		case j := <-r.jobs:
			r.turn(r.gather(j))
		case <-r.wake.C:
			r.turn([]job{{events: []group.Event{group.Tick{}}}})
		case <-ctx.Done():
			return
		}
	}
}

func (r *room) gather(first job) []job {
	js := []job{first}
	for len(js) < turnJobs {
		select {
		case j := <-r.jobs:
			js = append(js, j)
		default:
			return js
		}
	}
	return js
}

// post gives the loop events without waiting; where the backlog is full they
// are left to catch-up, and it reports false.
func (r *room) post(evs ...group.Event) bool {
	select {
	case r.jobs <- job{events: evs}:
		return true
	default:
		r.syncer.kick()
		return false
	}
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
	j.done = make(chan outcome, 1)
	select {
	case r.jobs <- j:
	case <-ctx.Done():
		return nil, waitError(ctx)
	case <-r.n.ctx.Done():
		return nil, errStopping
	}
	select {
	case o := <-j.done:
		return o.ready, o.err
	case <-ctx.Done():
		return nil, waitError(ctx)
	case <-r.n.ctx.Done():
		return nil, errStopping
	}
}

// step is one event of a turn, and the jobs that it came from.
type step struct {
	event group.Event
	jobs  []int // indexes into the turn's jobs
	ready group.Ready
	err   error
}

// plan lists the events of a turn. Sends of one mode that wait side by side are
// one step, so that their items leave as one message.
func plan(js []job) []step {
	var out []step
	for i, j := range js {
		for _, ev := range j.events {
			s, ok := ev.(group.Send)
			if ok && len(out) > 0 {
				last, also := out[len(out)-1].event.(group.Send)
				if also && last.Plain == s.Plain && len(last.Items)+len(s.Items) <= joinedSends {
					last.Items = slices.Concat(last.Items, s.Items)
					out[len(out)-1].event = last
					out[len(out)-1].jobs = append(out[len(out)-1].jobs, i)
					continue
				}
			}
			out = append(out, step{event: ev, jobs: []int{i}})
		}
	}
	return out
}

// turn steps the events of some jobs, makes the result durable in one write, and
// only then sends, shows and answers. Only called from the loop.
func (r *room) turn(js []job) {
	steps := plan(js)
	err := r.stepAll(steps)
	point("stepped")
	if err == nil {
		err = r.persist(steps)
	}
	if err != nil {
		r.refuse(js, err)
		return
	}
	point("saved")
	for i := range steps {
		if steps[i].err == nil {
			r.carryOut(&steps[i].ready)
		}
	}
	point("sent")
	r.answer(js, steps)
	r.setWake(steps)
}

// stepAll takes every event through the Machine. Nothing is sent yet. An error
// that belongs to one event stays with it.
func (r *room) stepAll(steps []step) error {
	now := r.n.clock()
	for i := range steps {
		entropy, err := keys.NewEntropy()
		if err != nil {
			return err
		}
		steps[i].ready, steps[i].err = r.m.Step(group.Input{Now: now, Entropy: entropy, Event: steps[i].event})
	}
	return nil
}

func (r *room) persist(steps []step) error {
	var ks []group.KeyWrite
	var batches []*group.Batch
	for i := range steps {
		if steps[i].err == nil {
			ks = append(ks, steps[i].ready.Keys...)
			batches = append(batches, &steps[i].ready.Batch)
		}
	}
	return r.disk.save(ks, batches)
}

// refuse answers jobs whose results could not be made durable. With a full disk
// the Machine goes back to what is on it and reading goes on; any other failure
// ends the node.
func (r *room) refuse(js []job, err error) {
	if errors.Is(err, store.ErrDiskFull) {
		if again := r.reload(); again != nil {
			r.n.fail(again)
		}
	} else {
		r.n.log.Error("store failed", "err", err)
		r.n.fail(err)
	}
	for _, j := range js {
		if j.done == nil {
			continue
		}
		if j.look != nil && len(j.events) == 0 && errors.Is(err, store.ErrDiskFull) {
			j.look(r.m)
			j.done <- outcome{}
			continue
		}
		j.done <- outcome{err: diskError(err)}
	}
}

// carryOut does what a Ready asks for once it is durable: roster, connections,
// then everything that leaves the node. Only called from the loop.
func (r *room) carryOut(rd *group.Ready) {
	for _, e := range rd.Batch.Entries {
		r.applied.Store(group.Short(e.Hash[:16]), true)
	}
	if rd.Members != nil {
		r.swapMembers(rd.Members, rd.Drop)
	}
	r.out.add(rd.Publish)
	for _, s := range rd.Seal {
		r.n.wg.Go(func() { r.sealAll(s) })
	}
	r.tellSent(rd.Sent)
	r.showAll(rd)
	if len(rd.Wish) > 0 {
		r.n.wg.Go(func() { r.wish(rd.Wish) })
	}
	if rd.Want || len(r.m.Wanted()) > 0 {
		r.syncer.kick()
	}
}

// swapMembers lets exactly these peers take part in the topic. Whoever is gone
// loses its connection before anything more is published.
func (r *room) swapMembers(members, drop []keys.PeerID) {
	r.swapRoster(members)
	for _, p := range drop {
		r.n.book.letGo(p, r.gid)
	}
	if r.topic == nil {
		return
	}
	if err := r.topic.Allow(r.others()); err != nil && !errors.Is(err, mesh.ErrClosed) {
		r.n.log.Warn("change of roster", "err", err)
	}
	for _, p := range drop {
		r.n.net.Drop(p)
	}
	for _, p := range r.others() {
		r.n.book.keep(p)
	}
	r.syncer.kick()
}

func (r *room) swapRoster(members []keys.PeerID) {
	next := &roster{members: map[keys.PeerID]bool{}, admitted: map[keys.PeerID]bool{}}
	for _, p := range members {
		next.members[p] = true
	}
	for _, p := range r.m.Everyone() {
		next.admitted[p] = true
	}
	r.roster.Store(next)
}

// others lists the members on the roster but for this node.
func (r *room) others() []keys.PeerID {
	var out []keys.PeerID
	for p := range r.roster.Load().members {
		if p != r.n.me {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, keys.PeerID.Compare)
	return out
}

// answer tells each job what became of its events.
func (r *room) answer(js []job, steps []step) {
	outs := make([]outcome, len(js))
	for _, s := range steps {
		for _, i := range s.jobs {
			outs[i].ready = append(outs[i].ready, s.ready)
			outs[i].err = errors.Join(outs[i].err, s.err)
			if send, ok := s.event.(group.Send); ok && s.err == nil && js[i].wait != nil {
				r.await(send.Items, s.ready.Sent, js[i].wait)
			}
		}
	}
	for i, j := range js {
		if j.look != nil {
			j.look(r.m)
		}
		if j.done != nil {
			j.done <- outs[i]
		}
	}
}

// await remembers who waits for items that are held.
func (r *room) await(items []group.Item, sent []group.SentItem, to chan group.SentItem) {
	for _, it := range items {
		if !slices.ContainsFunc(sent, func(s group.SentItem) bool { return s.ID == it.ID }) {
			r.waiters[it.ID] = to
		}
	}
}

func (r *room) tellSent(sent []group.SentItem) {
	for _, s := range sent {
		if c, ok := r.waiters[s.ID]; ok {
			delete(r.waiters, s.ID)
			select {
			case c <- s:
			default:
			}
		}
	}
}

// setWake plans the Machine's next Tick.
func (r *room) setWake(steps []step) {
	for _, s := range slices.Backward(steps) {
		if s.err == nil {
			if s.ready.Wake > 0 {
				r.wake.Reset(time.Duration(s.ready.Wake-min(s.ready.Wake, r.n.clock())) * time.Millisecond)
			}
			return
		}
	}
}

// sealAll makes the envelopes of a rotation and brings them back to the loop,
// which signs and publishes them.
func (r *room) sealAll(s group.SealJob) {
	var envs []group.Envelope
	for _, b := range s.To {
		ct, err := keys.SealEnvelope(b, r.gid, s.Ectx, s.Minter, s.Key)
		if err != nil {
			r.n.log.Error("seal envelope", "err", err)
			continue
		}
		envs = append(envs, group.Envelope{Tag: keys.EnvelopeTag(s.Ectx, b.Peer, b.Hash()), Data: ct})
		if r.n.ctx.Err() != nil {
			return
		}
	}
	r.ask(r.n.ctx, job{events: []group.Event{group.Sealed{Job: s, Envelopes: envs}}})
}

// validate judges what arrives on the topic: only what no honest node forwards
// is rejected. It runs on gossipsub's goroutines and reads an immutable view.
func (r *room) validate(from keys.PeerID, data []byte) mesh.Verdict {
	v, err := group.Decode(r.gid, data)
	if errors.Is(err, group.ErrUnknown) {
		return mesh.Ignore
	}
	if err != nil {
		return mesh.Reject
	}
	ros := r.roster.Load()
	if !ros.members[from] {
		return mesh.Ignore
	}
	if !r.deliver(v) {
		return mesh.Ignore
	}
	if !ros.members[v.Author()] || r.isEarlyPlain(v) {
		return mesh.Ignore // kept, but not relayed
	}
	return mesh.Accept
}

// deliver hands a record to the loop. Of envelopes it is the key for this node
// that matters, and only that.
func (r *room) deliver(v group.Verified) bool {
	if c := v.Chunk(); c != nil {
		if k, ok := r.n.openChunk(r.gid, c); ok {
			return r.post(k)
		}
		return true
	}
	return r.post(group.Received{Record: v})
}

// isEarlyPlain reports whether v is a plaintext message whose control view is
// not applied here yet: who may read it is not known.
func (r *room) isEarlyPlain(v group.Verified) bool {
	x := v.Msg()
	if x == nil || len(x.EID) > 0 {
		return false
	}
	for _, h := range x.Cites() {
		if _, ok := r.applied.Load(h); !ok {
			return true
		}
	}
	return false
}
