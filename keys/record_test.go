package keys

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// labels returns the value of every constant of type Label in record.go, so
// that none can be added past the test below.
func labels(t *testing.T) (all []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "record.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == "Label" {
			s, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
		return true
	})
	return all
}

func TestNoLabelIsPrefixOfAnother(t *testing.T) {
	all := labels(t)
	if len(all) != 11 {
		t.Errorf("%d labels: %v", len(all), all)
	}
	for i, a := range all {
		if a == "" || strings.Contains(a, "\x00") {
			t.Errorf("label %q", a)
		}
		for j, b := range all {
			if i != j && strings.HasPrefix(b, a) {
				t.Errorf("%q is a prefix of %q", a, b)
			}
		}
	}
}

func TestRecordRoundTrip(t *testing.T) {
	id, gid := testIdentity(1), testHash(9)
	for _, n := range []int{0, 1, 23, 24, 255, 256, 65535, 65536} {
		rec := id.Sign(LabelEntry, gid, bytes.Repeat([]byte{5}, n))
		got, err := DecodeRecord(rec.Encode())
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if !bytes.Equal(got.Body, rec.Body) || !bytes.Equal(got.Sig, rec.Sig) || got.Hash() != Sum(rec.Body) {
			t.Errorf("%d bytes: differs", n)
		}
		if err := got.Verify(LabelEntry, gid, id.PeerID()); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestRecordSharesNoMemory(t *testing.T) {
	wire := testIdentity(1).Sign(LabelEntry, Hash{}, []byte("body")).Encode()
	rec, err := DecodeRecord(wire)
	if err != nil {
		t.Fatal(err)
	}
	clear(wire)
	if err := rec.Verify(LabelEntry, Hash{}, testIdentity(1).PeerID()); err != nil {
		t.Error(err)
	}
}

func TestVerifyBindsEverything(t *testing.T) {
	id, gid := testIdentity(1), testHash(9)
	rec := id.Sign(LabelEntry, gid, []byte("body"))
	for _, l := range labels(t) {
		if err := rec.Verify(Label(l), gid, id.PeerID()); (err == nil) != (l == string(LabelEntry)) {
			t.Errorf("label %s: %v", l, err)
		}
	}
	if err := rec.Verify(LabelEntry, testHash(8), id.PeerID()); !errors.Is(err, ErrSignature) {
		t.Errorf("other group: %v", err)
	}
	if err := rec.Verify(LabelEntry, gid, testIdentity(2).PeerID()); !errors.Is(err, ErrSignature) {
		t.Errorf("other author: %v", err)
	}
	for _, sig := range [][]byte{nil, {}, rec.Sig[:63], append(slices.Clone(rec.Sig), 0), make([]byte, 64)} {
		if err := (Record{rec.Body, sig}).Verify(LabelEntry, gid, id.PeerID()); !errors.Is(err, ErrSignature) {
			t.Errorf("signature of %d bytes: %v", len(sig), err)
		}
	}
}

// TestVerifyRefusesSecondSignature adds the group order to S, which gives
// another number with the same meaning: not accepted, or else one record would
// have two wire forms that anybody could make.
func TestVerifyRefusesSecondSignature(t *testing.T) {
	id := testIdentity(1)
	rec := id.Sign(LabelEntry, Hash{}, []byte("body"))
	s := slices.Clone(rec.Sig[32:])
	slices.Reverse(s)
	sum := new(big.Int).Add(new(big.Int).SetBytes(s), curveOrder).FillBytes(make([]byte, 32))
	slices.Reverse(sum)
	rec.Sig = append(slices.Clone(rec.Sig[:32]), sum...)
	if err := rec.Verify(LabelEntry, Hash{}, id.PeerID()); !errors.Is(err, ErrSignature) {
		t.Errorf("got %v", err)
	}
}

// TestAbuse_MM07_RecordBits flips every bit of a signed record on the wire.
func TestAbuse_MM07_RecordBits(t *testing.T) {
	id := testIdentity(1)
	wire := id.Sign(LabelMessage, testHash(1), []byte("hello")).Encode()
	for i := range 8 * len(wire) {
		bad := flip(wire, i)
		rec, err := DecodeRecord(bad)
		if err == nil {
			err = rec.Verify(LabelMessage, testHash(1), id.PeerID())
		}
		if !errors.Is(err, ErrNotCanonical) && !errors.Is(err, ErrSignature) {
			t.Errorf("bit %d: %v", i, err)
		}
	}
}

// TestAbuse_MM08_RecordLength cuts a record short everywhere and makes it
// longer.
func TestAbuse_MM08_RecordLength(t *testing.T) {
	wire := testIdentity(1).Sign(LabelMessage, testHash(1), []byte("hello")).Encode()
	for n := range len(wire) {
		if _, err := DecodeRecord(wire[:n]); !errors.Is(err, ErrNotCanonical) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for _, tail := range []string{"\x00", "\xf6", "\xff", string(wire)} {
		if _, err := DecodeRecord([]byte(string(wire) + tail)); !errors.Is(err, ErrNotCanonical) {
			t.Errorf("tail %x: %v", tail, err)
		}
	}
}

func TestDecodeRecordRefuses(t *testing.T) {
	sig := string(make([]byte, 64))
	for name, c := range map[string]struct {
		wire string
		want error
	}{
		"empty":             {"", ErrNotCanonical},
		"null":              {"\xf6", ErrNotCanonical},
		"one field":         {"\x81\x41a", ErrNotCanonical},
		"three fields":      {"\x83\x41a\x58\x40" + sig + "\x00", ErrNotCanonical},
		"map":               {"\xa2\x64Body\x41a\x63Sig\x58\x40" + sig, ErrNotCanonical},
		"indefinite array":  {"\x9f\x41a\x58\x40" + sig + "\xff", ErrNotCanonical},
		"indefinite string": {"\x82\x5f\x41a\xff\x58\x40" + sig, ErrNotCanonical},
		"long array head":   {"\x98\x02\x41a\x58\x40" + sig, ErrNotCanonical},
		"long string head":  {"\x82\x58\x01a\x58\x40" + sig, ErrNotCanonical},
		"tag":               {"\x82\xd8\x18\x41a\x58\x40" + sig, ErrNotCanonical},
		"self-described":    {"\xd9\xd9\xf7\x82\x41a\x58\x40" + sig, ErrNotCanonical},
		"text body":         {"\x82\x61a\x58\x40" + sig, ErrNotCanonical},
		"null body":         {"\x82\xf6\x58\x40" + sig, ErrNotCanonical},
		"body as array":     {"\x82\x81\x01\x58\x40" + sig, ErrNotCanonical},
		"length beyond end": {"\x82\x5b\x7f\xff\xff\xff\xff\xff\xff\xffa", ErrNotCanonical},
		"huge array":        {"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff", ErrNotCanonical},
		"deep":              {strings.Repeat("\x81", 1<<16), ErrNotCanonical},
		"no signature":      {"\x82\x41a\x40", ErrSignature},
		"63 byte signature": {"\x82\x41a\x58\x3f" + sig[1:], ErrSignature},
		"65 byte signature": {"\x82\x41a\x58\x41" + sig + "\x00", ErrSignature},
	} {
		rec, err := DecodeRecord([]byte(c.wire))
		if !errors.Is(err, c.want) || rec.Body != nil || rec.Sig != nil {
			t.Errorf("%s: %v, %v", name, rec, err)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(testIdentity(1).Sign(LabelEntry, Hash{}, []byte("body")).Encode())
	f.Add([]byte("\x82\x58\x01a\x58\x40"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, err := DecodeRecord(b)
		if err != nil {
			if !errors.Is(err, ErrNotCanonical) && !errors.Is(err, ErrSignature) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(rec.Encode(), b) {
			t.Fatalf("%x encodes as %x", b, rec.Encode())
		}
		if err := rec.Verify(LabelJoin, Hash{}, testIdentity(1).PeerID()); err == nil {
			t.Fatalf("forged: %x", b)
		}
	})
}

// flip returns b with bit i turned over.
func flip(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i/8] ^= 1 << (i % 8)
	return b
}
