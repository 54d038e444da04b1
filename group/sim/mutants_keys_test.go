package sim

// keyMutants are the rules about room keys: who is handed one, which is used,
// which is preferred, and who may make one.
var keyMutants = []mutant{
	{"SERVE: Y holds the key", core, "	if !ok {\n		return SealJob{}, RefusedNotHeld\n	}\n	kc :=", "	_ = ok\n	kc :=", "TestServeOnlyWhatIsHeld"},
	{"SERVE: a key that was erased is not handed over", core, "	if m.erased[eid] {\n		return SealJob{}, RefusedErased\n	}\n	if err", "	if err", "TestServeOnlyWhatIsHeld"},
	{"SERVE: sealed to a bundle of the asker", core, `if b.Peer != peer {`, `if false {`, "TestMUST_60_ServeMembers"},
	{"SERVE: asked at all", core, "	if err := m.st.mayHold(e, peer); err != nil {\n		return SealJob{}, err\n	}\n", "", "TestMUST_60_ServeMembers"},
	{"SERVE: u is a member in Y's state", core, `	for _, j := range s.alive(u) {`, `	for _, j := range s.admits[u] {`, "TestMUST_60_ServeMembers"},
	{"SERVE: mere membership", core, `	for _, j := range s.alive(u) {`, "	if s.member(u) {\n		return nil\n	}\n	for _, j := range s.alive(u) {", "TestMUST_94_ApprovalMints"},
	{"SERVE: j is not dead in view(E)", core, `case view.dead(j), view.removed(u):`, `case view.removed(u):`, "TestMUST_61_ServeTheLivingInView"},
	{"SERVE: u is not removed in view(E)", core, `case view.dead(j), view.removed(u):`, `case view.dead(j):`, "TestMUST_62_ServeNobodyRemovedInView"},
	{"SERVE: under history none j lies in view(E)", core, `case p.body.(*Epoch).History == HistoryNone && !p.past.has(j.idx):`, `case false:`, "TestMUST_94_ApprovalMints"},
	{"SERVE: E's own history, not today's", core, `case p.body.(*Epoch).History == HistoryNone &&`, `case s.settings.History == HistoryNone &&`, "TestMUST_63_HistoryOfTheEpoch"},
	{"SERVE: view(E) by its own contents alone", core, `func (e *entry) view(g *graph) *State { return g.fold(e.past) }`, `func (e *entry) view(g *graph) *State { return g.fold(g.structure) }`, "TestMUST_55_ReasonRemoved"},

	{"ELIGIBLE: E is valid", core, `if s.isVoid(p) || s.forcing`, `if s.forcing`, "TestMUST_64_EligibleIsSound"},
	{"ELIGIBLE: who is dead here is dead in view(E)", core, eligibleDead, "		return false\n	})\n}\n\n// compareEpochs", "TestMUST_65_EligibleExcludesTheDead"},
	{"ELIGIBLE: also whose admission is void", core, eligibleDead, "		return s.view.has(j.idx) && !s.isVoid(j) && s.dead(j) && !view.dead(j)\n	})\n}\n\n// compareEpochs", "TestEligibleExcludesTheVoidlyAdmitted"},
	{"ELIGIBLE: E acknowledges the last encryption-on", core, `if s.isVoid(p) || s.forcing != nil && !p.past.has(s.forcing.idx) {`, `if s.isVoid(p) {`, "TestMUST_66_EligibleKnowsTheSwitch"},
	{"ELIGIBLE: asked at all", core, `return slices.DeleteFunc(cands, func(p *entry) bool { return !s.eligible(p) })`, `return cands`, "TestMUST_64_EligibleIsSound"},

	{"CHOOSE: the greatest gen", core, `		cmp.Compare(y.Gen, x.Gen),`, `		cmp.Compare(0*y.Gen, 0*x.Gen),`, "TestMUST_107_WithheldFromNewcomers"},
	{"CHOOSE: then the author's rank", core, `		cmp.Compare(a.view(g).rank(a.Author), b.view(g).rank(b.Author)),`, ``, "TestMUST_67_Choose"},
	{"CHOOSE: the rank in its own view", core, `		cmp.Compare(a.view(g).rank(a.Author), b.view(g).rank(b.Author)),`, `		cmp.Compare(g.fold(g.structure).rank(a.Author), g.fold(g.structure).rank(b.Author)),`, "TestRankInItsOwnView"},
	{"CHOOSE: deputies in the order of their GRANTs", core, `	slices.SortFunc(gs, compareEntries)`, `	slices.SortFunc(gs, func(a, b *entry) int { return compareEntries(b, a) })`, "TestMUST_100_RanksGoFirst"},
	{"CHOOSE: then the lowest eid", core, "		a.eh.Compare(b.eh),\n	)", "		cmp.Compare(a.idx, b.idx),\n	)", "TestMUST_67_Choose"},
	{"CHOOSE: of those whose key is held", core, "		if _, ok := m.held[p.eh]; ok {\n			return p\n		}", "		return p", "TestMUST_95_HardMarkHolds"},
	{"CHOOSE: all that share a gen are asked", core, `	for n < len(cands) && cands[n]`, `	for false && cands[n]`, "TestGenerationsAreCutWhole"},

	{"COVER: whom E does not serve marks the group", core, `if len(m.st.uncovered(cur)) > 0 || m.shutOut(cur) {`, `if m.shutOut(cur) {`, "TestMUST_68_Cover"},
	{"COVER: so does a better one that this node may not have", core, `if len(m.st.uncovered(cur)) > 0 || m.shutOut(cur) {`, `if len(m.st.uncovered(cur)) > 0 {`, "TestCoverOfWhoIsShutOut"},
	{"COVER: every member is asked about", core, `	for _, u := range s.members() {`, `	for _, u := range s.members()[:1] {`, "TestMUST_68_Cover"},

	{"EPOCH: gen is one more than the parents'", core, `return b.Gen == gen+1 && fresh(b.KC)`, `return fresh(b.KC)`, "TestMUST_49_Generation"},
	{"EPOCH: it goes on from what no other has for a parent", core, `			for _, h := range p.body.(*Epoch).Parents {
				parents[h] = true
			}
		}
	}
	slices.SortFunc(out, m.g.compareEpochs)`, `			for _, q := range m.g.epochs {
				parents[q.eh] = parents[q.eh] || p.past.has(q.idx)
			}
		}
	}
	slices.SortFunc(out, m.g.compareEpochs)`, "TestAnEpochOverAnOldOneHoldsNobodyUp"},
	{"EPOCH: a fresh kc", core, `fresh(b.KC) && fresh(b.Salt)`, `fresh(b.Salt)`, "TestMUST_50_FreshKeys"},
	{"EPOCH: a fresh salt", core, `fresh(b.KC) && fresh(b.Salt)`, `fresh(b.KC)`, "TestMUST_50_FreshKeys"},
	{"EPOCH: the history in force", core, ` && b.History == s.settings.History &&`, ` &&`, "TestMUST_51_HistoryOfTheView"},
	{"EPOCH: no more envelopes than members", core, `b.N <= uint64(len(s.members())) && (len`, `(len`, "TestMUST_52_Envelopes"},
	{"EPOCH: without parents only the owner's", core, ` && (len(b.Parents) > 0 || s.firstEpoch(e))`, ``, "TestMUST_53_FirstEpoch"},
	{"EPOCH: a member names a reason", core, ` && s.soundEpoch(e, b) && s.soundReason(e, b)`, ` && s.soundEpoch(e, b)`, "TestMUST_57_ReasonEncryptionOn"},
	{"EPOCH: rotate_by binds members", core, `ok = s.settings.RotateBy == RotateByAny && s.soundEpoch`, `ok = s.soundEpoch`, "TestMUST_54_RotateBy"},
	{"EPOCH: a sponsor mints for a guest, whatever rotate_by", core, ` || s.soundEpoch(e, b) && s.forGuest(e, b)`, ``, "TestMUST_115_SponsorsMint"},
	{"EPOCH: ... for whom he let in", core, `j.Type == TypeJoin && j.Author == sponsor`, `j.Type == TypeJoin`, "TestMUST_115_SponsorsMint"},
	{"EPOCH: ... whom no parent serves", core, `		return !slices.ContainsFunc(b.Parents, func(p Hash) bool { return s.mayHold(s.g.byHash[short(p)], u) == nil })`, `		return slices.ContainsFunc(b.Parents, func(p Hash) bool { return s.mayHold(s.g.byHash[short(p)], u) != nil })`, "TestMUST_115_SponsorsMint"},
	{"EPOCH: ... with the reason admitted", core, `return b.Reason == ReasonAdmitted && slices.ContainsFunc(s.guests`, `return slices.ContainsFunc(s.guests`, "TestMUST_115_SponsorsMint"},
	{"guests: their entries cite the JOIN that let them in", core, `j != nil && term == 0 && !m.g.cites(e, j) {`, `j != nil && term > 0 && !m.g.cites(e, j) {`, "TestGuestsAct"},
	{"guests: a budget of epochs", core, `m.maySign() != nil || m.now < m.guestsDue() {`, `m.maySign() != nil {`, "TestMUST_116_BudgetForGuests"},
	{"guests: looked at again with what others mint", core, `m.rot.guests || changed && m.st`, `m.rot.guests || false && m.st`, "TestGuestsHaveAKey_SponsorsApart"},
	{"EPOCH: rotate_by binds deputies", core, `return caps&CapRotate != 0 && s.settings.RotateBy <= RotateByDeputies && s`, `return caps&CapRotate != 0 && s`, "TestMUST_54_RotateBy"},
	{"EPOCH: removed: unknown to a parent", core, `		return some(func(_ *entry, v *State) bool { return s.removedBeyond(v) })`, `		return true`, "TestMUST_55_ReasonRemoved"},
	{"EPOCH: admitted: a parent does not serve", core, `		return some(func(p *entry, _ *State) bool { return len(s.uncovered(p)) > 0 })`, `		return true`, "TestMUST_99_AskBeforeRescue"},
	{"EPOCH: encryption-on: a parent lacks the SET", core, `		return s.forcing != nil && some(func(p *entry, _ *State) bool { return !p.past.has(s.forcing.idx) })`, `		return true`, "TestMUST_57_ReasonEncryptionOn"},
	{"EPOCH: age: since every parent", core, `		return s.settings.MaxAge > 0 && !some(`, `		return s.settings.MaxAge > 0 || some(`, "TestMUST_58_ReasonAge"},
	{"EPOCH: rescue leaves the own epochs out", core, `return !some(func(p *entry, _ *State) bool { return p.Author == e.Author })`, `return true`, "TestMUST_59_ReasonsOverOwnEpochs"},

	{"key: the commitment is compared", core, `if keys.Commitment(key, b.Salt, m.g.gid) != b.KC || m.erased[e.eh] {`, `if b == nil || m.erased[e.eh] {`, "TestMUST_69_CommitmentDecides"},
	{"key: asked for, of an epoch that a fork stopped", core, `vain := e.role == roleNone && !e.stopped`, `vain := e.role == roleNone`, "TestAStoppedEpochIsRead"},
	{"key: what was erased stays erased", core, `if keys.Commitment(key, b.Salt, m.g.gid) != b.KC || m.erased[e.eh] {`, `if keys.Commitment(key, b.Salt, m.g.gid) != b.KC {`, "TestServeOnlyWhatIsHeld"},
	{"key: sealed to the members alone", core, `	for _, p := range m.st.members() {
		if b, ok := m.bundles[p]`, `	for p := range m.bundles {
		if b, ok := m.bundles[p]`, "TestMUST_71_Recipients"},
}

const eligibleDead = "		return s.view.has(j.idx) && s.dead(j) && !view.dead(j)\n	})\n}\n\n// compareEpochs"
