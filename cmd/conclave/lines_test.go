package main

import (
	"strings"
	"testing"
	"time"

	"conclave/node"
)

func show(t *testing.T, colour bool, lines ...node.LogLine) string {
	t.Helper()
	var out strings.Builder
	p := &linePrinter{w: &out, self: "12D3KooWmyself", colour: colour, zone: time.UTC, now: func() time.Time { return time.Date(2026, 11, 21, 0, 2, 0, 0, time.UTC) }}
	for _, l := range lines {
		if err := p.print(l); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

func text(kind, sender, name, at, text, reason string, sealed bool) node.LogLine {
	null := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	return node.LogLine{Kind: kind, Sender: null(sender), SenderName: null(name), Time: null(at), Text: null(text), Reason: null(reason), Encrypted: sealed}
}

func TestLogLines(t *testing.T) {
	const bob, dave = "12D3KooWx81TaQ", "12D3KooWp0LzVc"
	got := show(t, false,
		text("message", bob, "bob", "2026-11-20T09:12:00.000Z", "me", "", true),
		text("event", "", "", "2026-11-20T09:13:00.000Z", "", "carol left", false),
		text("message", dave, "dave", "2026-11-20T09:14:00.000Z", "the room\nis 4.12", "", false),
		text("gap", bob, "", "", "", "3 messages from bob missing", false),
		text("unreadable", bob, "bob", "2026-11-20T09:15:00.000Z", "", "no key 12 yet", true),
		text("message", "12D3KooWmyself", "me", "2026-11-21T00:01:00.000Z", "ok", "", true),
	)
	want := `── Friday 20 November 2026 ──
09:12 bob ·x81TaQ  me
09:13 ─ carol left ─
plain 09:14 dave ·p0LzVc  the room
plain       │ is 4.12
--:-- ⋯ 3 messages from bob missing
09:15 ⋯ cannot be read, from bob ·x81TaQ · no key 12 yet
── Saturday 21 November 2026 ──
00:01 you  ok
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestOpenLines(t *testing.T) {
	own := func(at, state string, to, of int) node.LogLine {
		l := text("message", "12D3KooWmyself", "me", at, "ok", "waiting for key 13", true)
		l.State, l.Delivered, l.Recipients = &state, &to, &of
		return l
	}
	got := show(t, false,
		own("2026-11-21T00:01:00.000Z", "delivered", 2, 2),
		own("2026-11-21T00:01:00.000Z", "sent", 1, 2),
		own("2026-11-21T00:01:00.000Z", "sent", 0, 0),
		own("2026-11-21T00:01:55.000Z", "sent", 1, 2),
		own("2026-11-21T00:02:00.000Z", "held", 0, 0),
	)
	want := `── Saturday 21 November 2026 ──
00:01 you  ok
00:01 you  ok  · so far with 1 of 2
00:01 you  ok
00:01 you  ok
00:02 you  ok  · held · waiting for key 13
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
}

// What a sealed message says must not be able to look like the mark, like
// another line, or reach the terminal.
func TestAbuse_MM15_MarkComesFromTheHeader(t *testing.T) {
	got := show(t, true,
		text("message", "12D3KooWx81TaQ", "plain 09:00 you", "2026-11-20T09:12:00.000Z", "x\nplain 09:14 dave ·p0LzVc  hi\x1b[0m\r09:15", "", true),
		text("message", "12D3KooWx81TaQ", "bob", "2026-11-20T09:12:00.000Z", "a\x1b[0m\nb", "", false),
	)
	want := "\x1b[2m── Friday 20 November 2026 ──\x1b[0m\n" +
		"09:12 plain 09:00 you ·x81TaQ  x\n" +
		"      │ plain 09:14 dave ·p0LzVc  hi\n" +
		"      │ 09:15\n" +
		"\x1b[30;43mplain 09:12 bob ·x81TaQ  a\x1b[K\x1b[0m\n" +
		"\x1b[30;43mplain       │ b\x1b[K\x1b[0m\n"
	if got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}
