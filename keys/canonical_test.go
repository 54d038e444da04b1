package keys

import (
	"bytes"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// shape has one field of every kind that records use.
type shape struct {
	_    struct{} `cbor:",toarray"`
	Hash Hash
	N    uint64
	I    int64
	B    []byte
	S    string
	Ok   bool
	L    []inner
	Opt  *Hash
	Tag  [8]byte
}

type inner struct {
	_ struct{} `cbor:",toarray"`
	P PeerID
	N uint64
}

func newShape() shape {
	h := testHash(2)
	return shape{Hash: testHash(1), N: 1 << 40, I: -3, B: []byte{1, 2}, S: "é", Ok: true, L: []inner{{P: testIdentity(1).PeerID(), N: 5}}, Opt: &h, Tag: [8]byte{9}}
}

func TestMarshalRoundTrip(t *testing.T) {
	full, empty := newShape(), shape{B: []byte{}, L: []inner{}}
	for _, want := range []shape{full, empty} {
		var got shape
		if err := Unmarshal(Marshal(want), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	if a, b := Marshal(shape{}), Marshal(empty); !bytes.Equal(a, b) {
		t.Errorf("nil slices: %x, empty ones: %x", a, b)
	}
}

// TestMarshalBytes spells out one encoding, byte by byte.
func TestMarshalBytes(t *testing.T) {
	v := struct {
		_ struct{} `cbor:",toarray"`
		A [2]byte
		N uint64
		B []byte
		P *Hash
		M map[string]uint64
	}{A: [2]byte{1, 2}, N: 24, M: map[string]uint64{"b": 2, "a": 1, "aa": 3}}
	const want = "\x85\x42\x01\x02\x18\x18\x40\xf6\xa3\x61a\x01\x61b\x02\x62aa\x03"
	if got := Marshal(v); string(got) != want {
		t.Errorf("%x, want %x", got, want)
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	type pair struct {
		_ struct{} `cbor:",toarray"`
		A uint64
		B []byte
	}
	type fixed struct {
		_ struct{} `cbor:",toarray"`
		T [2]byte
	}
	type named struct {
		A uint64 `cbor:"a"`
		B uint64 `cbor:"b"`
	}
	type optional struct {
		_ struct{} `cbor:",toarray"`
		P *uint64
	}
	for name, c := range map[string]struct {
		b string
		v any
	}{
		"nothing":              {"", new(pair)},
		"trailing byte":        {"\x82\x01\x40\x00", new(pair)},
		"field missing":        {"\x81\x01", new(pair)},
		"field too many":       {"\x83\x01\x40\x00", new(pair)},
		"long integer":         {"\x82\x18\x01\x40", new(pair)},
		"longer integer":       {"\x82\x1b\x00\x00\x00\x00\x00\x00\x00\x01\x40", new(pair)},
		"float for integer":    {"\x82\xf9\x3c\x00\x40", new(pair)},
		"negative":             {"\x82\x20\x40", new(pair)},
		"long string head":     {"\x82\x01\x58\x00", new(pair)},
		"long array head":      {"\x98\x02\x01\x40", new(pair)},
		"indefinite array":     {"\x9f\x01\x40\xff", new(pair)},
		"indefinite bytes":     {"\x82\x01\x5f\x40\xff", new(pair)},
		"tag":                  {"\xc1\x82\x01\x40", new(pair)},
		"inner tag":            {"\x82\xc1\x01\x40", new(pair)},
		"bignum":               {"\x82\xc2\x41\x01\x40", new(pair)},
		"null integer":         {"\x82\xf6\x40", new(pair)},
		"null bytes":           {"\x82\x01\xf6", new(pair)},
		"undefined bytes":      {"\x82\x01\xf7", new(pair)},
		"array for bytes":      {"\x82\x01\x81\x01", new(pair)},
		"text for bytes":       {"\x82\x01\x61a", new(pair)},
		"map for array":        {"\xa2\x61A\x01\x61B\x40", new(pair)},
		"short fixed bytes":    {"\x81\x41\x01", new(fixed)},
		"long fixed bytes":     {"\x81\x43\x01\x02\x03", new(fixed)},
		"array for fixed":      {"\x81\x82\x01\x02", new(fixed)},
		"null fixed bytes":     {"\x81\xf6", new(fixed)},
		"keys not sorted":      {"\xa2\x61b\x02\x61a\x01", new(named)},
		"key twice":            {"\xa2\x61a\x01\x61a\x01", new(named)},
		"key missing":          {"\xa1\x61a\x01", new(named)},
		"key unknown":          {"\xa3\x61a\x01\x61b\x02\x61c\x03", new(named)},
		"key of other case":    {"\xa2\x61A\x01\x61b\x02", new(named)},
		"undefined pointer":    {"\x81\xf7", new(optional)},
		"text not UTF-8":       {"\x62\xc3\x28", new(string)},
		"bytes for text":       {"\x41a", new(string)},
		"long float":           {"\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00", new(any)},
		"other NaN":            {"\xf9\x7e\x01", new(any)},
		"unsorted any":         {"\xa2\x61b\x02\x61a\x01", new(any)},
		"simple value, 2 byte": {"\xf8\x18", new(any)},
		"reserved":             {"\x1c", new(any)},
		"break":                {"\xff", new(any)},
		"too many elements":    {"\x99\x10\x01" + strings.Repeat("\x00", 4097), new([]uint64)},
		"too deep":             {strings.Repeat("\x81", 13) + "\x00", new(any)},
		"not a pointer":        {"\x01", uint64(0)},
		"into a secret":        {"\x58\x20" + strings.Repeat("a", 32), new(Secret)},
	} {
		if err := Unmarshal([]byte(c.b), c.v); !errors.Is(err, ErrNotCanonical) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUnmarshalLimits wants what is just within the limits accepted, and what
// is just beyond refused.
func TestUnmarshalLimits(t *testing.T) {
	list := func(n int) any { return make([]uint64, n) }
	pairs := func(n int) any {
		m := map[uint64]uint64{}
		for i := range n {
			m[uint64(i)] = 0
		}
		return m
	}
	deep := func(n int) (v any) {
		for v = 0; n > 0; n-- {
			v = []any{v}
		}
		return v
	}
	for _, c := range []struct {
		name string
		of   func(int) any
		most int
	}{{"elements", list, 4096}, {"pairs", pairs, 64}, {"levels", deep, 12}} {
		if err := Unmarshal(Marshal(c.of(c.most)), new(any)); err != nil {
			t.Errorf("%d %s: %v", c.most, c.name, err)
		}
		if err := Unmarshal(Marshal(c.of(c.most+1)), new(any)); !errors.Is(err, ErrNotCanonical) {
			t.Errorf("%d %s: %v", c.most+1, c.name, err)
		}
	}
}

// TestDecoderAloneRefuses holds the decoder to what it can see by itself: the
// comparison of bytes is the second line, not the only one.
func TestDecoderAloneRefuses(t *testing.T) {
	type named struct {
		A uint64 `cbor:"a"`
	}
	for name, c := range map[string]struct {
		b string
		v any
	}{
		"tag":               {"\xd8\x18\x41a", new(any)},
		"bignum":            {"\xc2\x41\x01", new(any)},
		"time":              {"\xc1\x01", new(any)},
		"key twice":         {"\xa2\x61a\x01\x61a\x02", new(map[string]uint64)},
		"key unknown":       {"\xa2\x61a\x01\x61b\x02", new(named)},
		"key of other case": {"\xa1\x61A\x01", new(named)},
		"indefinite":        {"\x9f\xff", new(any)},
	} {
		if err := decMode.Unmarshal([]byte(c.b), c.v); err == nil {
			t.Errorf("%s: decoded", name)
		}
	}
}

// stubborn would be something else on the wire if its methods were asked.
type stubborn [2]byte

func (stubborn) MarshalBinary() ([]byte, error)  { return nil, errors.New("asked") }
func (*stubborn) UnmarshalBinary(b []byte) error { return errors.New("asked") }

func TestMethodsDoNotChangeTheWire(t *testing.T) {
	var got stubborn
	b, err := encMode.Marshal(stubborn{1, 2})
	if err != nil || string(b) != "\x42\x01\x02" {
		t.Errorf("encoded %x, %v", b, err)
	}
	if err := Unmarshal([]byte("\x42\x01\x02"), &got); err != nil || got != (stubborn{1, 2}) {
		t.Errorf("decoded %v, %v", got, err)
	}
}

// TestAbuse_MM08_Shape cuts a record with every kind of field short everywhere,
// and flips each of its bits: refused, or canonical as it stands.
func TestAbuse_MM08_Shape(t *testing.T) {
	b := Marshal(newShape())
	for n := range len(b) {
		if err := Unmarshal(b[:n], new(shape)); !errors.Is(err, ErrNotCanonical) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for i := range 8 * len(b) {
		bad := flip(b, i)
		var got shape
		if err := Unmarshal(bad, &got); err == nil && !bytes.Equal(Marshal(got), bad) {
			t.Errorf("bit %d: two encodings of one value", i)
		}
	}
}

func TestMarshalPanicsOnProgramErrors(t *testing.T) {
	for _, v := range []any{Secret{1}, struct{ S Secret }{}, make(chan int), func() {}, new(big.Int).Lsh(big.NewInt(1), 80), cbor.Tag{Number: 1, Content: 1}} {
		func() {
			defer func() {
				if r := recover(); r == nil {
					t.Errorf("%T: no panic", v)
				} else if leaks(r.(string)) {
					t.Errorf("%T: %v", v, r)
				}
			}()
			Marshal(v)
		}()
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add(Marshal(newShape()))
	f.Add(Marshal(shape{}))
	f.Add([]byte("\xa2\x61a\x01\x61b\x02"))
	f.Add([]byte("\x9b\x00\x00\x00\x01\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, v := range []any{new(shape), new(any), new([]inner), new(map[string][]byte), new(wireRecord)} {
			err := Unmarshal(b, v)
			if err != nil && !errors.Is(err, ErrNotCanonical) {
				t.Fatal(err)
			}
			if err == nil && !bytes.Equal(Marshal(v), b) {
				t.Fatalf("%x decodes as %+v, which is %x", b, v, Marshal(v))
			}
		}
	})
}
