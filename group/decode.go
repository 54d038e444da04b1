package group

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"conclave/keys"
)

// Verified is a record that Decode has checked: size, canonical form, group,
// fields and signature. Only Decode and DecodeRange make one, so nothing
// unchecked can reach a Machine.
type Verified struct {
	Payload []byte // as received: kind byte and record. Never changed.
	Hash    Hash   // of the record's body
	skipped bool   // its own signature was not checked, a later one covers it
	v       any    // *Entry, *Msg, *Chunk, *Report or keys.Bundle
}

// Kind returns the kind of the record.
func (v Verified) Kind() Kind { return Kind(v.Payload[0]) }

// Author returns who signed the record.
func (v Verified) Author() PeerID {
	switch r := v.v.(type) {
	case *Entry:
		return r.Author
	case *Msg:
		return r.Author
	case *Chunk:
		return r.Minter
	case *Report:
		return r.Author
	case keys.Bundle:
		return r.Peer
	}
	return PeerID{}
}

// SigSkipped reports whether the record came in a range of which only the last
// signature was checked.
func (v Verified) SigSkipped() bool { return v.skipped }

// Msg returns the message, or nil where the record is of another kind. It must
// not be changed.
func (v Verified) Msg() *Msg { m, _ := v.v.(*Msg); return m }

// Entry returns the control entry, or nil where the record is of another kind.
// It must not be changed.
func (v Verified) Entry() *Entry { e, _ := v.v.(*Entry); return e }

// Chunk returns the chunk of envelopes, or nil. It must not be changed.
func (v Verified) Chunk() *Chunk { c, _ := v.v.(*Chunk); return c }

// Decode checks one payload of group gid and its signature. It is a pure
// function, safe on any goroutine. Errors: ErrSize, ErrEncoding, ErrGroup,
// ErrBody, ErrUnknown, keys.ErrSignature. (PROTOCOL.md, "Payloads")
func Decode(gid Hash, payload []byte) (Verified, error) {
	v, rec, err := parse(gid, payload)
	if err != nil {
		return Verified{}, err
	}
	if v.Kind() != KindBundle { // keys.ParseBundle has checked it
		if err := rec.Verify(v.label(), v.signedGID(gid), v.Author()); err != nil {
			return Verified{}, err
		}
	}
	return v, nil
}

// DecodeRange checks a contiguous range of one log of group gid, oldest first:
// each record names the one before it by hash, so the signature of the last
// covers all. All or nothing. (PROTOCOL.md, "Catch-up")
func DecodeRange(gid Hash, payloads [][]byte) ([]Verified, error) {
	if len(payloads) == 0 {
		return nil, nil
	}
	out := make([]Verified, 0, len(payloads))
	for i, p := range payloads[:len(payloads)-1] {
		v, _, err := parse(gid, p)
		if err != nil {
			return nil, fmt.Errorf("record %d of range: %w", i, err)
		}
		v.skipped = true
		out = append(out, v)
	}
	last, err := Decode(gid, payloads[len(payloads)-1])
	if err != nil {
		return nil, err
	}
	out = append(out, last)
	for i := 1; i < len(out); i++ {
		if !follows(out[i-1], out[i]) {
			return nil, fmt.Errorf("record %d of range: %w", i, ErrDependency)
		}
	}
	return out, nil
}

// DecodeOwn reads a payload back from this node's own sealed store, where
// Decode has let it in before: the signature is not checked a second time.
func DecodeOwn(gid Hash, payload []byte) (Verified, error) {
	v, _, err := parse(gid, payload)
	return v, err
}

// VerifyFork checks the proof that one person signed two records under one
// number of one log of group gid, and returns who. It needs nothing but the
// records. Errors: those of Decode, ErrDependency where they prove nothing.
// (PROTOCOL.md, "Equivocation")
func VerifyFork(gid Hash, a, b []byte) (PeerID, error) {
	x, err := Decode(gid, a)
	if err != nil {
		return PeerID{}, err
	}
	y, err := Decode(gid, b)
	if err != nil {
		return PeerID{}, err
	}
	at, _ := x.link()
	if other, _ := y.link(); at.seq == 0 || at != other || x.Hash == y.Hash {
		return PeerID{}, ErrDependency
	}
	return at.author, nil
}

// link is a record's place in its author's log.
type link struct {
	kind      Kind
	author    PeerID
	lane, seq uint64
}

// link returns the record's place and what it names as the one before. Records
// that stand in no log have seq 0.
func (v Verified) link() (at link, prev Hash) {
	switch r := v.v.(type) {
	case *Entry:
		return link{KindEntry, r.Author, r.Lane, r.Seq}, r.Prev
	case *Msg:
		return link{KindMessage, r.Author, r.Lane, r.Seq}, r.Prev
	}
	return link{}, Hash{}
}

