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

// check holds an entry to its fields' limits: what no other record can mend.
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
