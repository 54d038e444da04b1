package keys

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"
)

// note is a message with all it takes to open it.
type note struct {
	key                  Secret
	salt, header, commit Hash
	ct                   []byte
}

func newNote(text []byte) note {
	n := note{key: SenderKey(Secret{1}, testIdentity(1).PeerID()), salt: testHash(2), header: testHash(3)}
	n.commit, n.ct = SealMessage(n.key, n.salt, n.header, text)
	return n
}

func (n note) open() ([]byte, error) { return OpenMessage(n.key, n.salt, n.header, n.commit, n.ct) }

func TestMessageRoundTrip(t *testing.T) {
	for _, size := range []int{0, 1, 60, 126, 127, 128, 255, 256, 4095, 4096, 64000} {
		for _, fill := range []byte{0, 'x', padMark} {
			text := bytes.Repeat([]byte{fill}, size)
			n := newNote(text)
			if got, err := n.open(); err != nil || !bytes.Equal(got, text) {
				t.Errorf("%d of %x: got %d, %v", size, fill, len(got), err)
			}
			if len(n.ct) != PaddedLen(size)+chacha20poly1305.Overhead {
				t.Errorf("%d: ciphertext of %d", size, len(n.ct))
			}
		}
	}
}

func TestSealMessageKeepsPlaintext(t *testing.T) {
	text := make([]byte, 10, 4096)
	copy(text, "0123456789")
	newNote(text)
	if string(text) != "0123456789" || !bytes.Equal(text[:4096][10:], make([]byte, 4086)) {
		t.Error("the caller's memory was written to")
	}
}

func TestPaddedLen(t *testing.T) {
	for _, c := range []struct{ n, want int }{
		{0, 128}, {1, 128}, {127, 128}, {128, 256}, {255, 256}, {256, 512}, {511, 512}, {512, 1024}, {1023, 1024},
		{1024, 2048}, {2047, 2048}, {2048, 4096}, {4095, 4096}, {4096, 8192}, {8191, 8192}, {8192, 12288},
		{63999, 65536}, {64000, 65536}, {65535, 65536}, {65536, 69632},
	} {
		if got := PaddedLen(c.n); got != c.want {
			t.Errorf("PaddedLen(%d) = %d, want %d", c.n, got, c.want)
		}
	}
}

// TestAbuse_NO08_LengthBuckets seals texts of 1 to 60 bytes: one length.
func TestAbuse_NO08_LengthBuckets(t *testing.T) {
	lengths := map[int]int{}
	for i := range 200 {
		lengths[len(newNote(bytes.Repeat([]byte{'a'}, 1+i%60)).ct)]++
	}
	if len(lengths) != 1 || lengths[128+chacha20poly1305.Overhead] != 200 {
		t.Errorf("lengths %v", lengths)
	}
}

// TestAbuse_MM07_MessageBits flips every bit of everything a message is opened
// with.
func TestAbuse_MM07_MessageBits(t *testing.T) {
	n := newNote([]byte("hello"))
	for name, field := range map[string]func(*note) []byte{
		"sender key": func(n *note) []byte { return n.key[:] },
		"salt":       func(n *note) []byte { return n.salt[:] },
		"header":     func(n *note) []byte { return n.header[:] },
		"commitment": func(n *note) []byte { return n.commit[:] },
		"ciphertext": func(n *note) []byte { return n.ct },
	} {
		want := ErrCommitment
		if name == "ciphertext" {
			want = ErrOpen
		}
		for i := range 8 * len(field(&n)) {
			bad := n
			bad.ct = bytes.Clone(n.ct)
			field(&bad)[i/8] ^= 1 << (i % 8)
			if got, err := bad.open(); !errors.Is(err, want) || got != nil {
				t.Errorf("%s, bit %d: %q, %v", name, i, got, err)
			}
		}
	}
	if got, err := n.open(); err != nil || string(got) != "hello" {
		t.Errorf("unharmed: %q, %v", got, err)
	}
}

// TestAbuse_MM07_MessageMoved opens a message as another sender's and another
// epoch's.
func TestAbuse_MM07_MessageMoved(t *testing.T) {
	n := newNote([]byte("hello"))
	for name, key := range map[string]Secret{
		"sender": SenderKey(Secret{1}, testIdentity(2).PeerID()),
		"epoch":  SenderKey(Secret{2}, testIdentity(1).PeerID()),
	} {
		bad := n
		bad.key = key
		if got, err := bad.open(); !errors.Is(err, ErrCommitment) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestAbuse_MM08_MessageLength offers every shorter ciphertext and some longer.
func TestAbuse_MM08_MessageLength(t *testing.T) {
	n := newNote([]byte("hello"))
	for size := range len(n.ct) {
		bad := n
		bad.ct = n.ct[:size]
		if got, err := bad.open(); !errors.Is(err, ErrOpen) || got != nil {
			t.Errorf("%d bytes: %q, %v", size, got, err)
		}
	}
	for _, more := range []int{1, 16, 128} {
		bad := n
		bad.ct = append(bytes.Clone(n.ct), make([]byte, more)...)
		if got, err := bad.open(); !errors.Is(err, ErrOpen) || got != nil {
			t.Errorf("%d more: %q, %v", more, got, err)
		}
	}
}

// TestPaddingIsChecked seals, under the right key, what pad never writes.
func TestPaddingIsChecked(t *testing.T) {
	n := newNote(nil)
	k := newMessageKey(n.key, n.salt, n.header)
	aead, err := chacha20poly1305.New(k.key[:])
	if err != nil {
		t.Fatal(err)
	}
	zeros := func(n int) string { return string(make([]byte, n)) }
	for name, padded := range map[string]string{
		"empty":             "",
		"no mark":           zeros(128),
		"text alone":        string(bytes.Repeat([]byte{'x'}, 128)),
		"other mark":        "hi\x81" + zeros(125),
		"filler":            "hi\x80" + zeros(124) + "\x01",
		"below a bucket":    "hi\x80",
		"between buckets":   "hi\x80" + zeros(197),
		"larger bucket":     "hi\x80" + zeros(253),
		"much larger":       "hi\x80" + zeros(8189),
		"last byte of next": string(bytes.Repeat([]byte{'x'}, 127)) + "\x80" + zeros(128),
	} {
		bad := n
		bad.ct = aead.Seal(nil, k.nonce[:], []byte(padded), nil)
		if got, err := bad.open(); !errors.Is(err, ErrPadding) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestMessageKeyDependsOnAll wants key, nonce and commitment all new where any
// input is.
func TestMessageKeyDependsOnAll(t *testing.T) {
	base := newMessageKey(Secret{1}, testHash(2), testHash(3))
	for i, k := range []messageKey{
		newMessageKey(Secret{2}, testHash(2), testHash(3)),
		newMessageKey(Secret{1}, testHash(3), testHash(3)),
		newMessageKey(Secret{1}, testHash(2), testHash(2)),
		newMessageKey(Secret{1}, testHash(3), testHash(2)),
	} {
		if k.key == base.key || k.nonce == base.nonce || k.commit == base.commit {
			t.Errorf("input %d does not count", i)
		}
	}
}
