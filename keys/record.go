package keys

import (
	"crypto/ed25519"
	"fmt"
)

// Label says what kind of record a signature is for, so that none can be
// passed off as another. No label is a prefix of another.
type Label string

// The labels of all records.
const (
	LabelEntry   Label = "entry"
	LabelMessage Label = "message"
	LabelBundle  Label = "bundle"
	LabelJoin    Label = "join"
	LabelAnswer  Label = "answer"
	LabelChunk   Label = "chunk"
	LabelOffer   Label = "offer"
	LabelAccept  Label = "accept"
	LabelReport  Label = "report"
	LabelSummary Label = "summary"
	LabelProof   Label = "proof"
)

// Record is a signed body as it travels: CBOR [body bstr, sig bstr(64)]. The
// body is canonical CBOR whose first field is the gid; it is hashed, verified,
// stored and sent as the bytes that were received, never encoded again.
type Record struct {
	Body, Sig []byte
}

// wireRecord is a Record as CBOR.
type wireRecord struct {
	_    struct{} `cbor:",toarray"`
	Body []byte
	Sig  []byte
}

// Encode returns the wire form.
func (r Record) Encode() []byte { return Marshal(wireRecord{Body: r.Body, Sig: r.Sig}) }

// DecodeRecord reads the wire form, and nothing else: trailing bytes and other
// encodings of the same record are refused. What it returns shares no memory
// with b and is not verified yet. Errors: ErrNotCanonical, ErrSignature for a
// signature that is not 64 bytes.
func DecodeRecord(b []byte) (Record, error) {
	var w wireRecord
	if err := Unmarshal(b, &w); err != nil {
		return Record{}, fmt.Errorf("decode record: %w", err)
	}
	if len(w.Sig) != ed25519.SignatureSize {
		return Record{}, fmt.Errorf("decode record: %w of %d bytes", ErrSignature, len(w.Sig))
	}
	return Record{Body: w.Body, Sig: w.Sig}, nil
}

// Hash returns the hash of the body. The signature is never part of a name:
// who signs could make two of them for one body.
func (r Record) Hash() Hash { return Sum(r.Body) }

// Verify checks that author signed r as a record of kind l in the group gid.
// Errors: ErrPeerID for an author that Check refuses, ErrSignature.
func (r Record) Verify(l Label, gid Hash, author PeerID) error {
	if err := author.Check(); err != nil {
		return fmt.Errorf("verify %s: %w", l, err)
	}
	if !ed25519.Verify(author[:], signingInput(l, gid, r.Body), r.Sig) {
		return fmt.Errorf("verify %s: %w", l, ErrSignature)
	}
	return nil
}

// signingInput is "conclave/1 " || label || 0x00 || gid || H(body).
func signingInput(l Label, gid Hash, body []byte) []byte {
	h := Sum(body)
	in := append([]byte("conclave/1 "+string(l)+"\x00"), gid[:]...)
	return append(in, h[:]...)
}
