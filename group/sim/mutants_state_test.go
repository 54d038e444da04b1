package sim

// stateMutants are the clauses of "dead", "removed", "valid" and of cuts.
var stateMutants = []mutant{
	{"dead: the admission is void", core, "	if s.isVoid(j) {\n		return true\n	}\n	for _, p := range", "	for _, p := range", "TestMUST_29_JoinByVoidLink"},
	{"dead: whether or not the admission lies in V", core, "func (s *State) dead(j *entry) bool {\n", "func (s *State) dead(j *entry) bool {\n	if !s.view.has(j.idx) {\n		return false\n	}\n", "TestMUST_37_VoidAdmissionIsDeadEverywhere"},
	{"dead: by KICK or BAN", core, `if !s.isVoid(k) && s.kills(k, j) {`, `if !s.isVoid(k) && s.kills(k, j) && false {`, "TestMUST_101_MembersOnly"},
	{"dead: not by a void KICK", core, `if !s.isVoid(k) && s.kills(k, j) {`, `if s.kills(k, j) {`, "TestMUST_23_RemovalAgainstConcurrentGrant"},
	{"dead: not by a KICK in the admission's past", core, "	if !j.past.has(k.idx) {\n		return true\n	}\n	return k.Type", "	if true {\n		return true\n	}\n	return k.Type", "TestMUST_89_PlaintextGivenTo"},
	{"dead: remove wins over concurrent add", core, "	if !j.past.has(k.idx) {\n		return true\n	}\n	return k.Type", "	if !j.past.has(k.idx) && k.past.has(j.idx) {\n		return true\n	}\n	return k.Type", "TestMUST_34_RemoveWinsOverConcurrentAdd"},
	{"dead: after a BAN only an UNBAN helps", core, `return k.Type == TypeBan && !slices`, `return false && !slices`, "TestMUST_35_BanNeedsUnban"},
	{"dead: a KICK needs no UNBAN", core, `return k.Type == TypeBan && !slices`, `return !slices`, "TestMUST_89_PlaintextGivenTo"},
	{"dead: the UNBAN is the person's", core, `return u.Type == TypeUnban && u.subject() == j.subject() && u`, `return u.Type == TypeUnban && u`, "TestUnbanIsOfOnePerson"},
	{"dead: the UNBAN has seen the BAN", core, `			u.past.has(k.idx) && j.past.has(u.idx) && !s.isVoid(u)`, `			j.past.has(u.idx) && !s.isVoid(u)`, "TestMUST_35_BanNeedsUnban"},
	{"dead: the admission has seen the UNBAN", core, `			u.past.has(k.idx) && j.past.has(u.idx) && !s.isVoid(u)`, `			u.past.has(k.idx) && !s.isVoid(u)`, "TestMUST_35_BanNeedsUnban"},
	{"dead: not saved by a void UNBAN", core, `			u.past.has(k.idx) && j.past.has(u.idx) && !s.isVoid(u)`, `			u.past.has(k.idx) && j.past.has(u.idx)`, "TestVoidUnban"},
	{"dead: by LEAVE", core, `	return slices.ContainsFunc(s.leaves[j.eh], func(l *entry) bool { return !s.isVoid(l) })`, `	return false`, "TestManyLeaversFitAMessage"},
	{"removed: by an admission that is not void", core, `	admitted := slices.ContainsFunc(s.admits[p], func(j *entry) bool { return !s.isVoid(j) })`, `	admitted := len(s.admits[p]) > 0`, "TestNeitherRemovedNorBanned"},
	{"removed: not while one is alive", core, `	return admitted && !s.member(p)`, `	return admitted && len(s.removals[p]) > 0`, "TestMUST_89_PlaintextGivenTo"},
	{"banned: not by a void BAN", core, `return k.Type == TypeBan && !s.isVoid(k) && !slices`, `return k.Type == TypeBan && !slices`, "TestNeitherRemovedNorBanned"},
	{"banned: until an UNBAN that has seen it", core, `			return u.past.has(k.idx) && !s.isVoid(u)
		})
	})
}

// members`, `			return !s.isVoid(u)
		})
	})
}

// members`, "TestNeitherRemovedNorBanned"},

	{"valid: authority in the own causal past", core, "	past := g.fold(e.past)\n	if g.direct", "	past := g.fold(g.structure)\n	if g.direct", "TestMUST_20_AuthorityInOwnPast"},
	{"valid: what a member did rests on his admission", core, `		return s.isVoid(e.rests) || s.beyond(e.rests, e) || s.onVoidLink(e)`, `		return s.beyond(e.rests, e) || s.onVoidLink(e)`, "TestMUST_36_VoidAdmissionVoidsActs"},
	{"valid: what a deputy did rests on his GRANT", core, `		return s.isVoid(e.rests) || s.beyond(e.rests, e) || s.againstGrant(e)`, `		return s.beyond(e.rests, e) || s.againstGrant(e)`, "TestVoidGrantVoidsActs"},
	{"valid: a JOIN rests on its INVITE", core, ` || s.onVoidLink(e)`, ``, "TestMUST_29_JoinByVoidLink"},
	{"valid: no cut excludes what a member did", core, `		return s.isVoid(e.rests) || s.beyond(e.rests, e) || s.onVoidLink(e)`, `		return s.isVoid(e.rests) || s.onVoidLink(e)`, "TestMUST_44_FarthestCut"},
	{"valid: no cut excludes what a deputy did", core, `		return s.isVoid(e.rests) || s.beyond(e.rests, e) || s.againstGrant(e)`, `		return s.isVoid(e.rests) || s.againstGrant(e)`, "TestMUST_29_JoinByVoidLink"},
	{"valid: a deputy's KICK not against a GRANT", core, ` || s.againstGrant(e)`, ``, "TestMUST_23_RemovalAgainstConcurrentGrant"},
	{"valid: ... nor against a TRANSFER", core, `if !ok || s.againstTransfer(e, b.Peer) {`, `if !ok {`, "TestMUST_23_RemovalAgainstConcurrentTransfer"},
	{"valid: ... that is concurrent, not before it", core, `		return !e.past.has(g.idx) && !g.past.has(e.idx) && !s.isVoid(g)`, `		return !g.past.has(e.idx) && !s.isVoid(g)`, "TestDeputyRemovesWhoWasADeputy"},
	{"valid: ... nor after it", core, `		return !e.past.has(g.idx) && !g.past.has(e.idx) && !s.isVoid(g)`, `		return !e.past.has(g.idx) && !s.isVoid(g)`, "TestKickBeforeAGrant"},
	{"valid: later SETs never unmake it", core, `ok = s.settings.RotateBy == RotateByAny && s.soundEpoch`, `ok = s.g.fold(s.g.structure).settings.RotateBy == RotateByAny && s.soundEpoch`, "TestLaterSettingsUnmakeNoEpoch"},
	{"valid: an owner's entry only of his term", core, `if owner == e.Author && term == e.Term && past.ownerMay(e) {`, `if owner == e.Author && term > 0 && past.ownerMay(e) {`, "TestMUST_21_OwnersAlone"},
	{"valid: before the TRANSFER of its term", core, ` || t.end != nil && e != t.end && !t.end.past.has(e.idx)`, ``, "TestMUST_38_AfterTheTransfer"},
	{"valid: of the owner whose term it is here", core, `t.owner != e.Author || t.end != nil`, `t.end != nil`, "TestMUST_39_LowestTransferCounts"},
	{"valid: of several TRANSFERs the lowest", core, `return cmp.Or(cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Seq, b.Seq), a.eh.Compare(b.eh))
		})
		s.terms`, `return cmp.Or(cmp.Compare(b.Lane, a.Lane), cmp.Compare(b.Seq, a.Seq), b.eh.Compare(a.eh))
		})
		s.terms`, "TestMUST_39_LowestTransferCounts"},
	{"valid: a TRANSFER needs an ACCEPT in its past", core, `!e.past.has(acc.idx) || acc.Author != b.To`, `acc.Author != b.To`, "TestMUST_28_TransferNeedsAccept"},
	{"valid: ... by the new owner", core, `acc.Author != b.To || b.To`, `b.To`, "TestMUST_28_TransferNeedsAccept"},
	{"valid: ... who is a member", core, ` || !s.member(b.To) {`, ` {`, "TestMUST_28_TransferNeedsAccept"},
	{"valid: ... of this term", core, `return ok && a.Term == e.Term && !s.isVoid(acc)`, `return ok && a != nil && !s.isVoid(acc)`, "TestMUST_28_TransferNeedsAccept"},
	{"valid: a group that requires encryption keeps it", core, `return b.Settings.E2EE || !gen.RequireE2EE`, `return gen != nil`, "TestMUST_27_RequiredEncryption"},
	{"valid: the owner removes nobody in his own name", core, "	case *Removal:\n		return b.Peer != e.Author\n", "	case *Removal:\n		return true\n", "TestMUST_24_OwnerAndHimself"},
	{"valid: a GRANT to a member", core, `return b.Peer != e.Author && s.member(b.Peer)`, `return b.Peer != e.Author`, "TestMUST_25_GrantToMembers"},
	{"valid: a deputy without approve admits nobody", core, `return e.Type != TypeUnban && caps&CapApprove != 0`, `return e.Type != TypeUnban`, "TestMUST_22_DeputiesWithinCaps"},
	{"valid: a deputy lifts no BAN", core, `return e.Type != TypeUnban && caps&CapApprove != 0`, `return caps&CapApprove != 0`, "TestMUST_21_OwnersAlone"},
	{"valid: a deputy without kick removes nobody", core, `return caps&CapKick != 0 && b.Peer != owner`, `return b.Peer != owner`, "TestMUST_22_DeputiesWithinCaps"},
	{"valid: never against the owner", core, `b.Peer != owner && b.Peer != e.Author && s.grant`, `owner != (PeerID{}) && b.Peer != e.Author && s.grant`, "TestMUST_24_OwnerAndHimself"},
	{"valid: never against a deputy", core, ` && s.grant(b.Peer) == nil`, ``, "TestMUST_22_DeputiesWithinCaps"},
	{"valid: a deputy without invite makes no link", core, `return caps&CapInvite != 0`, `return true`, "TestMUST_22_DeputiesWithinCaps"},
	{"valid: a deputy without rotate mints as a member", core, `return caps&CapRotate != 0 && s.settings`, `return s.settings`, "TestMUST_54_RotateBy"},
	{"valid: a GRANT ends with its incarnation", core, `if !s.dead(g) && !s.revoked(g) {`, `if !s.revoked(g) {`, "TestMUST_41_GrantsEndWithMembership"},
	{"valid: a GRANT ends with a REVOKE", core, `if !s.dead(g) && !s.revoked(g) {`, `if !s.dead(g) {`, "TestVoidRevoke"},
	{"valid: not with a void REVOKE", core, `return k.Type == TypeRevoke && !s.isVoid(k)`, `return k.Type == TypeRevoke`, "TestVoidRevoke"},
	{"valid: a member's entry is a member's", core, "	if j == nil {\n		return nil\n	}\n	ok := false", "	if j == nil {\n		j = s.g.byHash[short(s.g.gid)]\n	}\n	ok := false", "TestAbuse_NM09_PlantedKey"},
	{"valid: a LEAVE of the author's own incarnation", core, `		if j.eh == b.JID {`, `		if true {`, "TestMUST_26_Leaves"},
	{"valid: the owner does not leave others behind", core, ` && !b.Abandon && len(s.members()) > 1 {`, ` && false {`, "TestMUST_26_Leaves"},
	{"valid: nothing but EPOCH and PROFILE in a talk", core, "	if g.direct != nil {\n		g.authorizeDirect(e, past)\n		return\n	}\n", "	if g.direct != nil {\n		g.authorizeDirect(e, past)\n	}\n", "TestMUST_90_TalkOfTwo"},
	{"valid: only of the two in a talk", core, `if past.soundEpoch(e, b) && slices.Contains(g.direct[:], e.Author) {`, `if past.soundEpoch(e, b) {`, "TestMUST_90_TalkOfTwo"},
	{"settings: in the order of term, lane and seq", core, `cmp.Or(cmp.Compare(a.Term, b.Term), cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Seq, b.Seq), a.eh.Compare(b.eh))
	})
	for`, `compareEntries(a, b)
	})
	for`, "TestSettingsFollowLanesNotCauses"},
	{"settings: not by a void SET", core, "		if s.isVoid(e) {\n			continue\n		}\n		next", "		next", "TestMUST_38_AfterTheTransfer"},

	{"cut: by path, not by number", core, "		return named == e\n	})", "		return true\n	})", "TestMUST_42_CutsFollowThePath"},
	{"cut: the record it names", core, `			return e.eh == c.Hash`, `			return true`, "TestMUST_42_CutsFollowThePath"},
	{"cut: a lane that is not named lies beyond", core, `if c.Log != ControlLog || c.Lane != e.Lane || e.Seq > c.Seq {`, `if c.Log != ControlLog || e.Seq > c.Seq {`, "TestMUST_43_LanesNotNamed"},
	{"cut: of several the farthest", core, "			return false\n		}\n		cut = true", "			continue\n		}\n		cut = true", "TestMUST_44_FarthestCut"},
	{"cut: a LEAVE reaches beyond no other", core, "	if leave || len(out) > 0 {", "	if leave {", "TestALeaveReachesBeyondNoRevoke"},
	{"cut: but for what knew of another", core, `		if !slices.ContainsFunc(all, func(before *entry) bool { return k.past.has(before.idx) }) {`, `		if len(all) > 0 {`, "TestARemovalAfterARevokeBringsNothingBack"},
	{"cut: not by a void KICK or REVOKE", core, "		if !s.isVoid(k) {\n			out = append(out, k)\n		}\n	}\n	if leave", "		out = append(out, k)\n	}\n	if leave", "TestVoidKickCutsNothing"},
	{"cut: not by a void LEAVE", core, "		if !s.isVoid(l) {\n			out = append(out, l)\n		}", "		out = append(out, l)", "TestDeputysKickBindsNoDeputysActs"},
	{"cut: a REVOKE binds only what was done as deputy", core, "		} else if !deputy {\n			continue", "		} else if false {\n			continue", "TestMUST_16_CitesAuthorities"},
	{"cut: a deputy's KICK binds no deputy's acts", core, ` || k.role == roleDeputy && deputy {`, ` {`, "TestDeputysKickBindsNoDeputysActs"},
	{"cut: only of the person that is removed", core, `if !slices.Contains(s.g.subjects(j), b.Peer) || k.role`, `if b == nil || k.role`, "TestRemovalCutsOnlyWhoIsRemoved"},
	{"cut: a LEAVE is not cut by a LEAVE", core, "	if leave || len(out) > 0 {", "	if len(out) > 0 {", "TestMUST_26_Leaves"},
	{"cut: of messages, by path", core, "		if log == nil || len(log.fork) == 0 {", "		if log != nil {", "TestMessageCutsFollowPathAndLane"},
	{"cut: of messages, a lane that is not named", core, `if c.Log != MessageLog || c.Lane != rec.lane || rec.seq > c.Seq {`, `if c.Log != MessageLog || rec.seq > c.Seq {`, "TestMessageCutsFollowPathAndLane"},
	{"cut: within it messages are shown", core, `		if m.withinCut(cutsIn(k), rec) {`, `		if m.withinCut(cutsIn(k), rec) && false {`, "TestMUST_44_FarthestCut"},
	{"cut: beyond it messages are hidden", core, "	if !m.st.dead(rec.jid) {\n		return true\n	}", "	if true {\n		return true\n	}", "TestMUST_42_MessageCutsFollowThePath"},
	{"cut: what was said on a void admission is hidden", core, "	if m.st.isVoid(rec.jid) {\n		return false\n	}\n	if !m", "	if !m", "TestVoidlyAdmittedIsHiddenWithinACut"},
	{"cut: judged again when the fork or the record comes", core, "		g.rejudge()\n	}\n}", "		_ = g\n	}\n}", "TestJudgedAgainWhenTheNamedRecordComes"},

	{"link: the INVITE is in the JOIN's past", core, ` || !e.past.has(inv.idx) || s.isVoid(inv)`, ` || s.isVoid(inv)`, "TestMUST_29_JoinByLink"},
	{"link: the INVITE is not void", core, ` || !e.past.has(inv.idx) || s.isVoid(inv)`, ` || !e.past.has(inv.idx)`, "TestInviteVoidInThePast"},
	{"link: not for the banned", core, ` || s.banned(b.Joiner) {`, ` {`, "TestMUST_32_ExpiryAndBan"},
	{"link: pre-approved", core, `if !link.PreApproved || expired(link, e.Time) {`, `if expired(link, e.Time) {`, "TestMUST_29_JoinByLink"},
	{"link: its expiry", core, `if !link.PreApproved || expired(link, e.Time) {`, `if !link.PreApproved {`, "TestMUST_32_ExpiryAndBan"},
	{"link: a removal retires it", core, `if !inv.past.has(o.idx) {`, `if false {`, "TestMUST_30_RemovalRetiresLinks"},
	{"link: an INVITE_REVOKE ends it", core, `			if x.Invite == b.Invite {
				return false
			}`, ``, "TestMUST_29_JoinByLink"},
	{"link: its uses", core, `return uses < link.Uses && proof`, `return proof`, "TestMUST_31_UsesOfALink"},
	{"link: its proof", core, ` && proof.Verify(keys.LabelProof, s.g.gid, PeerID(link.Key)) == nil`, ` && len(proof.Sig) > 0`, "TestMUST_29_JoinByLink"},
	{"link: the excess is removed", core, `slices.Contains(m.st.alive(p), j) {`, `len(p) == 0 {`, schedulesTest},
	{"request: so many wait", core, `	for len(rs) > MaxRequests {`, `	for len(rs) > 10*MaxRequests {`, "TestMUST_93_RequestsWait"},
}
