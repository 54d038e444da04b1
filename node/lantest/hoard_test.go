package lantest

import (
	"bytes"
	"fmt"
	"sync"
	"time"

	"conclave/group"
	"conclave/keys"

	"github.com/fxamacker/cbor/v2"
)

// hoard keeps all that a foul node was ever sent: the records, the keys, the
// epochs, and tries each key on each record again whenever there is more.
type hoard struct {
	gid    keys.Hash
	self   *keys.Identity
	seeds  map[keys.Hash]keys.Secret // private halves by the bundle's hash
	bundle []byte                    // one that it can open envelopes to

	mu       sync.Mutex
	keys     map[keys.Secret]bool
	messages map[keys.Hash]*group.Msg // nil once it is read
	entries  map[keys.Hash]bool
	epochs   map[keys.Hash]keys.EnvelopeInfo // by commitment: what an envelope is bound to
	known    map[keys.Hash]bool              // epochs that it asks for
	sealed   map[string]bool                 // envelopes
	tried    map[string]bool                 // envelope, epoch and private half
	frames   int
	bytes    int
}

// newHoard takes over a home: its identity, its keys and its bundles. A bundle
// of its own making comes on top.
func newHoard(home, gid string) *hoard {
	h := &hoard{
		seeds: map[keys.Hash]keys.Secret{}, keys: map[keys.Secret]bool{}, messages: map[keys.Hash]*group.Msg{},
		entries: map[keys.Hash]bool{}, epochs: map[keys.Hash]keys.EnvelopeInfo{}, known: map[keys.Hash]bool{}, sealed: map[string]bool{}, tried: map[string]bool{},
	}
	var err error
	h.gid, err = keys.ParseHash(gid)
	must(err)
	self, bag := homeOf(home)
	h.self = self
	for eid, k := range bag.RoomKeys(h.gid) {
		h.keys[k], h.known[eid] = true, true
	}
	for hash, b := range bag.Bundles() {
		h.seeds[hash] = b.Seed
	}
	mine, seed, err := keys.GenerateBundle(self, uint64(time.Now().UnixMilli()))
	must(err)
	h.seeds[mine.Hash()], h.bundle = seed, mine.Raw()
	return h
}

func (h *hoard) know(eid keys.Hash) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known[eid] = true
}

// eids lists the epochs that it has heard of, as they are asked for.
func (h *hoard) eids() [][]byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := [][]byte{}
	for eid := range h.known {
		if len(out) < 64 {
			out = append(out, eid[:])
		}
	}
	return out
}

// size is how many frames and bytes it was sent, and how many messages, control
// entries and keys it has.
func (h *hoard) size() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return fmt.Sprint(h.frames, " ", h.bytes, " ", len(h.messages), " ", len(h.entries), " ", len(h.keys))
}

// take looks through bytes that it was sent. It prints "raw" where a line that
// it must not read is there as it is, "read LINE" for each line that one of its
// keys opens, and "entry TYPE" and "envelope" for what is new to it.
func (h *hoard) take(b []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.frames++
	h.bytes += len(b)
	if bytes.Contains(b, []byte(secretLine)) {
		say("raw", fmt.Sprintf("%q", b))
	}
	h.dig(b)
	h.tryAll()
}

// dig finds records and envelopes in bytes, and in the CBOR that they may be.
func (h *hoard) dig(b []byte) {
	if v, err := group.Decode(h.gid, b); err == nil {
		h.keep(v)
		return
	}
	if len(b) == keys.EnvelopeSize {
		if !h.sealed[string(b)] {
			say("envelope")
		}
		h.sealed[string(b)] = true
	}
	var x any
	for rest := b; len(rest) > 0; {
		var err error
		if rest, err = cbor.UnmarshalFirst(rest, &x); err != nil {
			return
		}
		h.walk(x)
	}
}

func (h *hoard) walk(x any) {
	switch x := x.(type) {
	case []byte:
		h.dig(x)
	case []any:
		for _, y := range x {
			h.walk(y)
		}
	}
}

// keep takes a record in: a message to be read, envelopes to be opened, an epoch
// whose key to ask for.
func (h *hoard) keep(v group.Verified) {
	if m := v.Msg(); m != nil {
		if _, had := h.messages[v.Hash]; !had {
			h.messages[v.Hash] = m
		}
	}
	if c := v.Chunk(); c != nil {
		info := keys.EnvelopeInfo{GID: h.gid, Minter: c.Minter, Member: h.self.PeerID(),
			Ectx: keys.EnvelopeContext(h.gid, c.Minter, c.Lane, c.Seq, c.KC)}
		h.epochs[c.KC] = info
		for _, e := range c.Envelopes {
			h.sealed[string(e.Data)] = true
		}
	}
	e := v.Entry()
	if e == nil {
		return
	}
	if !h.entries[v.Hash] {
		say("entry", e.Type)
	}
	h.entries[v.Hash] = true
	var body group.Epoch
	if e.Type != group.TypeEpoch || keys.Unmarshal(e.Body, &body) != nil {
		return
	}
	h.known[v.Hash] = true
	h.epochs[body.KC] = keys.EnvelopeInfo{GID: h.gid, Minter: e.Author, Member: h.self.PeerID(),
		Ectx: keys.EnvelopeContext(h.gid, e.Author, e.Lane, e.Seq, body.KC)}
}

// tryAll tries every private half on every envelope, and every key on every
// message that is not read yet.
func (h *hoard) tryAll() {
	for env := range h.sealed {
		for kc, info := range h.epochs {
			for hash, seed := range h.seeds {
				h.tryEnvelope(env, kc, hash, info, seed)
			}
		}
	}
	for hash, m := range h.messages {
		if m == nil {
			continue
		}
		for k := range h.keys {
			if items, err := m.Items(k); err == nil {
				h.messages[hash] = nil
				for _, it := range items {
					say("read", it.Text)
				}
				break
			}
		}
	}
}

func (h *hoard) tryEnvelope(env string, kc, bundle keys.Hash, info keys.EnvelopeInfo, seed keys.Secret) {
	try := env + string(kc[:]) + string(bundle[:])
	if h.tried[try] {
		return
	}
	h.tried[try] = true
	info.Bundle = bundle
	if k, err := keys.OpenEnvelope(seed, info, []byte(env)); err == nil {
		h.keys[k] = true
	}
}
