package screen

import (
	"strings"

	"conclave/node/api/words"
)

// help lists the keys.
func help() [][2]string {
	return [][2]string{
		{"enter", "send; until then nothing leaves this computer"},
		{"ctrl+j, alt+enter", "a new line in the message"},
		{"ctrl+p", "send the next line PLAIN: anyone relaying can read it"},
		{"ctrl+y", "approve the request, accept the invitation"},
		{"ctrl+n", "decline the request, put the invitation aside"},
		{"ctrl+v", "safety number of who asks; else choose a member"},
		{"tab, shift+tab", "the next group, the one before"},
		{"pgup, pgdown", "scroll; on an empty line also up and down"},
		{"ctrl+g", "to the newest line"},
		{"ctrl+f", "search what you may read of this group"},
		{"ctrl+o", "unfold a long message, fold it again"},
		{"f2", "members: presence, role, key, verified"},
		{"f3", "groups"},
		{"? or f1", "this help"},
		{"/", "commands: invite, kick, name, keys …; /help lists them"},
		{"ctrl+c, ctrl+d", "leave the screen; your groups go on"},
		{"", ""},
		{"✓", "has left; ✓✓ is with everyone it is for; ✓ 2/5 so far"},
		{"held", "kept here, not sent; the reason stands below it"},
		{"⋯", "missing, or cannot be read, and why"},
		{"● ○", "online, away; ★ owner, ◆ deputy, ✔ verified by you"},
		{"≈", "a name that could be taken for another: look at the ·fingerprint"},
		{"▸ !", "the open group; one whose encryption is off"},
		{"plain", "a line with its own background: not encrypted"},
	}
}

// wideRows are the rows of what takes the whole width.
func (m *model) wideRows() []string {
	n, head := m.width, " keys and signs"
	list := help()
	switch m.over.kind {
	case "answer":
		rows := []string{m.look.chosen.Render(fill(" "+settle(m.over.name)+" · c copies, esc", n))}
		return append(rows, wrap(m.over.answer, n)...)
	case "commands":
		head, list = " commands", nil
		for _, c := range m.commands {
			list = append(list, [2]string{"/" + c.Use, c.About})
		}
	}
	return tableRows(append([][2]string{{head, "up, down, esc"}}, list...), n, m.look)
}

// tableRows are two columns, or where there is no room for that one below the
// other; the first row is a heading.
func tableRows(list [][2]string, n int, look palette) []string {
	const keyWide = 24
	rows := []string{look.chosen.Render(fill(list[0][0]+" · "+list[0][1], n))}
	for _, h := range list[1:] {
		if n < 2*keyWide {
			rows = append(rows, look.chosen.Render(clip(" "+h[0], n)))
			for _, r := range wrap(h[1], n-3) {
				rows = append(rows, "   "+r)
			}
			continue
		}
		head := " " + fill(h[0], keyWide)
		for i, r := range wrap(h[1], n-keyWide-2) {
			if i > 0 {
				head = strings.Repeat(" ", keyWide+1)
			}
			rows = append(rows, head+r)
		}
	}
	return rows
}

// scrolled is what is seen of rows, and that there are more.
func (m *model) scrolled(rows []string, height int) []string {
	rows = rows[min(m.over.scroll, len(rows)):]
	if len(rows) > height {
		rows = append(rows[:height-1:height-1], m.look.faint.Render(" ↓ more"))
	}
	return rows
}

// peoplePanel lists the members to choose from.
func (m *model) peoplePanel(n int) []string {
	rows := []string{m.look.chosen.Render(fill(" members · v: safety number · esc", n)), ""}
	for _, p := range m.people {
		if p.Self {
			rows = append(rows, "  "+m.personRow(p, min(n-2, 60), m.alike[p.PeerID]))
		}
	}
	others := m.others()
	from := max(0, m.over.scroll-m.bodyHeight()/3)
	for i, p := range others[from:min(len(others), from+m.height)] {
		mark := "  "
		if from+i == m.over.scroll {
			mark = "▸ "
		}
		rows = append(rows, mark+m.personRow(p, min(n-2, 60), m.alike[p.PeerID]))
		about := []string{words.Online(p.Online), words.Role(p.Role)}
		if m.info.E2EE {
			about = append(about, words.Key(p.Epoch))
		}
		if p.Verified {
			about = append(about, words.Verified(true))
		}
		for _, r := range wrap(strings.Join(about, " · "), n-5) {
			rows = append(rows, m.look.faint.Render("     "+r))
		}
	}
	return rows
}

// verifyPanel shows the number that both compare, by voice or side by side.
func (m *model) verifyPanel(n int) []string {
	v := m.over.number.v
	if v.SafetyNumber == "" {
		return []string{m.look.chosen.Render(fill(" safety number with "+m.over.name+" …", n))}
	}
	rows := []string{m.look.chosen.Render(fill(" safety number with "+m.over.name, n)), ""}
	for _, r := range wrap(words.Line(v.SafetyNumber), min(n-2, 36)) {
		rows = append(rows, "  "+r)
	}
	text := "The other person sees the same number (`conclave verify` with your peer ID, or ctrl+v here). Compare it by voice or side by side, not over this conversation. If it differs, somebody stands between you."
	end := "ctrl+y: we compared them, they are the same · esc: not yet"
	if v.Verified {
		end = words.Say("sign.verified") + " " + words.Verified(true) + " · esc"
	}
	for _, t := range []string{"", end, "", text} {
		for _, r := range wrap(t, n-2) {
			rows = append(rows, " "+r)
		}
	}
	return rows
}

// emptyPanel is the manual of who has no group yet.
func (m *model) emptyPanel(n int) []string {
	text := []string{"", "No group is open."}
	switch {
	case m.ask != nil:
		whom := words.Fingerprint(m.ask.Peer)
		if strings.HasPrefix(m.ask.Peer, "conclave:") {
			whom = "somebody who can let you in by this link"
		}
		text = []string{"", "Looking for " + whom + " …"}
	case m.waitFor != "":
		text = []string{"", "Asked to join; waiting for the answer.", "", "Whoever decides sees " + words.Who(value(m.self.Name), m.me) + " and your fingerprint, to compare with you:", "", words.Line(m.self.Fingerprint)}
		if m.self.Name == nil {
			text = append(text, "", "You have no name yet: /name NAME")
		}
	case len(m.groups) == 0:
		text = []string{"", "No group yet. Create one:", "", "  /create NAME", "", "or ask to be let into one:", "", "  /join PEER_ID/NAME", "", "Others reach you by your peer ID:", "", m.me}
	}
	var rows []string
	for _, t := range text {
		for _, r := range wrap(t, n-2) {
			rows = append(rows, " "+r)
		}
	}
	return rows
}
