package sim

// logMutants are the clauses of "satisfied", forks, what leaves a node and in
// which order, and what catch-up gives.
var logMutants = []mutant{
	{"satisfied: prev of an entry is held", core, "	if e.Prev != (Hash{}) {\n		if err := want", "	if false {\n		if err := want", "TestAbuse_MM02_SendingAsAnother"},
	{"satisfied: what an entry has seen is held", core, "	for _, h := range e.Seen {\n		if err := want", "	for _, h := range e.Seen {\n		if g.byHash[h.Hash] == nil {\n			continue\n		}\n		if err := want", "TestRankInItsOwnView"},
	{"satisfied: the parents of an EPOCH are held", core, "		for _, p := range b.Parents {\n", "		for _, p := range b.Parents {\n			if g.byHash[short(p)] == nil {\n				continue\n			}\n", "TestMUST_12_WaitsForWhatIsCited"},
	{"satisfied: the acks of an EPOCH are held", core, "		for _, a := range b.Acks {\n			if err", "		for _, a := range b.Acks {\n			if g.byHash[short(a)] == nil {\n				continue\n			}\n			if err", "TestWaitsForWhatIsAcknowledged"},
	{"satisfied: prev of a message is held", core, `			need = append(need, short(x.Prev))`, `			_ = need`, "TestMUST_75_WaitsForWhatItCites"},
	{"satisfied: deps are held", core, `		case o == nil && !m.isBelow(d):`, `		case false:`, "TestMUST_83_HiddenButCited"},
	{"satisfied: the admission is held", core, "	if err := want(short(x.JID), func(e *entry) bool {", "	if m.g.byHash[short(x.JID)] == nil {\n		return nil, ErrDependency\n	}\n	if err := want(short(x.JID), func(e *entry) bool {", "TestMUST_105_PendingCaps"},
	{"satisfied: the EPOCH is held", core, "	if len(x.EID) > 0 {\n		if err := want", "	if len(x.EID) > 0 && m.g.byHash[Short(x.EID[:16])] == nil {\n		return nil, ErrDependency\n	}\n	if len(x.EID) > 0 {\n		if err := want", "TestMUST_75_WaitsForWhatItCites"},
	{"satisfied: the control view is held", core, "		for _, h := range x.Ctrl.Seen {\n			if err := want", "		for _, h := range x.Ctrl.Seen {\n			if m.g.byHash[h.Hash] == nil {\n				return nil, ErrDependency\n			}\n			if err := want", "TestMUST_75_WaitsForWhatItCites"},
	{"satisfied: the acks of a message are held", core, "		for _, a := range x.Ctrl.Acks {\n			if err", "		for _, a := range x.Ctrl.Acks {\n			if m.g.byHash[short(a)] == nil {\n				return nil, ErrDependency\n			}\n			if err", "TestWaitsForWhatIsAcknowledged"},
	{"satisfied: void counts as held", core, "	m.apply(d)\n	return nil\n}\n\n// stopsFork", "	if d.role != roleNone {\n		m.apply(d)\n	}\n	return nil\n}\n\n// stopsFork", "TestAbuse_NM09_PlantedKey"},
	{"satisfied: hidden counts where it is cited", core, `if !m.visible(rec) && !m.pend.cited(v, m.beyondCut) && !m.leadsTo(rec) {`, `if !m.visible(rec) && !m.leadsTo(rec) {`, "TestMUST_83_HiddenButCited"},
	{"satisfied: or where it leads to what is held", core, `if !m.visible(rec) && !m.pend.cited(v, m.beyondCut) && !m.leadsTo(rec) {`, `if !m.visible(rec) && !m.pend.cited(v, m.beyondCut) {`, schedulesTest},
	{"satisfied: or once something cites it", core, "	if hidden, ok := m.pend.hidden[at]; ok && m", "	if hidden, ok := m.pend.hidden[at]; false && ok && m", "TestMUST_83_HiddenButCited"},
	{"satisfied: below a base", core, `		case o == nil && !m.isBelow(d):`, `		case o == nil:`, "TestMUST_106_BelowTheBase"},
	{"satisfied: a run begins at the base", core, `		x.Author != m.me && slices.ContainsFunc(m.offers[c], func(b Based) bool { return x.Seq-1 <= b.Base })`, `		false`, "TestAbuse_MM09_ClaimedOrdAboveABase"},
	{"satisfied: no run of the own log", core, `		x.Author != m.me && slices`, `		slices`, "TestNoBaseInTheOwnLog"},
	{"satisfied: below a base of the own log, too", core, `	if len(m.offers) >= maxOfferedLogs`, `	if b.Author == m.me || len(m.offers) >= maxOfferedLogs`, "TestALieAboutTheOwnLogHoldsNothingUp"},
	{"satisfied: no base, no run", core, "	if x.Prev != (Hash{}) && !m.beginsCopy(x) {", "	if x.Prev != (Hash{}) && m.msgs[short(x.Prev)] != nil {", "TestMUST_75_WaitsForWhatItCites"},
	{"satisfied: what waited for it is tried again", core, `	for _, v := range m.pend.release(h) {`, `	for _, v := range m.pend.release(h)[:0] {`, "TestMUST_12_WaitsForWhatIsCited"},
	{"satisfied: what waited for a base is tried again", core, "	for _, h := range m.pend.satisfiedBy(b.Author, b.Lane, b.Base) {\n		m.release(h)\n	}", "", "TestMUST_106_BelowTheBase"},
	{"satisfied: the state changed, hidden is tried again", core, "		m.retryHidden()\n", "", "TestHiddenComesBack"},
	{"satisfied: by the record that is cited, no other", core, "		if !ok(d) {\n			return ErrDependency\n		}", "		_ = ok", "TestMUST_13_ContradictsWhatItCites"},

	{"fork: both branches of a chain are held", core, "	d := m.g.prepare(v)\n	if m.stopsFork(v) {", "	if m.g.forks(e) {\n		return nil\n	}\n	d := m.g.prepare(v)\n	if m.stopsFork(v) {", "TestMUST_46_BothBranchesCount"},
	{"fork: an alarm is raised", core, "	m.alarm(a)\n", "", "TestMUST_48_ForkProof"},
	{"fork: it voids nothing", core, ` || s.onVoidLink(e)`, ` || s.onVoidLink(e) || s.g.forked[chain{e.Author, e.Lane}]`, "TestMUST_30_RemovalRetiresLinks"},
	{"fork: both branches of a log are held", core, `		l.fork = append(l.fork, rec)`, `		_ = rec`, "TestMessageCutsFollowPathAndLane"},
	{"fork: heads name every branch", core, "	if len(log.fork) > 0 {\n		ends = k.leaves(log)\n	}", "", "TestHeadsNameEveryBranch"},
	{"fork: of an owner's chain nothing more counts", core, `	return slices.Contains(m.local.Frozen, e.Term) && !m.kept[v.Hash]`, `	return false`, "TestMUST_47_OwnerForkStays"},

	{"hold: nothing leaves under a key that is not eligible", core, "	cur := m.current()\n	if cur == nil {\n		return\n	}", "	cur := m.current()\n	if cur == nil && len(m.g.epochs) > 0 {\n		cur = m.g.epochs[len(m.g.epochs)-1]\n		m.flushRun(false, cur)\n	}\n	if cur == nil {\n		return\n	}", "TestMUST_95_HardMarkHolds"},
	{"hold: nor under one that was in use before", core, "	for _, p := range m.eligible() {\n		if _, ok", "	for _, p := range slices.Backward(m.g.epochs) {\n		if _, ok", "group/sim.TestAbuse_RM05_QueuedWhileTheOwnerIsOff"},
	{"hold: encryption off sends nothing as plaintext", core, "	if !m.holdsSealed() || !m.st.settings.E2EE {\n		return\n	}", "	if !m.holdsSealed() {\n		return\n	}\n	if !m.st.settings.E2EE {\n		m.flushRun(false, nil)\n		return\n	}", "TestMUST_86_SealedStaysSealed"},
	{"hold: off is accepted before a line goes out open", core, `	case !s.Plain && !m.st.settings.E2EE && m.st.toggle() != nil && m.local.Accepted != m.st.toggle().eh:`, `	case false:`, "TestMUST_87_PlaintextByChoice"},
	{"marked: a key that nobody hands over is replaced", core, `		return m.rot.heldSince + askWait, speaks`, `		return 0, false`, "TestMUST_99_AskBeforeRescue"},
	{"marked: who may not mint asks those who may", core, "			m.r.Wish, m.rot.wished = m.rotators(), m.now\n", "			m.rot.wished = m.now\n", "TestUncoveredMemberWishes"},
	{"marked: acks of LEAVE and JOIN stand in the view", core, "	return m.acks(past)\n}", "	return nil\n}", "TestMUST_95_HardMarkHolds"},
	{"marked: a clock that is turned back delays nothing", core, "	m.rot.turnBack(m.now)\n", "", "TestClockTurnedBackDelaysNoRotation"},

	{"message: one number once", core, `			x.Seq = top.seq + 1`, `			x.Seq = max(1, top.seq)`, "TestMUST_102_Ranges"},
	{"message: what left is gone from the outbox", core, "		if o.N <= m.taken {", "		if false {", "TestMUST_95_HardMarkHolds"},
	{"message: ord is exact", core, `	rec.ord = max(rec.ord, min(max(x.Ord, 1)-1, m.boundBelow(x))) + 1`, `	rec.ord = max(rec.ord, min(max(x.Ord, 1)-1, maxOrd)) + 1`, "TestMUST_84_DisplayOrder"},
	{"message: a claim counts where its past lies below", core, `	rec.ord = max(rec.ord, min(max(x.Ord, 1)-1, m.boundBelow(x))) + 1`, `	rec.ord++`, "TestAbuse_MM09_ClaimedOrdAboveABase"},
	{"message: it cites its author's own chain", core, `heads := m.g.heads(PeerID{})`, `heads := m.g.heads(m.me)`, "TestPlaintextAfterOnesOwnApprovalReachesTheNewcomer"},
	{"entry: it cites the other branches of the own chain", core, `return h.Author == m.me && tip != nil && (d == tip || tip.past.has(d.idx))`, `return h.Author == m.me && (tip == nil || d != nil)`, "TestOwnBranchesAreCited"},
	{"entry: ord is exact", core, "	e.ord++\n	g.authorize(e)", "	e.ord = e.Ord\n	g.authorize(e)", "TestMUST_14_ExactOrd"},

	{"catch-up: members only", core, "	if !m.st.member(peer) {\n		return Missing{}, ErrNotMember\n	}", "", "TestMUST_101_MembersOnly"},
	{"catch-up: control entries that the peer lacks", core, `return m.g.payloads(func(e *entry) bool { return !past.has(e.idx) })`, `return nil`, "TestMUST_34_RemoveWinsOverConcurrentAdd"},
	{"catch-up: plaintext by its author's view", core, `	return !r.part && view.settings.History == HistoryAll && !view.removed(peer)`, `	return view != nil`, "TestMUST_89_PlaintextGivenTo"},
	{"catch-up: plaintext not from a view in part", core, `	return !r.part && view.settings`, `	return view.settings`, "TestPlaintextOfAViewInPart"},
	{"catch-up: what is not shown is not handed on", core, `	kept := k.m.visible(r) || next`, `	kept := true || next`, "TestHiddenIsNotNamed"},
	{"catch-up: a branch that ends below a hole", core, `return next == nil || next.seq > h.Seq || next.before == r.hash`, `return next == nil || true`, "TestABranchBelowAHoleIsOffered"},
	{"gap: not what another branch holds", core, `h := m.logs[c].heldBelow(at)`, `h := m.logs[c].height()`, "TestNoGapInAnotherBranch"},
	{"catch-up: nothing twice", core, `return h.Base < r.seq && r.seq <= h.Seq && m.sameBranch(m.logs[c], r, h)`, `return false`, "TestBeyondTheCutIsForgotten"},

	{"order: an entry is stored by the step that applies it", core, "	m.r.Batch.Entries = append(m.r.Batch.Entries, StoredEntry{", "	_ = append(m.r.Batch.Entries, StoredEntry{", "TestAbuse_NM08_OwnersEntryAndChunk"},
	{"order: a message is stored by the step that sends it", core, "	m.r.Batch.Messages = append(m.r.Batch.Messages, v.stored(rec.ord))", "	_ = append(m.r.Batch.Messages, v.stored(rec.ord))", "TestAbuse_MM05_TwoMessagesOneNumber"},
	{"order: what waits is stored by the step that lets it wait", core, "	m.r.Batch.Wait, m.r.Batch.Waited = m.pend.settle(m.Admitted)\n", "	_, m.r.Batch.Waited = m.pend.settle(m.Admitted)\n", "TestWaitingOutlivesARestart"},
	{"order: a key is stored by the step that makes it", core, "		m.r.Keys = append(m.r.Keys, KeyWrite{EID: e.eh, Key: key})\n", "", "TestMUST_69_CommitmentDecides"},
	{"order: the keybag before the batch", shell, `	n.saveKeys(r.Keys)
	if crash == crashAfterKeys {
		n.crash("after the keys were durable")
		return errDown
	}
	n.saveBatch(&r.Batch)
`, `	n.saveBatch(&r.Batch)
	if crash == crashAfterKeys {
		n.crash("after the keys were durable")
		return errDown
	}
	n.saveKeys(r.Keys)
`, schedulesTest},
	{"order: durable before it is published", shell, "	crash := n.drawCrash(r)\n", "	crash := n.drawCrash(r)\n	n.carryOut(r)\n", schedulesTest},
	{"order: heights are compared before signing", core, "	if m.careful {\n		return ErrCareful\n	}", "", "TestARolledBackHomeBeginsANewLane"},
	{"order: a home that was rolled back opens a lane", core, "	if lane == m.lane {\n		m.beginLane()\n", "	if lane == m.lane {\n", "TestMUST_17_NoNumberTwice"},
	{"order: a home whose disk is damaged opens a lane", core, "	if m.damaged {\n		m.beginLane()\n	}\n", "", "TestMUST_17_DamagedRecords"},
	{"order: the lane survives a restart", core, "	m.lane = m.local.Lane\n", "", "TestMUST_17_NoNumberTwice"},
	{"order: the view last cited survives a restart", core, `m.cited = cited{view: log.top().view, any: true}`, `m.cited = cited{view: m.g.everything(), any: true}`, "TestCitesAfterARestart"},

	{"order: in a node, the keybag before the database", daemon, "	if len(ks) > 0 {\n		err := d.bag", `	var early store.Batch
	for _, from := range batches {
		d.put(&early, from)
	}
	if err := d.db.Commit(&early); err != nil {
		return err
	}
	if len(ks) > 0 {
		err := d.bag`, "node.TestKeysBeforeTheRest"},
	{"order: in a node, nothing leaves before it is durable", daemon, `		news, err = r.persist(`, `		for i := range steps {
			r.carryOut(&steps[i].ready)
		}
		news, err = r.persist(`, "node.TestNothingAfterAFailedWrite"},
	{"order: in a node, nothing leaves after a failed write", daemon, "	if r.failed != nil {\n		r.refuse(js, r.failed)\n		return\n	}\n", "", "node.TestNothingAfterAFailedWrite"},
	{"order: in a node, nobody is told yes before it is durable", daemon, "		j.done <- outcome{err: diskError(err)}\n	}\n}", "		j.done <- outcome{}\n	}\n}", "node.TestNothingAfterAFailedWrite"},
	{"sim: a newcomer cannot tell a fork of which it may have one branch", shell, `if (p.seesFork(s) || w.hidesFork(u, p, s)) && !u.m.Visible(h) {`, `if p.seesFork(s) && !u.m.Visible(h) {`, schedulesTest},
	{"sim: who cheats on a removal has heard of it", shell, `!n.able() || !n.m.Removed(b.Joiner) {`, `!n.able() || n.m.IsMember(b.Joiner) {`, schedulesTest},
	{"sim: whom a cheat admits in secret is a stranger", shell, `return len(w.book.twice) > 0 && !w.heardOf(n, in)`, `return false`, schedulesTest},
}
