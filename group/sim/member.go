package sim

import (
	"bytes"
	"errors"
	"maps"
	"slices"

	"conclave/group"
	"conclave/keys"
)

// member is one person's node: the machine, and the shell around it.
type member struct {
	w    *world
	name string
	id   *keys.Identity
	me   keys.PeerID
	evil bool // cheats

	bundle keys.Bundle
	seeds  map[keys.Hash]keys.Secret // private halves by bundle hash

	m         *group.Machine
	twin      *group.Machine // steps with m and must answer the same; nil mostly
	disk      disk
	backup    *disk // an old state of it
	rolled    bool  // was started from it
	comparing bool  // heights, after that
	up        bool
	boot      int // how often it was started
	side      int // of a partition
	skew      int64
	roster    map[keys.PeerID]bool
	online    map[keys.PeerID]bool
	seen      map[keys.Hash]bool // payloads that the topic gave
	heard     int                // payloads it has looked at as an outsider
	wake      uint64             // the Tick that counts
	asks      []*member          // approvers whom it asks to be let in
	wants     bool               // will catch up soon
	careful   bool               // compares its heights before it signs
	busy      bool               // its disk has not answered yet
	waiting   []group.Event      // for that
}

// disk is what survives a crash. Only saveKeys and saveBatch change it, in the
// order that Ready asks for.
type disk struct {
	keys     map[keys.Hash]keys.Secret
	entries  map[keys.Hash][]byte
	messages map[keys.Hash]group.StoredMessage
	out      map[uint64]group.OutItem
	latest   map[string][]byte
	waits    map[keys.Hash]group.Waiting // records that wait for what they cite
	local    *group.Local
	alarms   map[keys.PeerID]bool // who is known to have signed twice
	owner    ownersChain
}

