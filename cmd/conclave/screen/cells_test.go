package screen

import (
	"strings"
	"testing"

	"conclave/node/api/words"
)

func TestSettle(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                            "plain",
		"世界":                               "世界",
		"e\u0301te":                        "e\u0301te",
		"\U0001f469\u200d\U0001f680":       "\U0001f469\U0001f680",
		"\U0001f44d\U0001f3fd":             "\U0001f44d",
		"\u2764\ufe0f":                     "\u2764",
		"a" + strings.Repeat("\u0301", 40): "a" + strings.Repeat("\u0301", 4),
	} {
		got := settle(in)
		if got != want {
			t.Errorf("settle(%q) = %q, want %q", in, got, want)
		}
		if !agreed(got) {
			t.Errorf("%q is counted in two ways", got)
		}
	}
}

func FuzzSettledRowsFit(f *testing.F) {
	f.Add("hello world", 10)
	f.Add("\U0001f469\u200d\U0001f680世界e\u0301\u0301\u0301\u0301\u0301\u0301", 3)
	f.Add("\u0e33\u1100\u1161\u11a8 \U0001f1e9\U0001f1ea\U0001f1e9", 4)
	f.Fuzz(func(t *testing.T, s string, n int) {
		if n < 2 || n > 200 {
			return
		}
		s = settle(words.Text(s, ""))
		if !agreed(s) {
			t.Fatalf("%q is counted in two ways", s)
		}
		for _, row := range wrap(s, n) {
			if cells(row) > n || !agreed(" "+row) {
				t.Fatalf("%q takes %d of %d columns", row, cells(row), n)
			}
		}
		if c := clip(strings.ReplaceAll(s, "\n", " "), n); cells(c) > n {
			t.Fatalf("%q takes %d of %d columns", c, cells(c), n)
		}
	})
}

func TestWrap(t *testing.T) {
	for _, w := range []struct {
		in   string
		n    int
		want string
	}{
		{"", 5, ""}, {"one two three", 7, "one two|three"}, {"abcdefgh ij", 3, "abc|def|gh|ij"}, {"世界 你好世", 4, "世界|你好|世"},
		{"  indented text", 8, " |indented|text"}, {"a\n\nb", 5, "a||b"}, {"世界", 1, "世|界"}, {"exactly eight", 7, "exactly|eight"},
	} {
		if got := strings.Join(wrap(w.in, w.n), "|"); got != w.want {
			t.Errorf("wrap(%q, %d) = %q, want %q", w.in, w.n, got, w.want)
		}
	}
	if rows := wrap(strings.Repeat("x", 1<<20), 40); len(rows) != 1<<20/40+1 {
		t.Errorf("a megabyte wraps into %d rows", len(rows))
	}
}
