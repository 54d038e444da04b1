package words

import (
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestAbuse_MM14_TextIsSanitised(t *testing.T) {
	for in, want := range map[string]string{
		"hello":                                "hello",
		"\x1b[31mred\x1b[0m":                   "red",
		"\x1b]52;c;aGVsbG8=\x07copied":         "copied",
		"\x1b]8;;http://x\x1b\\link":           "link",
		"\u009d52;c;x\u009cdone":               "done",
		"\u009b2Jgone":                         "gone",
		"\x1bcreset":                           "reset",
		"a\x00b\x7fc\u0085d":                   "abc\n| d",
		"one\ntwo\r\nthree":                    "one\n| two\n| three",
		"tail\n\n":                             "tail",
		"back\rover":                           "back\n| over",
		"page\fline\u2028sep\u2029par":         "page\n| line\n| sep\n| par",
		"tab\tstop":                            "tab stop",
		"left\u202eright\u2066iso\u2069\u200f": "leftrightiso",
		"zero\u200bwidth\ufeff":                "zerowidth",
		"\U0001f469\u200d\U0001f680":           "\U0001f469\u200d\U0001f680",
		"bad\xffbyte":                          "bad\ufffdbyte",
		"\x1b]0;never ends\nnext":              "\n| next",
		"\x1b":                                 "",
		"tag\U000e0041ged":                     "tagged",
		"hangul\u3164filler":                   "hangulfiller",
	} {
		if got := Text(in, "| "); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
	if got := Line(" a\nb\x1b[1mc "); got != "a bc" {
		t.Errorf("Line = %q", got)
	}
	if got := Text(strings.Repeat("\x1b]", 1<<19), ""); got != "" {
		t.Errorf("a megabyte of openings leaves %d bytes", len(got))
	}
}

func FuzzAbuse_MM14_NothingUnsafeIsShown(f *testing.F) {
	f.Add("\x1b[31mred\x1b]0;x\x07\u202e\xff")
	f.Add("\x1b\x1b[[\u009b\u009c;1m")
	f.Fuzz(func(t *testing.T, s string) {
		for _, out := range []string{Line(s), Text(s, "")} {
			if !utf8.ValidString(out) {
				t.Errorf("%q is not UTF-8", out)
			}
			for _, r := range out {
				if r != '\n' && r != 0x200c && r != 0x200d && unicode.In(r, unicode.Cc, unicode.Cf) {
					t.Errorf("%q holds %U", out, r)
				}
			}
		}
		if strings.Contains(Line(s), "\n") {
			t.Errorf("Line(%q) has a line break", s)
		}
	})
}

func TestAbuse_NM13_AlikeNamesAreFlagged(t *testing.T) {
	names := []string{"alice", "Alice", "аlice", "aIice", "a\u200dlice", "ａｌｉｃｅ", "bob", "carol", ""}
	want := []bool{true, true, true, true, true, true, false, false, false}
	if got := Alike(names); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	if got := Who("\x1b[1mbob\n", "12D3KooWx81TaQ"); got != "bob ·x81TaQ" {
		t.Errorf("Who = %q", got)
	}
	if got := Who("\u202e", "12D3KooWx81TaQ"); got != "·x81TaQ" {
		t.Errorf("a name of nothing: %q", got)
	}
}

func TestWords(t *testing.T) {
	three := uint64(3)
	for got, want := range map[string]string{
		Delivery("sent", &three, true): "sent, sealed under key 3",
		Delivery("sent", nil, false):   "sent PLAIN: anyone relaying can read it",
		Delivery("held", nil, true):    "held: kept here, waiting for a key",
		Sealed(false):                  "PLAIN",
		Key(nil):                       "no key yet",
		Marked("no"):                   "",
		Role("none"):                   "not a member",
		Count(1, "member", "members"):  "1 member",
		Count(2, "member", "members"):  "2 members",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