var names = []string{"alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "eve"}

func (w *world) addMember(i int) {
	n := &member{
		w: w, name: names[i%len(names)], id: keys.IdentityFromSeed(w.entropy()), seeds: map[keys.Hash]keys.Secret{},
		disk: disk{
			keys: map[keys.Hash]keys.Secret{}, entries: map[keys.Hash][]byte{}, messages: map[keys.Hash]group.StoredMessage{},
			out: map[uint64]group.OutItem{}, latest: map[string][]byte{},
			waits: map[keys.Hash]group.Waiting{}, alarms: map[keys.PeerID]bool{}, owner: newOwnersChain(),
		},
	}
	n.me = n.id.PeerID()
	if w.net.skew > 0 {
		n.skew = w.rng.Int64N(2*w.net.skew) - w.net.skew
	}
	n.newBundle()
	w.all = append(w.all, n)
	w.by[n.me] = n
}

func (n *member) newBundle() {
	b, seed, err := keys.GenerateBundle(n.id, max(n.bundle.Seq+1, n.clock()))
	if err != nil {
		n.w.fail("bundle", "%v", err)
	}
	n.bundle = b
	n.seeds[b.Hash()] = seed
}

// clock is what this node's clock shows.
func (n *member) clock() uint64 { return uint64(int64(n.w.now) + n.skew) }

// start runs the machine from what is on disk.
func (n *member) start() {
	n.up = true
	n.boot++
	for eid := range n.disk.keys { // a key without its entry is dropped at start
		if _, known := n.disk.entries[eid]; !known {
			delete(n.disk.keys, eid)
		}
	}
	n.m = n.rebuilt()
	n.twin = nil
	if n.w.cfg.Seed%8 == 0 {
		n.twin = n.rebuilt()
	}
	n.online, n.seen, n.wake = map[keys.PeerID]bool{}, map[keys.Hash]bool{}, 0
	n.swapRoster(n.m.Members())
	if n.m.Local().Left || n.m.Local().Hidden || n.m.Removed(n.me) {
		n.swapRoster(nil)
	}
	n.careful = true
	boot := n.boot
	n.w.after(2000, func() {
		if n.boot == boot {
			n.compared()
		}
	})
	n.tickAt(n.clock() + 1)
}

// compared ends a careful start: heights were compared with somebody's, or
// nobody was there for two seconds.
func (n *member) compared() {
	if n.up && n.careful {
		n.careful = false
		n.step(group.Compared{})
	}
}

// rebuilt is a machine made of what is on disk.
func (n *member) rebuilt() *group.Machine {
	cfg := group.Config{GID: n.w.gid, Self: n.id, Direct: n.w.talk, Bundle: n.bundle, Careful: true}
	return group.New(cfg, n.stored())
}

func (n *member) stored() group.Stored {
	s := group.Stored{Keys: map[keys.Hash]keys.Secret{}, Local: n.disk.local}
	for _, eid := range sortedKeys(n.disk.keys) {
		s.Keys[eid] = n.disk.keys[eid]
	}
	own := func(payload []byte) group.Verified {
		v, err := group.DecodeOwn(n.w.gid, payload)
		if err != nil {
			n.w.fail("store", "%s cannot read its own disk: %v", n.name, err)
		}
		return v
	}
	for _, h := range sortedKeys(n.disk.entries) {
		s.Entries = append(s.Entries, own(n.disk.entries[h]))
	}
	for _, h := range sortedKeys(n.disk.messages) {
		s.Messages = append(s.Messages, n.disk.messages[h])
	}
	for _, i := range slices.Sorted(maps.Keys(n.disk.out)) {
		s.Outbox = append(s.Outbox, n.disk.out[i])
	}
	for _, k := range slices.Sorted(maps.Keys(n.disk.latest)) {
		s.Latest = append(s.Latest, own(n.disk.latest[k]))
	}
	for _, h := range sortedKeys(n.disk.waits) {
		s.Waiting = append(s.Waiting, n.disk.waits[h])
		n.w.count("waiting record given back")
	}
	return s
}

var errDown = errors.New("sim: node is down")

// step takes one event through the machine and does what it asks for, in the
// order that Ready states. A crash may come at each boundary.
func (n *member) step(ev group.Event) (group.Ready, error) {
	switch {
	case !n.up:
		return group.Ready{}, errDown
	case n.busy:
		n.waits(ev)
		return group.Ready{}, errBusy
	}
	w := n.w
	w.steps++
	in := group.Input{Now: n.clock(), Entropy: w.entropy(), Event: ev}
	before := n.snapshot(ev)
	r, err := n.m.Step(in)
	n.compareTwin(in, r, err)
	if err != nil {
		n.checkNothingChanged(ev, before, err)
		return r, err
	}
	if n.slows(ev, &r) {
		return r, nil
	}
	return r, n.finish(ev, &r)
}

// finish is what follows a Step: durable, then carried out.
func (n *member) finish(ev group.Event, r *group.Ready) error {
	crash := n.drawCrash(r)
	if crash == crashFirst {
		n.crash("before anything was durable")
		return errDown
	}
	n.saveKeys(r.Keys)
	if crash == crashAfterKeys {
		n.crash("after the keys were durable")
		return errDown
	}
	n.saveBatch(&r.Batch)
	n.checkReady(ev, r)
	if crash == crashAfterBatch {
		n.crash("after the batch was durable")
		return errDown
	}
	n.carryOut(r)
	n.checkAfter(ev, r)
	return nil
}

func (n *member) saveKeys(ks []group.KeyWrite) {
	for _, k := range ks {
		n.disk.keys[k.EID] = k.Key
	}
}

func (n *member) saveBatch(b *group.Batch) {
	for _, e := range b.Entries {
		n.disk.entries[e.Hash] = e.Payload
		n.noteOwners(e)
	}
	for _, a := range b.Alarms {
		n.disk.alarms[a.Author] = true
	}
	for _, s := range b.Messages {
		n.disk.messages[s.Hash] = s
	}
	for _, o := range b.OutPut {
		n.disk.out[o.N] = o
	}
	for _, i := range b.OutDel {
		delete(n.disk.out, i)
	}
	for _, v := range b.Latest {
		a := v.Author()
		n.disk.latest[string(append([]byte{byte(v.Kind())}, a[:]...))] = v.Payload
	}
	for _, v := range b.Wait {
		n.disk.waits[v.Hash] = v
	}
	for _, h := range b.Waited {
		delete(n.disk.waits, h)
	}
	if b.Local != nil {
		n.disk.local = b.Local
	}
}

// carryOut does what Ready asks for once it is durable: roster, publish, seal,
// wish, catch up, wake.
func (n *member) carryOut(r *group.Ready) {
	w := n.w
	if r.Members != nil {
		n.swapRoster(r.Members)
	}
	n.noteLeft(r)
	for _, payload := range r.Publish {
		w.publish(n, payload)
	}
	boot := n.boot
	for _, job := range r.Seal {
		w.after(uint64(w.between(1, 40)), func() {
			if n.up && n.boot == boot {
				n.step(group.Sealed{Job: job, Envelopes: w.seal(job)})
			}
		})
	}
	for _, p := range r.Wish {
		w.after(uint64(w.between(1, 200)), func() {
			if q := w.by[p]; q != nil && w.linked(n, q) {
				w.count("wish")
				q.step(group.Wished{From: n.me})
			}
		})
	}
	if r.Want && !n.wants {
		n.wants = true
		w.after(uint64(w.between(100, 1500)), func() {
			n.wants = false
			w.catchUpWithAny(n)
		})
	}
	n.tickAt(r.Wake)
}

func (n *member) swapRoster(members []keys.PeerID) {
	n.roster = map[keys.PeerID]bool{}
	for _, p := range members {
		n.roster[p] = true
	}
}

// tickAt plans the Tick that counts, by this node's clock.
func (n *member) tickAt(t uint64) {
	n.wake = t
	if t == 0 {
		return
	}
	boot, wait := n.boot, uint64(1)
	if c := n.clock(); t > c {
		wait = t - c
	}
	n.w.after(wait, func() {
		if n.up && n.boot == boot && n.wake == t {
			n.wake = 0
			n.w.book.ticks[n.me]++
			n.step(group.Tick{})
		}
	})
}

type crashPoint int

const (
	noCrash crashPoint = iota
	crashFirst
	crashAfterKeys
	crashAfterBatch
)

// drawCrash decides whether the node dies in this Step. Steps that write are
// more interesting.
func (n *member) drawCrash(r *group.Ready) crashPoint {
	w := n.w
	if w.calm || n.comparing || !w.chance(w.net.crash) && !(len(r.Keys) > 0 && w.chance(2*w.net.crash)) {
		return noCrash
	}
	return crashPoint(w.between(1, 3))
}

func (n *member) crash(where string) {
	w := n.w
	w.count("fault: crash " + where)
	w.logf("%s crashes %s", n.name, where)
	n.up, n.m, n.twin, n.online, n.busy, n.waiting = false, nil, nil, nil, false, nil
	w.after(uint64(w.between(50, 8000)), func() { n.restart() })
	w.after(0, w.tellOnline)
}

func (n *member) restart() {
	if n.up || n.w.off == n && !n.w.calm {
		return
	}
	n.w.count("restart")
	n.w.logf("%s starts again", n.name)
	back := n.rollBack()
	n.start()
	if back {
		n.compareAll()
	}
	if n.up && !n.rolled {
		n.checkOwnKeys()
	}
	n.w.tellOnline()
}

// compareTwin steps the second machine with the same input: the same bytes must
// come out.
func (n *member) compareTwin(in group.Input, r group.Ready, err error) {
	if n.twin == nil {
		return
	}
	r2, err2 := n.twin.Step(in)
	if (err == nil) != (err2 == nil) || !slices.EqualFunc(r.Publish, r2.Publish, bytes.Equal) || !sameReady(&r, &r2) {
		n.w.fail("determinism", "%s: the same input %T gave two answers\n%+v %v\n%+v %v", n.name, in.Event, r, err, r2, err2)
	}
}

func sameReady(a, b *group.Ready) bool {
	waits := func(x, y group.Waiting) bool { return x.Hash == y.Hash }
	return slices.EqualFunc(a.Batch.Wait, b.Batch.Wait, waits) && slices.EqualFunc(a.Keys, b.Keys, func(x, y group.KeyWrite) bool { return x.EID == y.EID }) &&
		slices.EqualFunc(a.Batch.Entries, b.Batch.Entries, func(x, y group.StoredEntry) bool { return x.Hash == y.Hash && x.Ord == y.Ord }) &&
		slices.EqualFunc(a.Batch.Messages, b.Batch.Messages, func(x, y group.StoredMessage) bool { return x.Hash == y.Hash && x.Ord == y.Ord }) &&
		slices.Equal(a.Batch.OutDel, b.Batch.OutDel) && slices.Equal(a.Batch.Waited, b.Batch.Waited) && slices.Equal(a.Members, b.Members) && slices.Equal(a.Drop, b.Drop) &&
		slices.Equal(a.Wish, b.Wish) && a.Want == b.Want && a.Wake == b.Wake
}
