package group

import "slices"

// cuts names the last accepted record of each of p's logs, in every lane and
// branch.
func (m *Machine) cuts(p PeerID) []Cut {
	var out []Cut
	for c, tips := range m.g.tips {
		if c.author != p {
			continue
		}
		for _, t := range tips {
			out = append(out, Cut{Log: ControlLog, Lane: c.lane, Seq: t.Seq, Hash: t.eh})
		}
	}
	for c, log := range m.logs {
		if top := log.top(); c.author == p && top != nil {
			out = append(out, Cut{Log: MessageLog, Lane: c.lane, Seq: top.seq, Hash: top.hash})
		}
	}
	slices.SortFunc(out, compareCuts)
	return out[:min(len(out), MaxCuts)]
}

// onRemove kicks or bans p and mints a new epoch in the same batch.
func (m *Machine) onRemove(ev Remove) error {
	owner, _ := m.st.owner()
	if ev.Peer == m.me || ev.Peer == owner {
		return ErrNotAllowed
	}
	if !ev.Ban && !m.st.member(ev.Peer) {
		return ErrNotMember
	}
	var jids []Hash
	for _, j := range m.st.alive(ev.Peer) {
		jids = append(jids, j.eh)
	}
	t := TypeKick
	if ev.Ban {
		t = TypeBan
	}
	body := &Removal{Peer: ev.Peer, JIDs: sortHashes(jids), Cuts: m.cuts(ev.Peer)}
	if _, err := m.write(t, body); err != nil {
		return err
	}
	m.dropRequest(ev.Peer)
	if m.st.settings.E2EE && m.current() == nil {
		m.mint(ReasonRemoved) // where this deputy may not, the group stays marked
	}
	return nil
}

func (m *Machine) onUnban(p PeerID) error {
	if !m.st.banned(p) {
		return ErrNotMember
	}
	_, err := m.write(TypeUnban, &Peer{Peer: p})
	return err
}

// onQuit leaves the group by every live incarnation of this person. A
// conversation of two is hidden here and blocked.
func (m *Machine) onQuit(abandon bool) error {
	if m.g.direct != nil {
		m.local.Hidden = true
		m.saveLocal()
		m.r.Members = []PeerID{}
		return nil
	}
	if err := m.maySign(); err != nil {
		return err
	}
	if len(m.st.members()) == 1 {
		abandon = true // nobody is left behind, though others' LEAVE may not be cited yet
	}
	for {
		j := m.st.incarnation(m.me)
		if j == nil {
			break
		}
		if _, err := m.write(TypeLeave, &Leave{JID: j.eh, Abandon: abandon, Cuts: m.cuts(m.me)}); err != nil {
			return err
		}
	}
	m.local.Left = true
	m.saveLocal()
	for _, it := range m.out {
		m.r.Batch.OutDel = append(m.r.Batch.OutDel, it.N)
	}
	m.out = nil
	return nil
}
