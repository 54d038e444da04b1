package sim

// nodeMutants are rules of the node about what others ask of it and prove: those
// that a test shows which needs few nodes and little time.
var nodeMutants = []mutant{
	{"evidence: also where both records come in one turn", daemon, `first = d.heldMessage(x, turn)`, `first = d.heldMessage(x, nil)`, "node.TestEvidenceOfOneTurn"},
	{"evidence: by the records that cover one", daemon, `err == nil && next.Msg().Prev == v.Hash {`, `err == nil && next.Msg().Prev != v.Hash {`, "node.TestEvidenceOfASpoiltSignature"},
	{"evidence: no more of a range than it takes", core, "		if _, err := Decode(gid, p); err == nil {\n			return Verified{}, ErrNoProof\n		}\n", "		_ = p\n", "TestEvidenceByARange"},
	{"evidence: a person is told of once", daemon, `if at[a.author] == nil && r.advice(m, a.author) != "" {`, `if r.advice(m, a.author) != "" {`, "node.TestAlarmsOfOnePerson"},
	{"evidence: of one person where one is named", daemon, `if of != nil && a.author != *of {`, `if false {`, "node.TestAlarmsOfOnePerson"},

	{"requests: a name is one", core, `r.Name != "" && !ValidName(r.Name), r.Called != "" && !ValidName(r.Called):`, `r.Name != "" && !ValidName(r.Name):`, "TestMUST_91_JoinRequest"},
	{"requests: a name is one, by whatever way it comes", core, `len(r.Note) > MaxNoteBytes || r.Called != "" && !ValidName(r.Called) {`, `len(r.Note) > MaxNoteBytes {`, "TestAbuse_NM11_JoinRequests"},
	{"requests: those taken from keepers are not counted", daemon, "		if q.here() {\n			of[q.From]++\n			all++\n		}", "		of[q.From]++\n		all++", "node.TestKept_TakenAreNotCounted"},
	{"requests: the address with the most loses first", daemon, `cmp.Or(cmp.Compare(of[q.From], of[last.From]), cmp.Compare(last.Since, q.Since), out.Compare(p)) > 0`, `cmp.Or(cmp.Compare(last.Since, q.Since), out.Compare(p)) > 0`, "node.TestKept_TakenAreNotCounted"},
	{"requests: what strangers open is counted by address", daemon, `strangers := proto == protoJoin || proto == protoLink || proto == protoSeek`, `strangers := proto == protoJoin || proto == protoSeek`, "node.TestQuota_JoinFromOneAddress"},

	{"sends: a key belongs to what was sent first", daemon, "		case twin:\n			js[i].refuse(ErrOtherBody)\n", "", "node.TestSendOnceWithinATurn"},
	{"sends: a key is taken by what went well", daemon, `if j.once != nil && !j.once.repeat && !failed[i] {`, `if j.once != nil && !j.once.repeat && i >= 0 {`, "node.TestSendOnceWithinATurn"},
	{"sends: a key is free after a day", daemon, "	case row.Made+onceAge < r.n.clock():\n		return nil // it has expired, and is sent as a new one\n", "", "node.TestSendOnceForADay"},

	{"retention: doubts a clock that is ahead alone", daemon, `return off < -retainDoubt`, `return off.Abs() > retainDoubt`, "node.TestRetentionDoubtsADayAhead"},
	{"summaries: of members alone", daemon, `if !ros.members[s.Author] || s.Author == b.r.n.me {`, `if s.Author == b.r.n.me {`, "node.TestBeacon_IsBounded"},
	{"summaries: newer ones alone", daemon, `known && (s.Seq <= last.seq || time.Since(last.at) < beaconApart)`, `known && time.Since(last.at) < beaconApart`, "node.TestBeacon_IsBounded"},
}
