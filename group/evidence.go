package group

import (
	"bytes"
	"cmp"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"conclave/keys"
)

// ErrNoProof is the answer to a file that does not prove what it says.
var ErrNoProof = errors.New("group: this proves nothing")

// Limits of a file of evidence.
const (
	MaxEvidence  = 16 << 20 // bytes, as text
	MaxForks     = 64       // pairs of records
	evidenceForm = 1
	evidenceText = "CONCLAVE EVIDENCE"
)

// Fork is what two records of one person prove: two different ones under one
// number, or, of kind KindChunk, two commitments to one room key.
type Fork struct {
	Author    PeerID
	Kind      Kind // KindEntry: control log; KindMessage: messages; KindChunk: keys
	Lane, Seq uint64
	A, B      Claim // in the order of their hashes
}

// Claim is one of the two records.
type Claim struct {
	Hash    Hash
	Type    Type   // of a control entry, else 0
	Time    uint64 // Unix milliseconds, as claimed; 0 where the record names none
	KC      Hash   // commitment to a room key, of an EPOCH and a chunk
	Plain   bool   // a message whose text anyone can read
	Payload []byte
	Cover   [][]byte // what follows it in its log, up to a good signature, where its own is none
}

// VerifyFork checks the proof that one person of group gid signed two different
// records under one number of one log, or two commitments to the key of one
// epoch. It needs nothing but the records: each alone, or, where its own signature
// is not good, with those that follow it in its log, up to one whose is. Errors:
// those of DecodeRange, ErrNoProof where they prove nothing.
// (PROTOCOL.md, "Equivocation")
func VerifyFork(gid Hash, a, b [][]byte) (Fork, error) {
	x, err := signedFirst(gid, a)
	if err != nil {
		return Fork{}, err
	}
	y, err := signedFirst(gid, b)
	if err != nil {
		return Fork{}, err
	}
	if y.Hash.Compare(x.Hash) < 0 {
		x, y, a, b = y, x, b, a
	}
	at, ok := forkedAt(x, y)
	if !ok {
		return Fork{}, ErrNoProof
	}
	return Fork{Author: at.author, Kind: at.kind, Lane: at.lane, Seq: at.seq, A: claimOf(x, a[1:]), B: claimOf(y, b[1:])}, nil
}

// signedFirst returns the first record of a range, which is no longer than its
// signatures ask for.
func signedFirst(gid Hash, payloads [][]byte) (Verified, error) {
	if len(payloads) == 0 {
		return Verified{}, ErrNoProof
	}
	vs, err := DecodeRange(gid, payloads)
	if err != nil {
		return Verified{}, err
	}
	for _, p := range payloads[:len(payloads)-1] {
		if _, err := Decode(gid, p); err == nil {
			return Verified{}, ErrNoProof
		}
	}
	return vs[0], nil
}

// forkedAt returns the place under which both records stand, of which an honest
// person signs one.
func forkedAt(x, y Verified) (link, bool) {
	if x.Hash == y.Hash {
		return link{}, false
	}
	at, _ := x.link()
	if other, _ := y.link(); at.seq > 0 && at == other {
		return at, true
	}
	keyed, kc := x.keyAt()
	other, otherKC := y.keyAt()
	return keyed, keyed == other && kc != otherKC
}

// keyAt returns the place of the EPOCH that the record belongs to, and the
// commitment to its key. Records of no EPOCH have seq 0.
func (v Verified) keyAt() (link, Hash) {
	if c := v.Chunk(); c != nil {
		return link{KindChunk, c.Minter, c.Lane, c.Seq}, c.KC
	}
	if e := v.Entry(); e != nil {
		if b, is := e.body.(*Epoch); is {
			return link{KindChunk, e.Author, e.Lane, e.Seq}, b.KC
		}
	}
	return link{}, Hash{}
}

func claimOf(v Verified, cover [][]byte) Claim {
	c := Claim{Hash: v.Hash, Payload: v.Payload, Cover: cover}
	_, c.KC = v.keyAt()
	if e := v.Entry(); e != nil {
		c.Type, c.Time = e.Type, e.Time
	}
	if x := v.Msg(); x != nil {
		c.Time, c.Plain = x.Time, len(x.EID) == 0
	}
	return c
}

