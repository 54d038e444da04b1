package words

import (
	"iter"
	"maps"
	"strings"
)

// Said is what every door says of a state, with what is filled in as {name}, and
// what a person can do about it, "" where there is nothing to do or each door has
// a way of its own.
type Said struct{ Words, Hint string }

// table has the words of every state that a door shows. A key is what it is a
// state of, a dot, and the state as the API has it; some are of one state alone.
// The page is served all of it, and no door has such words of its own.
var table = map[string]Said{
	// Of a group, and of its keys.
	"sealed":               {"sealed", ""},
	"plain":                {"PLAIN", ""},
	"key":                  {"key {n}", ""},
	"nokey":                {"no key yet", "it comes from any member who has it, as soon as one is in reach"},
	"key.current":          {"current", ""},
	"holders":              {"{n} of {of} have it", ""},
	"holders.missing":      {"not known to hold it: {who}", "they read what is sealed under it once they have it"},
	"marked.no":            {"", ""},
	"marked.soft":          {"key due for replacement", "it is replaced when somebody speaks"},
	"marked.hard":          {"needs a new key before anyone speaks", "say something, or replace the key"},
	"history.none":         {"newcomers read only what comes after them", ""},
	"history.all":          {"newcomers read everything", ""},
	"rotate.any":           {"any member", ""},
	"rotate.deputies":      {"the owner and the deputies", ""},
	"rotate.owner":         {"the owner alone", ""},
	"reason.create":        {"the first", ""},
	"reason.admitted":      {"somebody joined", ""},
	"reason.removed":       {"somebody left or was removed", ""},
	"reason.encryption-on": {"encryption was switched on", ""},
	"reason.age":           {"the old one had served its time", ""},
	"reason.messages":      {"the old one had served its messages", ""},
	"reason.request":       {"on request", ""},
	"reason.rescue":        {"nobody could hand over the old one", ""},
	"reason.cover":         {"so that everyone has it", ""},
	"reason.unknown":       {"for a reason that this version does not know", ""},
	"keep.forever":         {"for ever", ""},
	"catchup":              {"catching up {n} of {of}", ""},
	"unread":               {"{n} unread", ""},
	"towhom.out":           {"nobody: you are not a member any more", ""},
	"towhom.plain":         {"PLAIN · anyone relaying can read", ""},
	"towhom.nokey":         {"sealed, once there is a key · a line is held until then", ""},
	"towhom.alone":         {"sealed · nobody else is here yet", ""},
	"towhom.sealed":        {"sealed for {n}", ""},
	"towhom.some":          {"sealed for {n} · {who} no key yet", "they read it once they have it"},
	"handover.accepted":    {"ready to take the group over", "its owner hands it over"},
	"handover.transferred": {"the owner now", ""},
	"change.left":          {"left", ""},
	"change.removed":       {"removed", ""},
	"change.banned":        {"banned", ""},
	"change.unbanned":      {"may be let in again", ""},
	"out.removed":          {"was removed by {who}", ""},
	"out.banned":           {"was banned by {who}", ""},
	"out.left":             {"left", ""},
	"forgotten":            {"erased here", ""},
	"unreadable":           {"cannot be read, from {who}", ""},
	"unreadable.before":    {"sealed before you joined", ""},
	"unreadable.erased":    {"its key was erased", ""},
	"unreadable.after":     {"sealed after you left", ""},
	"unreadable.waiting":   {"waiting for key {n}", ""},
	"unreadable.damaged":   {"the record does not open under its key", ""},
	"gap.damaged":          {"a record is damaged on this disk; another member has it", ""},
	"gap.nobody":           {"nobody in reach has them", ""},
	"gap.one":              {"{who} has them", ""},
	"gap.many":             {"{who} have them", ""},
	"gap.unasked":          {"nobody could be asked yet · trying", ""},
	"gap.asked":            {"asked {ago} · trying", ""},
	"gap":                  {"{what} or more from {who} missing ({n}); {has}; {tried}", ""},

	// Of people.
	"online":         {"online", ""},
	"away":           {"away", ""},
	"role.owner":     {"owner", ""},
	"role.deputy":    {"deputy", ""},
	"role.member":    {"member", ""},
	"role.none":      {"not a member", ""},
	"can.approve":    {"let people in who ask", ""},
	"can.kick":       {"remove people", ""},
	"can.rotate":     {"replace the key", ""},
	"can.invite":     {"invite people", ""},
	"verified.true":  {"verified", ""},
	"verified.false": {"not verified", "compare the number by voice or side by side, not over this conversation; if it differs, somebody stands between you"},
	"alike":          {"another has a name like this", "look at the fingerprint"},
	"alike.mark":     {"(alike)", "look at the fingerprint"},
	"sign.online":    {"●", ""},
	"sign.away":      {"○", ""},
	"sign.owner":     {"★", ""},
	"sign.deputy":    {"◆", ""},
	"sign.verified":  {"✔", ""},
	"sign.alike":     {"≈", ""},
	"reader.message": {"has the message", ""},
	"reader.key":     {"has the key", ""},
	"reader.none":    {"could be handed the key", ""},
	"reader.out":     {"is out since", ""},
	"reader.later":   {"came later", ""},
	"near.none":      {"no group with you", ""},
	"near.shared":    {"in {who}", ""},

	// Of coming in.
	"join.requested":   {"asked; waiting for the answer", ""},
	"join.kept":        {"asked; kept by a member for those who may approve", ""},
	"join.joined":      {"joined", ""},
	"join.declined":    {"declined", ""},
	"join.withdrawn":   {"taken back", ""},
	"request.pending":  {"wants to join", ""},
	"request.approved": {"approved", ""},
	"request.declined": {"declined", ""},
	"invite.pending":   {"not in reach yet; they are told once they are", ""},
	"invite.delivered": {"they have been told", ""},
	"invite.joined":    {"a member already", ""},
	"invite.withdrawn": {"taken back", ""},
	"outside.out":      {"left, or was removed", ""},
	"outside.banned":   {"banned", ""},
	"outside.invited":  {"invited; has not come", ""},
	"link.asking":      {"asking; somebody approves", ""},
	"link.one":         {"1 person, let in by any member", ""},
	"link.preapproved": {"{n} people, let in by any member", ""},
	"linked.open":      {"open", ""},
	"linked.revoked":   {"revoked", ""},
	"linked.used up":   {"used up", "make a new one"},
	"linked.retired":   {"ended by a removal", "make a new one"},
	"linked.expired":   {"expired", "make a new one"},

	// Of a message.
	"delivery.plain":    {"sent PLAIN: anyone relaying can read it", ""},
	"delivery.sealed":   {"sent, sealed under {key}", ""},
	"delivery.held":     {"held: kept here, waiting for a key", ""},
	"delivery.open":     {"open", ""},
	"message.received":  {"received", ""},
	"message.sent":      {"sent", ""},
	"message.delivered": {"delivered", ""},
	"message.held":      {"held", ""},
	"held":              {"held", ""},
	"held.off":          {"encryption was switched off; the line stays here until it is on again", ""},
	"held.first":        {"waiting for the other person's first key", ""},
	"held.comparing":    {"this node has just started: it compares its log with a member's first", ""},
	"held.moment":       {"waiting a moment for key {n}", ""},
	"held.key":          {"waiting for key {n}", ""},
	"delivered.all":     {"with everyone that it is for", ""},
	"delivered.some":    {"so far with {n} of {of}", ""},
	"sign.sent":         {"✓", ""},
	"sign.some":         {"✓ {n}/{of}", ""},
	"sign.delivered":    {"✓✓", ""},

	// Of the node.
	"finding.ok":      {"ok", ""},
	"finding.wait":    {"WAIT", "it mends itself"},
	"finding.act":     {"ACT", ""},
	"repair.sound":    {"everything can be read, nothing was changed", ""},
	"repair.repaired": {"repaired", ""},
}

// Table yields what is said of every state, by its key.
func Table() iter.Seq2[string, Said] { return maps.All(table) }

// Say is what is said of a state, with names and values filled in.
func Say(key string, values ...string) string {
	text := table[key].Words
	if len(values) == 0 {
		return text
	}
	filled := make([]string, len(values))
	for i, v := range values {
		filled[i] = v
		if i%2 == 0 {
			filled[i] = "{" + v + "}"
		}
	}
	return strings.NewReplacer(filled...).Replace(text)
}

// Hint is what a person can do about a state, "" where that is nothing.
func Hint(key string) string { return table[key].Hint }

// State is what is said of a state as the API names it; one that is not known,
// of a newer node, speaks for itself.
func State(of, name string) string {
	if s, ok := table[of+"."+name]; ok {
		return s.Words
	}
	return Line(name)
}
