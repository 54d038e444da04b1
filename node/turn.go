package node

import (
	"errors"
	"slices"
	"time"

	"conclave/group"
	"conclave/keys"
	"conclave/node/mesh"
	"conclave/node/store"
)

// step is one event of a turn, and the jobs that it came from.
type step struct {
	event group.Event
	jobs  []int // indexes into the turn's jobs
	ready group.Ready
	shown []showing
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
	if r.failed != nil {
		r.refuse(js, r.failed)
		return
	}
	r.recall(js)
	if r.full {
		js = r.spare(js)
	}
	steps := plan(js)
	err := r.stepAll(steps)
	point("stepped")
	var news *told
	if err == nil {
		news, err = r.persist(js, steps)
	}
	if err != nil {
		r.refuse(js, err)
		return
	}
	point("saved")
	r.await(js, steps)
	for i := range steps {
		if steps[i].err == nil {
			r.carryOut(&steps[i].ready)
		}
	}
	r.n.bus.settle(news, func() []Event { return r.events(news, steps) })
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

// persist makes what the steps brought durable, with their place in the journal
// and the keys of their senders, and returns what followers are to be told of them.
func (r *room) persist(js []job, steps []step) (*told, error) {
	var ks []group.KeyWrite
	var batches []*group.Batch
	var shown []showing
	for i := range steps {
		if s := &steps[i]; s.err == nil {
			ks = append(ks, s.ready.Keys...)
			batches = append(batches, &s.ready.Batch)
			s.shown = r.shows(&s.ready)
			shown = append(shown, s.shown...)
		}
	}
	news := r.n.bus.reserve(len(shown))
	journal, used, reading := r.journal, r.used, r.reading.Load()
	err := r.disk.save(ks, batches, func(b *store.Batch) {
		journal = journal.put(r.disk, b, news.first, shown)
		used = used.put(r.disk, b, r.n.clock(), freshKeys(js, steps))
		reading = reading.afterTurn(r, b, shown)
	})
	if err != nil {
		r.n.bus.settle(news, func() []Event { return nil })
		return nil, err
	}
	r.journal, r.used = journal, used
	if reading != nil {
		r.reading.Store(reading)
	} else if err := r.countAfter(r.reading.Load().readMark); err != nil {
		r.n.log.Warn("count the unread", "group", r.gid.Short(), "err", err)
	}
	return news, nil
}

// spare answers, while the disk is full, the jobs that would write to it, and
// returns the others. Without it each record that arrives would have the Machine
// go back to what is on the disk.
func (r *room) spare(js []job) []job {
	if r.full = errors.Is(r.n.db.Writable(), store.ErrDiskFull); !r.full {
		return js
	}
	r.wake.Reset(fullRetry)
	return slices.DeleteFunc(js, func(j job) bool {
		writes := slices.ContainsFunc(j.events, func(ev group.Event) bool { _, is := ev.(group.Online); return !is })
		if writes && j.done != nil {
			j.done <- outcome{err: diskError(store.ErrDiskFull)}
		}
		return writes
	})
}

// refuse answers jobs whose results could not be made durable. With a full disk
// the Machine goes back to what is on it and reading goes on. After any other
// failure the Machine is ahead of the disk for good: nothing that it holds is
// let out any more, and the node ends.
func (r *room) refuse(js []job, err error) {
	if errors.Is(err, store.ErrDiskFull) {
		if again := r.reload(r.n.ownBundle()); again != nil {
			err = again
		}
		r.full, r.behind = true, true
		r.wake.Reset(fullRetry)
	}
	if !errors.Is(err, store.ErrDiskFull) && r.failed == nil {
		r.failed = err
		r.n.log.Error("store failed", "err", err)
		r.n.fail(err)
	}
	for _, j := range js {
		if j.done == nil {
			continue
		}
		if j.look != nil && len(j.events) == 0 && (j.once == nil || j.once.first == nil) && errors.Is(err, store.ErrDiskFull) {
			j.lookAt(r.m)
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
	for _, s := range rd.Batch.Messages {
		r.noteTop(s)
	}
	if len(rd.Batch.Entries)+len(rd.Batch.Messages)+len(rd.Batch.Latest) > 0 {
		r.beacon.touch()
	}
	if rd.Members != nil {
		r.swapMembers(rd.Members, rd.Drop)
		r.releaseKept()
	}
	r.out.add(rd.Publish)
	for _, s := range rd.Seal {
		r.n.wg.Go(func() { r.sealAll(s) })
	}
	r.tellSent(rd.Sent)
	r.settleParked(rd)
	r.warn(rd.Show)
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
	if len(drop) > 0 {
		point("removed")
	}
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
	others := r.others()
	for _, p := range others {
		r.n.book.keep(p)
	}
	r.n.wg.Go(func() { r.n.book.noteAll(others) })
	r.n.wakeName()
	r.syncer.kick()
}

func (r *room) swapRoster(members []keys.PeerID) {
	next := &roster{members: map[keys.PeerID]bool{}, admitted: map[keys.PeerID]bool{}, budgets: map[keys.PeerID]*budget{}}
	before := r.roster.Load()
	for _, p := range members {
		next.members[p] = true
		next.budgets[p] = r.budgetOf(p, before)
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
		}
	}
	for i, j := range js {
		if j.once != nil && j.once.first != nil {
			outs[i].err = errorOfFirst(js, outs, j.once.first)
		}
		j.lookAt(r.m)
		if j.done != nil {
			j.done <- outs[i]
		}
	}
}

// await remembers who waits for the items of this turn, before it is known which
// of them leave: a later step of the turn may let them out.
func (r *room) await(js []job, steps []step) {
	for _, j := range js {
		if j.once != nil && j.once.repeat && j.wait != nil {
			for id := range heldAmong(r.m, j.once.row.IDs) {
				r.waiters[id] = append(r.waiters[id], j.wait)
			}
		}
	}
	for _, s := range steps {
		if s.err != nil {
			continue
		}
		for _, i := range s.jobs {
			for _, ev := range js[i].events {
				if send, ok := ev.(group.Send); ok && js[i].wait != nil {
					for _, it := range send.Items {
						r.waiters[it.ID] = append(r.waiters[it.ID], js[i].wait)
					}
				}
			}
		}
	}
}

func (r *room) tellSent(sent []group.SentItem) {
	for _, s := range sent {
		for _, c := range r.waiters[s.ID] {
			select {
			case c <- s:
			default:
			}
		}
		delete(r.waiters, s.ID)
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
