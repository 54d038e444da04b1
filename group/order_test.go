package group

import (
	"bytes"
	"testing"

	"conclave/keys"
)

// The same inputs give the same bytes out: no answer depends on the order in
// which Go walks a map.
func TestAnswersDoNotDependOnMapOrder(t *testing.T) {
	var first [][]byte
	for try := range 8 {
		w := newWorld(t, settingsFor("team"), "alice", "bob", "carol", "dave", "erin")
		alice := w.all[0]
		for _, p := range w.all[1:] {
			w.admit(alice, p)
		}
		for _, p := range w.all {
			w.say(p, "hi")
		}
		miss, err := alice.MissingAt(w.all[1].me, Heights{})
		if err != nil {
			t.Fatal(err)
		}
		var order [][]byte
		for _, r := range miss.Records {
			v := w.decode(r)
			a := v.Author()
			order = append(order, append([]byte{r[0]}, a[:]...))
		}
		if try == 0 {
			first = order
		} else if !bytes.Equal(bytes.Join(first, nil), bytes.Join(order, nil)) {
			t.Fatal("MissingAt answers in another order")
		}
	}
}

// Keys that came before their epochs are kept in one order.
func TestEarlyKeysAreClaimedInOneOrder(t *testing.T) {
	var first []Hash
	for try := range 8 {
		w := newWorld(t, settingsFor("team"), "alice", "bob")
		alice, bob := w.all[0], w.all[1]
		w.admit(alice, bob)
		bob.off = true
		var payloads [][]byte
		for range 6 {
			r := w.must(alice, Rotate{})
			payloads = append(payloads, r.Publish[0])
			key, _ := alice.Key(r.Epoch)
			_, kc, _, _ := alice.EnvelopeFor(r.Epoch)
			w.must(bob, KeyReceived{Commit: kc, Key: key})
		}
		for _, p := range payloads[1:] {
			w.must(bob, Received{Record: w.decode(p)})
		}
		r := w.must(bob, Received{Record: w.decode(payloads[0])})
		var order []Hash
		for _, k := range r.Keys {
			order = append(order, keys.Sum(k.Key[:]))
		}
		if len(order) != 6 {
			t.Fatalf("%d keys of 6 claimed", len(order))
		}
		if try == 0 {
			first = order
			continue
		}
		for i := range order {
			if order[i] != first[i] {
				t.Fatal("keys are claimed in another order")
			}
		}
	}
}
