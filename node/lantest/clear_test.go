package lantest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"conclave/keys"
	"conclave/node/store"
)

// What a session says, and by what nobody who records the network may find it.
const (
	sealedText   = "zebra-lantern-77 is what alice said"
	caughtUpText = "walrus-copper-12 was said while bob was down"
	talkText     = "heron-velvet-58 went to one person"
	plainText    = "otter-granite-31 went out on purpose"
	groupName    = "magpie-harbour-64"
	noteText     = "gecko-thimble-90 asks to be let in"
)

// Everything between three nodes is recorded and searched.
func TestAbuse_NO01_NothingInClear(t *testing.T) {
	t.Run("encrypted", func(t *testing.T) {
		found, secrets := recordSession(t, program(t, ""))
		for what, needle := range secrets {
			found.never(t, what, needle)
		}
		for _, text := range []string{sealedText, caughtUpText, talkText, plainText, groupName, noteText} {
			found.never(t, text, []byte(text))
		}
	})
	// With the transport's encryption taken off, what is sealed is still sealed.
	t.Run("in clear", func(t *testing.T) {
		found, secrets := recordSession(t, program(t, "plaintransport"), "--listen", "/ip4/0.0.0.0/tcp/4001")
		for what, needle := range secrets {
			found.never(t, what, needle)
		}
		for _, text := range []string{sealedText, caughtUpText, talkText} {
			found.never(t, text, []byte(text))
		}
		// What was chosen to be plaintext shows that the search finds things.
		for _, text := range []string{plainText, groupName, noteText} {
			if !bytes.Contains(found, []byte(text)) {
				t.Errorf("the transport is not in clear: no %q", text)
			}
		}
	})
}

// capture is everything that was sent.
type capture []byte

// recordSession holds a session with all that goes over the network in it, and
// returns what was recorded and every secret that the three homes hold.
func recordSession(t *testing.T, bin string, flags ...string) (capture, map[string][]byte) {
	l := newLAN(t)
	r := l.record()
	s := l.three(bin)
	for _, p := range s.everyone() {
		p.up(flags...)
	}
	s.meet()
	g := s.alice.one("group", "create", groupName, "--history", "all").text("group_id")
	s.bob.one("join", s.alice.id+"/"+g, "--note", noteText)
	s.alice.where("request", []string{"requests", g}, isPeer(s.bob))
	s.alice.one("approve", g, s.bob.id)
	s.alice.one("invite", g, s.carol.id)
	inv := s.carol.where("invitation", []string{"invites"}, func(o object) bool { return o.text("group_id") == g })
	s.carol.one("accept", inv.text("invite_id"), "--wait")
	s.settle(g, s.everyone()...)
	s.say(s.alice, g, sealedText)
	s.say(s.alice, g, plainText, "--plain")
	s.bob.follow(g).expect(plainText)
	s.bob.down()
	s.say(s.carol, g, caughtUpText)
	s.alice.one("rotate", g)
	s.bob.up(flags...)
	f := s.bob.follow(g)
	f.expect(sealedText)
	f.expect(caughtUpText)
	dm := s.bob.one("dm", s.carol.id, talkText).text("group_id")
	s.carol.where("conversation", []string{"group", "list"}, func(o object) bool { return o.text("group_id") == dm })
	s.carol.follow(dm).expect(talkText)
	s.alice.one("kick", g, s.bob.id)
	s.say(s.carol, g, sealedText)
	secrets := map[string][]byte{}
	for _, p := range s.everyone() {
		p.down()
		p.secrets(secrets)
	}
	packets := r.packets(t)
	found := capture(haystack(packets))
	t.Logf("%d packets, %d bytes to search for %d secrets", len(packets), len(found), len(secrets))
	for _, p := range s.everyone() {
		if !bytes.Contains(found, []byte(p.id)) {
			t.Errorf("%s is not seen announcing itself: the record is not complete", p.name)
		}
	}
	return found, secrets
}

// secrets adds the keys in a home, whose node is down, to all.
func (p *person) secrets(all map[string][]byte) {
	p.t.Helper()
	home, bag := p.openHome()
	defer home.Close()
	seed := home.Identity().Seed()
	all[p.name+": identity"] = seed[:]
	for hash, b := range bag.Bundles() {
		all[fmt.Sprintf("%s: bundle %s", p.name, hash.Short())] = bytes.Clone(b.Seed[:])
	}
	for _, gid := range append(bag.Groups(), keys.Hash{}) {
		data, err := bag.DataKey(gid)
		if err != nil {
			p.t.Fatal(err)
		}
		all[fmt.Sprintf("%s: data key %s", p.name, gid.Short())] = data[:]
		for eid, k := range bag.RoomKeys(gid) {
			all[fmt.Sprintf("%s: room key %s", p.name, eid.Short())] = bytes.Clone(k[:])
		}
	}
}

// openHome opens the home of a person whose node is down.
func (p *person) openHome() (*store.Home, *store.Keybag) {
	p.t.Helper()
	home, err := store.OpenHome(p.home)
	if err != nil {
		p.t.Fatal(err)
	}
	bag, err := store.OpenKeybag(home)
	if err != nil {
		p.t.Fatal(err)
	}
	return home, bag
}

// never checks that something was not sent, in any of its usual forms.
func (c capture) never(t *testing.T, what string, needle []byte) {
	t.Helper()
	for form, b := range forms(needle) {
		if bytes.Contains(c, b) {
			t.Errorf("%s was sent as %s", what, form)
		}
	}
}

// forms are the ways in which bytes or a text might be written down.
func forms(needle []byte) map[string][]byte {
	text := string(needle)
	if len(needle) == 32 {
		text = hex.EncodeToString(needle)
	}
	var little, big []byte
	for _, u := range utf16.Encode([]rune(text)) {
		little = append(little, byte(u), byte(u>>8))
		big = append(big, byte(u>>8), byte(u))
	}
	return map[string][]byte{
		"it is": needle, "UTF-16 LE": little, "UTF-16 BE": big,
		"hex": []byte(hex.EncodeToString(needle)), "upper hex": []byte(strings.ToUpper(hex.EncodeToString(needle))),
		"base64": []byte(base64.RawStdEncoding.EncodeToString(needle[:len(needle)/3*3])), "reversed": reversed(needle),
	}
}

func reversed(b []byte) []byte {
	b = bytes.Clone(b)
	slices.Reverse(b)
	return b
}
