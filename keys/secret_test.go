package keys

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"testing"
)

// holder has secrets wherever a struct can have them and fmt can still call
// their methods.
type holder struct {
	S  Secret
	P  *Secret
	L  []Secret
	A  [1]Secret
	M  map[string]Secret
	ID *Identity
	I  any
}

// quiet has an Identity where fmt can call no method.
type quiet struct {
	id  *Identity
	val Identity
}

func newHolder() holder {
	s := Secret(bytes.Repeat([]byte{0xab}, 32))
	return holder{s, &s, []Secret{s}, [1]Secret{s}, map[string]Secret{"k": s}, IdentityFromSeed(s), s}
}

// leaks reports whether out holds a run of the secret's bytes in any form fmt
// or an encoder could have given them.
func leaks(out string) bool {
	for _, form := range []string{"171", "abab", "ABAB", "\xab\xab", `\xab`, `\u00ab`, "0xab", "253", "10101011", "q6ur"} {
		if strings.Contains(out, form) {
			return true
		}
	}
	return false
}

// leaksRun is leaks for output that holds addresses too, whose digits may be
// those of one or two bytes of the secret.
func leaksRun(out string) bool {
	for _, form := range []string{"171 171 171", "abababab", "ABABABAB", "\xab\xab", `\xab`, "0xab, 0xab", "253 253 253", "q6urq6ur"} {
		if strings.Contains(out, form) {
			return true
		}
	}
	return false
}

func TestSecretsNeverPrint(t *testing.T) {
	h := newHolder()
	values := map[string]any{
		"secret": h.S, "pointer": h.P, "slice": h.L, "array": h.A, "map": h.M, "identity": h.ID,
		"identity value": *h.ID, "struct": h, "struct pointer": &h, "key": map[Secret]int{h.S: 1},
	}
	for name, v := range values {
		for _, verb := range "vTsqxXdobBcUeEfFgGtOz" {
			for _, flags := range []string{"", "+", "#", "-", " ", "0", "100", ".3", "+#"} {
				format := "%" + flags + string(verb)
				if out := fmt.Sprintf(format, v); leaks(out) {
					t.Errorf("%s under %s: %s", name, format, out)
				}
			}
		}
		if out := fmt.Sprint(v) + fmt.Sprintln(v); leaks(out) || !strings.Contains(out, "secret") {
			t.Errorf("%s: %s", name, out)
		}
		if out := fmt.Sprintf("%[2]d %[3]d %!", []any{v, v}...); leaks(out) {
			t.Errorf("%s under a wrong format: %s", name, out)
		}
	}
	for _, out := range []string{fmt.Sprintf("%v", h.S), fmt.Sprintf("%x", h.S), fmt.Sprintf("%#v", h.ID), h.S.String(), h.ID.String()} {
		if out != "secret" {
			t.Errorf("got %q", out)
		}
	}
	q := quiet{h.ID, *h.ID}
	if out := fmt.Sprintf("%v %+v %#v %d %x", []any{q, q, &q, q, &q}...); leaksRun(out) {
		t.Errorf("identity in an unexported field: %s", out)
	}
}

func TestSecretsNeverLogged(t *testing.T) {
	h := newHolder()
	var out bytes.Buffer
	timeless := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{} // its digits may be those of the secret
		}
		return a
	}}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, timeless), slog.NewJSONHandler(&out, timeless)} {
		l := slog.New(handler)
		l.With("with", h.S).Info("m", "s", h.S, "p", h.P, "id", h.ID, "value", *h.ID, "h", h.L, slog.Group("g", "s", h.S))
		l.Info("struct", "h", h)
		l.Error("err", "err", fmt.Errorf("sealing with %v", h.S))
	}
	log.New(&out, "", 0).Print(h.S, h.ID, h)
	if leaks(out.String()) || strings.Count(out.String(), "secret") < 12 {
		t.Errorf("logged:\n%s", out.String())
	}
}

func TestSecretsNeverEncoded(t *testing.T) {
	h := newHolder()
	b, err := json.Marshal(h)
	if err != nil || leaks(string(b)) || !bytes.Contains(b, []byte(`"S":"secret","P":"secret","L":["secret"]`)) || !bytes.Contains(b, []byte(`"ID":"secret"`)) {
		t.Errorf("JSON: %s, %v", b, err)
	}
	b, err = json.Marshal(map[Secret]int{h.S: 1})
	if err != nil || string(b) != `{"secret":1}` {
		t.Errorf("JSON key: %s, %v", b, err)
	}
	type element struct{ S Secret }
	b, err = xml.Marshal(element{h.S})
	if err != nil || string(b) != "<element><S>secret</S></element>" {
		t.Errorf("XML: %s, %v", b, err)
	}
	for _, v := range []any{h.S, h.P, h.ID, *h.ID, h.L} {
		if b, err := encMode.Marshal(v); !errors.Is(err, ErrSecret) || len(b) != 0 {
			t.Errorf("CBOR of %T: %x, %v", v, b, err)
		}
	}
	if b := Marshal([32]byte(h.S)); len(b) != 34 || !bytes.Equal(b[2:], h.S[:]) {
		t.Errorf("CBOR after conversion: %x", b)
	}
}

func TestSecretsNeverDecoded(t *testing.T) {
	var s Secret
	if err := json.Unmarshal([]byte(`"secret"`), &s); !errors.Is(err, ErrSecret) {
		t.Errorf("JSON: %v", err)
	}
	if err := Unmarshal(Marshal([32]byte{1}), &s); !errors.Is(err, ErrNotCanonical) || !s.IsZero() {
		t.Errorf("CBOR: %v", err)
	}
}

func TestSecretEqualErase(t *testing.T) {
	a, b := Secret{1}, Secret{1, 31: 2}
	if a.Equal(b) || !a.Equal(a) || a.IsZero() {
		t.Error("Equal is wrong")
	}
	a.Erase()
	if !a.IsZero() || a != (Secret{}) {
		t.Error("Erase left bytes")
	}
}

func TestDerive(t *testing.T) {
	seen := map[[32]byte]string{}
	for _, s := range []Secret{{1}, {2}} {
		for _, label := range []string{"", "room key", "salt"} {
			for _, n := range []uint64{0, 1, 1 << 56} {
				name := fmt.Sprint(s[0], label, n)
				out := Derive(s, label, n)
				if other, ok := seen[out]; ok {
					t.Errorf("%s and %s agree", name, other)
				}
				seen[out] = name
				if out != Derive(s, label, n) {
					t.Errorf("%s differs from itself", name)
				}
			}
		}
	}
}
