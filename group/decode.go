package group

import (
	"fmt"

	"conclave/keys"
)

// Verified is a record that Decode has checked: size, canonical form, group,
// fields and signature. Only Decode and DecodeRange make one, so nothing
// unchecked can reach a Machine.
type Verified struct {
	Payload []byte // as received: kind byte and record. Never changed.
	Hash    Hash   // of the record's body
	skipped bool   // its own signature was not checked, a later one covers it
	v       any    // *Entry, *Msg, *Chunk, *Report, *Summary or keys.Bundle
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
	case *Summary:
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

// ReadMessage is DecodeOwn for a message that a Batch had stored.
func ReadMessage(gid Hash, payload []byte, ord uint64, sigSkipped bool) (StoredMessage, error) {
	v, err := DecodeOwn(gid, payload)
	if err != nil {
		return StoredMessage{}, err
	}
	if v.Msg() == nil {
		return StoredMessage{}, ErrBody
	}
	v.skipped = sigSkipped
	return v.stored(ord), nil
}

// stored is a message with its exact ord.
func (v Verified) stored(ord uint64) StoredMessage {
	x := v.Msg()
	return StoredMessage{
		Author: x.Author, Lane: x.Lane, Seq: x.Seq, Hash: v.Hash, Ord: ord,
		Payload: v.Payload, SigSkipped: v.skipped, msg: x, size: uint32(len(v.Payload)),
	}
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
	case KindSummary:
		return keys.LabelSummary
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
	case KindSummary:
		s := new(Summary)
		return s, decodeInto(gid, body, s, &s.GID, s.check)
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
