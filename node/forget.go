package node

import (
	"context"
	"errors"
	"maps"
	"slices"

	"conclave/group"
	"conclave/keys"
	"conclave/node/store"
)

// Forgotten answers `group forget`.
type Forgotten struct {
	GroupID string `json:"group_id"`
	Name    string `json:"name"`
	State   string `json:"state"` // forgotten
}

// Forget erases all that this home has of a group that this person is not in any
// more: when it returns it is gone, from the files too. What stays is the group's
// ID and a number: should this person be let in again, nothing is signed twice
// under one number; and what tells that this person left, until a member knows.
func (n *Node) Forget(ctx context.Context, ref string) (Forgotten, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return Forgotten{}, err
	}
	out := Forgotten{GroupID: r.gid.String(), State: "forgotten"}
	inside := false
	if err := r.look(ctx, func(m *group.Machine) {
		out.Name, inside = n.groupName(m), m.IsMember(n.me) && !m.Local().Hidden
	}); err != nil {
		return Forgotten{}, err
	}
	if inside {
		return Forgotten{}, &Error{Kind: NotAllowed, Message: "you are in this group", Hint: "leave it first: conclave leave GROUP"}
	}
	bye, err := r.parting(ctx)
	if err != nil {
		return Forgotten{}, err
	}
	if err := n.takeOut(r, bye); err != nil {
		return Forgotten{}, err
	}
	known := r.others()
	r.stop()
	for _, p := range known {
		n.book.letGo(p, r.gid)
	}
	err = errors.Join(n.book.erase(), r.eraseDisk())
	n.mu.Lock()
	delete(n.erasing, r.gid)
	n.mu.Unlock()
	n.beginParting(bye)
	n.bus.publish(Event{Kind: "group", GroupID: out.GroupID})
	return out, diskError(err)
}

// takeOut lets nobody find the room any more, and makes durable that it is to be
// erased: a node that ends in between goes on with that when it starts.
func (n *Node) takeOut(r *room, bye parting) error {
	local, err := r.disk.local()
	if err != nil {
		return diskError(err)
	}
	present := uint64(0)
	if local != nil {
		present = local.Lane
	}
	lane, err := r.disk.nextLane(n.me, present, n.clock())
	if err != nil {
		return diskError(err)
	}
	n.mu.Lock()
	if n.rooms[r.gid] != r {
		n.mu.Unlock()
		return unknownGroup(r.gid.String())
	}
	delete(n.rooms, r.gid)
	n.erasing[r.gid] = true
	n.mu.Unlock()
	err = n.change(func(d *directory) {
		delete(d.Groups, r.gid)
		if d.Forgotten == nil {
			d.Forgotten = map[keys.Hash]uint64{}
		}
		d.Forgotten[r.gid] = lane
		if len(bye.Peers) > 0 {
			if d.Partings == nil {
				d.Partings = map[keys.Hash]parting{}
			}
			d.Partings[r.gid] = bye
		}
		d.Joins = slices.DeleteFunc(d.Joins, func(j joinRef) bool { return j.GID == r.gid })
		d.Invitations = slices.DeleteFunc(d.Invitations, func(i invitationRef) bool { return i.GID == r.gid })
	})
	if err != nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.rooms[r.gid] = r
		delete(n.erasing, r.gid)
	}
	return err
}

// stop ends the room's part in the topic and everything that runs for it.
func (r *room) stop() {
	close(r.ended)
	r.end()
	r.tasks.Wait()
	if err := r.topic.Close(); err != nil {
		r.n.log.Debug("leave the topic", "err", err)
	}
}

func (r *room) eraseDisk() error {
	r.retaining.Lock()
	defer r.retaining.Unlock()
	return r.disk.eraseAll()
}

// eraseAll takes everything of a group out of the home; its room keys and the key
// that all its records are sealed under go last, and say until then that this is
// not done.
func (d *disk) eraseAll() error {
	if err := d.space.Clear(); err != nil {
		return err
	}
	if err := d.space.Purge(); err != nil {
		return err
	}
	return d.bag.Update(func(tx *store.Tx) error {
		tx.DropGroup(d.gid)
		return nil
	})
}

// goOnForgetting erases what a node that ended before its time has left.
func (n *Node) goOnForgetting() error {
	held := n.bag.Groups()
	for _, gid := range slices.Collect(maps.Keys(n.dir.Forgotten)) {
		if _, again := n.dir.Groups[gid]; again || !slices.Contains(held, gid) {
			continue
		}
		d, err := n.openDisk(gid)
		if err != nil {
			return err
		}
		if err := d.eraseAll(); err != nil && !errors.Is(err, store.ErrDiskFull) {
			return err
		}
	}
	return nil
}

// remember begins a group again that was forgotten, in a lane of its own. Called
// with mu held.
func (n *Node) remember(gid keys.Hash) error {
	lane, was := n.dir.Forgotten[gid]
	if !was {
		return nil
	}
	d, err := n.openDisk(gid)
	if err != nil {
		return err
	}
	var b store.Batch
	d.space.Put(&b, localKey, keys.Marshal(group.Local{Lane: max(lane, n.clock()/1000)}))
	return n.db.Commit(&b)
}

// erase forgets the addresses of all who do not matter any more.
func (b *book) erase() error {
	var gone []keys.PeerID
	for _, p := range b.everyone() {
		if !b.n.matters(p) {
			gone = append(gone, p)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range gone {
		delete(b.addrs, p)
	}
	return b.save()
}
