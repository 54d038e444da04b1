package group

// FreeEpochs is how many epochs an hour may come from one author for reasons that
// nobody else's entry vouches for. What is beyond is held as any other, but not
// relayed, and shown. (PROTOCOL.md, "Rotation")
const FreeEpochs = 6

// FreelyMinted reports whether the entry is an EPOCH for a reason that rests on
// its author's word: messages, request or rescue.
func (e *Entry) FreelyMinted() bool {
	b, ok := e.body.(*Epoch)
	return ok && (b.Reason == ReasonMessages || b.Reason == ReasonRequest || b.Reason == ReasonRescue)
}

// MayRotate reports whether p may mint without a reason.
func (m *Machine) MayRotate(p PeerID) bool {
	owner, _ := m.st.owner()
	return m.g.direct != nil || owner == p || m.st.caps(p)&CapRotate != 0 && m.st.settings.RotateBy <= RotateByDeputies
}

// MintedFreely counts the freely minted epochs of an EPOCH's author up to it and
// within the hour before, by their claimed times: 0 where it is none such, or its
// author may mint without a reason.
func (m *Machine) MintedFreely(eid Hash) (n int) {
	const hour = 3_600_000
	e := m.g.byHash[short(eid)]
	if e == nil || !e.FreelyMinted() || m.MayRotate(e.Author) {
		return 0
	}
	for _, o := range m.g.epochs {
		later := o.Time > e.Time
		if o.Lane == e.Lane {
			later = o.Seq > e.Seq // a clock that is turned back hides nothing
		}
		if o.Author == e.Author && o.role != roleNone && o.FreelyMinted() && !later && (o.Time > e.Time || e.Time-o.Time < hour) {
			n++
		}
	}
	return n
}
