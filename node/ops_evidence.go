package node

import (
	"context"
	"errors"
	"fmt"

	"conclave/group"
	"conclave/keys"
)

// Alarm is one line of `group show` and of `evidence export`: somebody signed two
// different things under one number, which an honest node never does. A home that
// was copied, or rolled back, does the same.
type Alarm struct {
	PeerID string  `json:"peer_id"`
	Name   string  `json:"name"`
	Log    string  `json:"log"` // control, messages, keys; unknown: found by an older version
	Lane   uint64  `json:"lane"`
	Seq    uint64  `json:"seq"`
	Says   string  `json:"says"`
	Hint   *string `json:"hint"` // what to do; null where nothing is left to do
}

// shownAlarms words alarms. Only called from the loop.
func (r *room) shownAlarms(m *group.Machine, found []alarm) (out []Alarm) {
	for _, a := range found {
		x := Alarm{PeerID: a.author.String(), Name: m.Name(a.author), Log: a.logName(), Lane: a.lane, Seq: a.seq, Says: person(m, a.author) + " " + a.says()}
		if hint := r.advice(m, a.author); hint != "" {
			x.Hint = &hint
		}
		out = append(out, x)
	}
	return out
}

// Evidence answers `evidence export`.
type Evidence struct {
	GroupID  string  `json:"group_id"`
	Evidence *string `json:"evidence"` // the file; null where nobody signed twice
	Forks    []Fault `json:"forks"`
}

// Fault is one line of `evidence verify`: what a pair of records proves.
type Fault struct {
	GroupID string `json:"group_id"`
	PeerID  string `json:"peer_id"`
	Log     string `json:"log"` // control, messages, keys
	Lane    uint64 `json:"lane"`
	Seq     uint64 `json:"seq"`
	Says    string `json:"says"`
	First   Signed `json:"first"`
	Second  Signed `json:"second"`
}

// Signed is one of the two records.
type Signed struct {
	Hash  string  `json:"hash"`
	What  string  `json:"what"` // type of entry, message or envelopes
	Time  *string `json:"time"` // as its author claims
	Plain bool    `json:"plain"`
}

// Evidence collects the proofs that a group's members signed twice, of everyone
// or of one person, into one file.
func (n *Node) Evidence(ctx context.Context, ref, peer string) (Evidence, error) {
	r, err := n.findGroup(ctx, ref)
	if err != nil {
		return Evidence{}, err
	}
	var of *keys.PeerID
	if peer != "" {
		var found error
		if err := r.look(ctx, func(m *group.Machine) {
			p, err := findPeer(m, m.Everyone(), peer)
			of, found = &p, err
		}); err != nil || found != nil {
			return Evidence{}, errors.Join(err, found)
		}
	}
	all, err := r.disk.alarms(false)
	if err != nil {
		return Evidence{}, diskError(err)
	}
	out := Evidence{GroupID: r.gid.String(), Forks: []Fault{}}
	forks, unproved := r.disk.forks(all, of)
	switch {
	case len(forks) == 0 && unproved > 0:
		return out, &Error{Kind: KindError, Message: "the proof is not whole here: the signature of one of the records was spoilt on its way here", Hint: "ask another member for `conclave evidence export`"}
	case len(forks) == 0:
		return out, nil
	case len(forks) > group.MaxForks:
		return out, &Error{Kind: KindUsage, Message: fmt.Sprintf("there are more than %d proofs", group.MaxForks), Hint: "name one person: `conclave evidence export GROUP --of PEER`"}
	}
	text, err := group.EncodeEvidence(r.gid, forks)
	if err != nil {
		return out, err
	}
	out.Evidence = ptr(string(text))
	out.Forks, err = VerifyEvidence(text) // as whoever gets it will
	return out, err
}

// forks picks the proofs, of one person where of is set, and counts the alarms
// that have none.
func (d *disk) forks(all []alarm, of *keys.PeerID) (forks []group.Fork, unproved int) {
	for _, a := range all {
		if of != nil && a.author != *of {
			continue
		}
		if f, ok := d.fork(a); ok {
			forks = append(forks, f)
		} else {
			unproved++
		}
	}
	return forks, unproved
}

// VerifyEvidence checks a file of evidence, wherever it is from. No node need run.
func VerifyEvidence(text []byte) ([]Fault, error) {
	gid, forks, err := group.ParseEvidence(text)
	if err != nil {
		return nil, fileError("evidence", err)
	}
	out := []Fault{}
	for _, f := range forks {
		at := place{f.Author, f.Lane, f.Seq, f.Kind}
		out = append(out, Fault{
			GroupID: gid.String(), PeerID: f.Author.String(), Log: at.logName(), Lane: f.Lane, Seq: f.Seq, Says: at.says(),
			First: signedBy(f.A), Second: signedBy(f.B),
		})
	}
	return out, nil
}

func signedBy(c group.Claim) Signed {
	s := Signed{Hash: c.Hash.String(), What: "envelopes", Plain: c.Plain}
	switch group.Kind(c.Payload[0]) {
	case group.KindEntry:
		s.What = c.Type.String()
	case group.KindMessage:
		s.What = "message"
	}
	if c.Time > 0 {
		s.Time = timeText(c.Time)
	}
	return s
}

// fileError says why a file proves nothing.
func fileError(what string, err error) error {
	e := &Error{Kind: KindError, Message: "this file proves nothing: " + err.Error(), Hint: "a byte of it was changed, or it never was true; ask for it again"}
	switch {
	case errors.Is(err, group.ErrUnknown):
		e.Message, e.Hint = "this "+what+" has a form that is not known here", "it was written by a newer conclave: use that version"
	case errors.Is(err, group.ErrSize):
		e.Message = "this is no " + what + ": it is empty, or too large"
	case errors.Is(err, group.ErrEncoding):
		e.Message = "this is no " + what + ", or a byte of it was changed"
	}
	return e
}
