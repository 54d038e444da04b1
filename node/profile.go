package node

import (
	"context"
	"errors"

	"conclave/group"
	"conclave/keys"
)

// Profile answers `name`.
type Profile struct {
	PeerID      string  `json:"peer_id"`
	Fingerprint string  `json:"fingerprint"`
	Name        *string `json:"name"` // null: none was chosen
}

// Profile says what this person is called.
func (n *Node) Profile(context.Context) (Profile, error) {
	return Profile{PeerID: n.me.String(), Fingerprint: n.me.Fingerprint(), Name: namePtr(n.ownName())}, nil
}

// SetName says what this person is called, in every group: those who are there
// now are told when it returns, others when this person is let in, and those who
// were asked for that as soon as may be. The name is kept whatever becomes of it.
func (n *Node) SetName(ctx context.Context, name string) (Profile, error) {
	if !group.ValidName(name) {
		return Profile{}, errNotAName()
	}
	if err := n.change(func(d *directory) { d.Name = name }); err != nil {
		return Profile{}, err
	}
	n.wakeAskers()
	told := make(chan error, 1)
	select {
	case n.naming <- told:
	case <-ctx.Done():
		return Profile{}, waitError(ctx)
	case <-n.ctx.Done():
		return Profile{}, errStopping
	}
	select {
	case err := <-told:
		if err != nil {
			return Profile{}, personError(err)
		}
	case <-ctx.Done():
		return Profile{}, waitError(ctx)
	case <-n.ctx.Done():
		return Profile{}, errStopping
	}
	return n.Profile(ctx)
}

func (n *Node) ownName() (name string) {
	n.read(func(d *directory) { name = d.Name })
	return name
}

// keepName is the only one to state this person's name, so that it is stated
// once: in all groups at the start, and whenever somebody asks.
func (n *Node) keepName(ctx context.Context) {
	for {
		if err := n.sayName(ctx); err != nil && ctx.Err() == nil {
			n.log.Debug("state the name", "err", err)
		}
		select {
		case <-n.renamed:
		case told := <-n.naming:
			told <- n.sayName(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// sayName states the name where it is not known yet.
func (n *Node) sayName(ctx context.Context) (err error) {
	name := n.ownName()
	if name == "" {
		return nil
	}
	for _, r := range n.allRooms() {
		if !n.isAsked(r.gid) { // whoever is a stranger yet learns nothing
			err = errors.Join(err, r.sayName(ctx, name))
		}
	}
	return err
}

func (r *room) sayName(ctx context.Context, name string) error {
	known := false
	if err := r.look(ctx, func(m *group.Machine) {
		known = m.Name(m.Me()) == name || !m.IsMember(m.Me()) || m.Local().Hidden
	}); err != nil || known {
		return err
	}
	_, err := r.act(ctx, group.SetName{Name: name})
	return err
}

// wakeName has the name stated where it is not known: perhaps this person was let
// in somewhere.
func (n *Node) wakeName() {
	select {
	case n.renamed <- struct{}{}:
	default:
	}
}

// names tells what the people are called who share a group with this person.
func (n *Node) names(ctx context.Context) (map[keys.PeerID]string, error) {
	out := map[keys.PeerID]string{}
	for _, r := range n.allRooms() {
		if err := r.look(ctx, func(m *group.Machine) {
			for _, p := range m.Members() {
				if name := m.Name(p); name != "" {
					out[p] = name
				}
			}
		}); err != nil && !errors.Is(err, errUnknown) { // forgotten a moment ago
			return nil, err
		}
	}
	return out, nil
}

// namePtr is a name as an answer has it: nil where none is known.
func namePtr(name string) *string {
	if name == "" {
		return nil
	}
	return &name
}