// signed is the record with what its signature rests on.
func (c Claim) signed() [][]byte { return append([][]byte{c.Payload}, c.Cover...) }

// compare puts forks in the order in which a file has them.
func (f Fork) compare(o Fork) int {
	return cmp.Or(f.Author.Compare(o.Author), cmp.Compare(f.Kind, o.Kind), cmp.Compare(f.Lane, o.Lane),
		cmp.Compare(f.Seq, o.Seq), f.A.Hash.Compare(o.A.Hash), f.B.Hash.Compare(o.B.Hash))
}

// evidence is the file's content.
type evidence struct {
	_     struct{} `cbor:",toarray"`
	Form  uint64
	GID   Hash
	Pairs []evidencePair
}

type evidencePair struct {
	_    struct{} `cbor:",toarray"`
	A, B [][]byte
}

// EncodeEvidence writes forks of group gid as a file that ParseEvidence reads,
// wherever that is. The same forks give the same bytes, in whatever order they
// come. Errors: those of VerifyFork, ErrSize for none or too many.
// (PROTOCOL.md, "Evidence")
func EncodeEvidence(gid Hash, forks []Fork) ([]byte, error) {
	sorted := make([]Fork, len(forks))
	for i, f := range forks {
		var err error
		if sorted[i], err = VerifyFork(gid, f.A.signed(), f.B.signed()); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(sorted, Fork.compare)
	sorted = slices.CompactFunc(sorted, func(a, b Fork) bool { return a.compare(b) == 0 })
	if len(sorted) == 0 || len(sorted) > MaxForks {
		return nil, ErrSize
	}
	file := evidence{Form: evidenceForm, GID: gid}
	for _, f := range sorted {
		file.Pairs = append(file.Pairs, evidencePair{A: f.A.signed(), B: f.B.signed()})
	}
	return armour(evidenceText, file), nil
}

// ParseEvidence reads what EncodeEvidence wrote, and nothing else, and checks
// every pair in it. It needs to know nothing of the group. Errors: ErrSize,
// ErrEncoding, ErrUnknown for a newer form, those of VerifyFork.
// (PROTOCOL.md, "Evidence")
func ParseEvidence(text []byte) (gid Hash, forks []Fork, err error) {
	if len(text) > MaxEvidence {
		return Hash{}, nil, ErrSize
	}
	var file evidence
	if err := unarmour(evidenceText, evidenceForm, text, &file); err != nil {
		return Hash{}, nil, err
	}
	if len(file.Pairs) == 0 || len(file.Pairs) > MaxForks {
		return Hash{}, nil, ErrSize
	}
	for i, p := range file.Pairs {
		f, err := VerifyFork(file.GID, p.A, p.B)
		if err != nil {
			return Hash{}, nil, fmt.Errorf("pair %d: %w", i+1, err)
		}
		if !bytes.Equal(f.A.Payload, p.A[0]) || i > 0 && forks[i-1].compare(f) >= 0 {
			return Hash{}, nil, fmt.Errorf("pair %d: %w: out of order", i+1, ErrEncoding)
		}
		forks = append(forks, f)
	}
	return file.GID, forks, nil
}

// armour writes v as text between two lines that say what it is (RFC 7468).
func armour(kind string, v any) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: keys.Marshal(v)})
}

// unarmour fills v, a pointer to a struct whose first field is the form, from
// what armour wrote. Other spellings of the same bytes are refused, but for line
// ends of two characters, which a text is given on its way.
func unarmour(kind string, form uint64, text []byte, v any) error {
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	block, _ := pem.Decode(text)
	if block == nil || !bytes.Equal(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: block.Bytes}), text) {
		return ErrEncoding
	}
	if f, ok := formOf(block.Bytes); ok && f != form {
		return fmt.Errorf("%w: form %d", ErrUnknown, f)
	}
	if err := keys.Unmarshal(block.Bytes, v); err != nil {
		return fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	return nil
}

// formOf reads the first element of an encoded array, where that is a small
// number: what follows it in another form is not for this code to read.
func formOf(b []byte) (uint64, bool) {
	const array, small = 0x80, 24
	if len(b) < 2 || b[0]&0xe0 != array || b[0]&0x1f >= small || b[1] >= small {
		return 0, false
	}
	return uint64(b[1]), true
}