// follows reports whether b is the next record of a's log.
func follows(a, b Verified) bool {
	at, _ := a.link()
	next, prev := b.link()
	at.seq++
	return next.seq > 1 && at == next && prev == a.Hash
}

func (v Verified) label() keys.Label {
	switch v.Kind() {
	case KindEntry:
		return keys.LabelEntry
	case KindMessage:
		return keys.LabelMessage
	case KindChunk:
		return keys.LabelChunk
	default:
		return keys.LabelReport
	}
}

// signedGID is the group that the signature names: a GENESIS cannot name the
// group that its own hash makes.
func (v Verified) signedGID(gid Hash) Hash {
	if e := v.Entry(); e != nil && e.Type == TypeGenesis {
		return Hash{}
	}
	return gid
}

func parse(gid Hash, payload []byte) (Verified, keys.Record, error) {
	if len(payload) > MaxPayload {
		return Verified{}, keys.Record{}, ErrSize
	}
	if len(payload) < 2 {
		return Verified{}, keys.Record{}, ErrEncoding
	}
	if Kind(payload[0]) == KindBundle {
		b, err := keys.ParseBundle(payload[1:])
		if err != nil {
			return Verified{}, keys.Record{}, fmt.Errorf("bundle: %w", err)
		}
		return Verified{Payload: payload, Hash: b.Hash(), v: b}, keys.Record{}, nil
	}
	rec, err := keys.DecodeRecord(payload[1:])
	if err != nil {
		return Verified{}, keys.Record{}, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	v := Verified{Payload: payload, Hash: rec.Hash()}
	v.v, err = parseBody(gid, v.Hash, Kind(payload[0]), rec.Body)
	if err != nil {
		return Verified{}, keys.Record{}, err
	}
	return v, rec, nil
}

func parseBody(gid, hash Hash, kind Kind, body []byte) (any, error) {
	switch kind {
	case KindEntry:
		return parseEntry(gid, hash, body)
	case KindMessage:
		m := new(Msg)
		return m, decodeInto(gid, body, m, &m.GID, m.check)
	case KindChunk:
		c := new(Chunk)
		return c, decodeInto(gid, body, c, &c.GID, c.check)
	case KindReport:
		r := new(Report)
		return r, decodeInto(gid, body, r, &r.GID, r.check)
	}
	return nil, ErrUnknown
}

// decodeInto fills dst from body, then checks the group and the fields.
func decodeInto(gid Hash, body []byte, dst any, got *Hash, check func() error) error {
	if err := keys.Unmarshal(body, dst); err != nil {
		return fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	if *got != gid {
		return ErrGroup
	}
	return check()
}

func parseEntry(gid, hash Hash, body []byte) (*Entry, error) {
	e := new(Entry)
	if err := keys.Unmarshal(body, e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	if e.Type == TypeGenesis {
		if e.GID != (Hash{}) || hash != gid {
			return nil, ErrGroup
		}
	} else if e.GID != gid {
		return nil, ErrGroup
	}
	e.body = newBody(e.Type)
	if e.body == nil {
		return nil, ErrUnknown
	}
	if err := keys.Unmarshal(e.Body, e.body); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrEncoding, e.Type, err)
	}
	return e, e.check()
}

func (e *Entry) check() error {
	switch {
	case e.Author.Check() != nil, e.Seq == 0, !sortedHeads(e.Seen):
		return ErrBody
	case e.Type == TypeGenesis && (e.Lane != 0 || e.Seq != 1 || e.Term != 1 || len(e.Seen) != 0):
		return ErrBody
	case e.Seq > 1 && e.Prev == (Hash{}), e.Seq == 1 && e.Lane == 0 && e.Prev != (Hash{}):
		return ErrBody
	}
	return checkBody(e.body)
}

func checkBody(body any) error {
	ok := true
	switch b := body.(type) {
	case *Genesis:
		ok = b.Settings.valid() && (len(b.Parent) == 0 || len(b.Parent) == 32) && (b.Settings.E2EE || !b.RequireE2EE)
	case *Set:
		ok = b.Settings.valid()
	case *Peer:
		ok = b.Peer.Check() == nil
	case *InviteLink:
		ok = b.Uses > 0
	case *Join:
		ok = b.Joiner.Check() == nil && len(b.Proof) == 64
	case *Leave:
		ok = sortedCuts(b.Cuts)
	case *Removal:
		ok = b.Peer.Check() == nil && sortedHashes(b.JIDs, MaxCuts) && sortedCuts(b.Cuts)
	case *Epoch:
		ok = b.valid()
	case *Grant:
		ok = b.Peer.Check() == nil && b.Caps != 0 && b.Caps&^allCaps == 0
	case *Revoke:
		ok = sortedCuts(b.Cuts)
	case *Transfer:
		ok = b.To.Check() == nil
	case *Profile:
		ok = ValidName(b.Name)
	case *Equiv:
		ok = len(b.A) <= MaxPayload && len(b.B) <= MaxPayload
	}
	if !ok {
		return ErrBody
	}
	return nil
}

func (s Settings) valid() bool {
	return ValidName(s.Name) && s.History <= HistoryAll && s.RotateBy <= RotateByOwner
}

func (b *Epoch) valid() bool {
	return b.Gen > 0 && sortedHashes(b.Parents, MaxParents) && sortedHashes(b.Acks, MaxAcks) &&
		b.Suite == Suite && b.History <= HistoryAll && b.Reason >= ReasonCreate && b.Reason <= ReasonCover
}

func (m *Msg) check() error {
	sealed := len(m.EID) == 32 && len(m.Salt) == 32 && len(m.Commit) == 32 && sealedLen(len(m.Data))
	plain := len(m.EID) == 0 && len(m.Salt) == 0 && len(m.Commit) == 0
	switch {
	case !sealed && !plain, m.Author.Check() != nil, m.Seq == 0, len(m.Deps) > MaxDeps:
		return ErrBody
	case m.Seq > 1 && m.Prev == (Hash{}), m.Seq == 1 && m.Lane == 0 && m.Prev != (Hash{}):
		return ErrBody
	case !sortedHeads(m.Deps), m.Ctrl != nil && !(sortedHeads(m.Ctrl.Seen) && sortedHashes(m.Ctrl.Acks, MaxAcks)):
		return ErrBody
	case m.Seq == 1 && m.Ctrl == nil:
		return ErrBody
	}
	if plain {
		_, err := decodeItems(m.Data)
		return err
	}
	return nil
}

// sealedLen reports whether n is the length of some ciphertext: others would
// say more about the text than its bucket.
func sealedLen(n int) bool {
	padded := n - sealOverhead
	return padded > 0 && keys.PaddedLen(padded-1) == padded
}

func (c *Chunk) check() error {
	for i, env := range c.Envelopes {
		if len(env.Data) != keys.EnvelopeSize || i > 0 && bytes.Compare(c.Envelopes[i-1].Tag[:], env.Tag[:]) >= 0 {
			return ErrBody
		}
	}
	if len(c.Envelopes) == 0 || c.Minter.Check() != nil {
		return ErrBody
	}
	return nil
}

func (r *Report) check() error {
	if len(r.Epochs) > MaxSeen || r.Author.Check() != nil {
		return ErrBody
	}
	return nil
}

func decodeItems(b []byte) ([]Item, error) {
	var items []Item
	if err := keys.Unmarshal(b, &items); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	if len(items) == 0 || len(items) > MaxItems {
		return nil, ErrBody
	}
	for _, it := range items {
		if len(it.Text) > MaxItemText || !utf8.ValidString(it.Text) {
			return nil, ErrBody
		}
	}
	return items, nil
}

// ValidName reports whether s can name a group or a person: 1 to 64 bytes of
// UTF-8 without control or bidi characters or slashes, no leading '-'.
func ValidName(s string) bool {
	if len(s) == 0 || len(s) > MaxNameBytes || !utf8.ValidString(s) || s[0] == '-' || strings.TrimSpace(s) != s {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r < 0x20 || r >= 0x7f && r < 0xa0 || r == '/' ||
			r == 0x061c || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2060 && r <= 0x206f || r == 0xfeff
	})
}

func compareHeads(a, b Head) int {
	return cmp.Or(a.Author.Compare(b.Author), cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Seq, b.Seq), bytes.Compare(a.Hash[:], b.Hash[:]))
}

// sortedHeads, sortedCuts and sortedHashes hold vectors to one order without
// repeats, so that one vector has one encoding.
func sortedHeads(hs []Head) bool {
	return len(hs) <= MaxSeen && ascending(hs, compareHeads)
}

func sortedCuts(cs []Cut) bool {
	return len(cs) <= MaxCuts && ascending(cs, compareCuts)
}

func compareCuts(a, b Cut) int {
	return cmp.Or(cmp.Compare(a.Log, b.Log), cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Seq, b.Seq), a.Hash.Compare(b.Hash))
}

func sortedHashes(hs []Hash, most int) bool {
	return len(hs) <= most && ascending(hs, Hash.Compare)
}

func ascending[T any](s []T, compare func(a, b T) int) bool {
	for i := 1; i < len(s); i++ {
		if compare(s[i-1], s[i]) >= 0 {
			return false
		}
	}
	return true
}

func sortHashes(hs []Hash) []Hash {
	slices.SortFunc(hs, Hash.Compare)
	return slices.Compact(hs)
}
