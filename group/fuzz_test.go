package group

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"conclave/keys"
)

// frozen returns the vectors for a fuzz target to start from.
func frozen(f *testing.F) []vector {
	f.Helper()
	b, err := os.ReadFile(vectorFile)
	if err != nil {
		f.Fatal(err)
	}
	var out []vector
	if err := json.Unmarshal(b, &out); err != nil {
		f.Fatal(err)
	}
	return out
}

func bytesOf(f *testing.F, s string) []byte {
	f.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// checkVerified holds what every record that a decoder let in must hold.
func checkVerified(t *testing.T, v Verified, payload []byte) {
	t.Helper()
	if string(v.Payload) != string(payload) || len(payload) > MaxPayload {
		t.Fatal("the payload is not what was received")
	}
	if v.Author().Check() != nil {
		t.Fatal("an author that is no key")
	}
	if e := v.Entry(); e != nil && (e.body == nil || e.Seq == 0 || len(e.Seen) > MaxSeen) {
		t.Fatalf("an entry of type %d, seq %d", e.Type, e.Seq)
	}
	if x := v.Msg(); x != nil {
		if x.Seq == 0 || len(x.Deps) > MaxDeps || len(x.EID) != 0 && len(x.EID) != 32 {
			t.Fatalf("a message with seq %d", x.Seq)
		}
		if _, err := x.Items(keys.Secret{}); err == nil && len(x.EID) != 0 {
			t.Fatal("a message opens without its key")
		}
		x.Cites()
	}
}

func FuzzDecode(f *testing.F) {
	var gid Hash
	for _, v := range frozen(f) {
		if v.Name != "join request" {
			gid = Hash(bytesOf(f, v.GID))
			f.Add(bytesOf(f, v.Payload))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		signed, err := Decode(gid, b)
		if err == nil {
			checkVerified(t, signed, b)
		}
		v, own := DecodeOwn(gid, b) // what lies behind the signature
		if own == nil {
			checkVerified(t, v, b)
		} else if err == nil {
			t.Fatal("DecodeOwn refuses what Decode takes")
		}
	})
}

// split cuts b into parts that each begin with their length in 2 bytes.
func split(b []byte) [][]byte {
	var out [][]byte
	for len(b) >= 2 && len(out) < 16 {
		n := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
		out = append(out, b[2:2+n])
		b = b[2+n:]
	}
	return out
}

func join(parts [][]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = binary.BigEndian.AppendUint16(out, uint16(len(p)))
		out = append(out, p...)
	}
	return out
}

func FuzzDecodeRange(f *testing.F) {
	w := newTeam(f, settingsFor("team"), "alice", "bob")
	msgs := rangeOf(w, w.all[0], 4)
	f.Add(join(msgs))
	f.Add(join(msgs[1:3]))
	f.Add(join([][]byte{msgs[0], msgs[2]}))
	f.Add(join([][]byte{w.all[0].genesis().payload}))
	f.Fuzz(func(t *testing.T, b []byte) {
		parts := split(b)
		vs, err := DecodeRange(w.gid, parts)
		if err != nil {
			if vs != nil {
				t.Fatal("part of a range was taken")
			}
			return
		}
		if len(vs) != len(parts) {
			t.Fatalf("%d of %d records", len(vs), len(parts))
		}
		for i, v := range vs {
			checkVerified(t, v, parts[i])
			if v.SigSkipped() != (i < len(vs)-1) || i > 0 && !follows(vs[i-1], v) {
				t.Fatalf("record %d: skipped %v", i, v.SigSkipped())
			}
		}
	})
}

func FuzzParseJoinRequest(f *testing.F) {
	var from, to PeerID
	for _, v := range frozen(f) {
		b := bytesOf(f, v.Payload)
		f.Add(b)
		if v.Name == "join request" {
			from = PeerID(bytesOf(f, v.Author))
			rec, err := keys.DecodeRecord(b)
			if err != nil {
				f.Fatal(err)
			}
			var r JoinRequest
			if err := keys.Unmarshal(rec.Body, &r); err != nil {
				f.Fatal(err)
			}
			to = r.Approver
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseJoinRequest(b, from, to)
		if err != nil {
			return
		}
		if r.Peer != from || r.Approver != to || len(r.Note) > MaxNoteBytes || r.Name != "" && !ValidName(r.Name) || r.Called != "" && !ValidName(r.Called) {
			t.Fatalf("%+v", r)
		}
	})
}

func FuzzItems(f *testing.F) {
	f.Add(keys.Marshal([]Item{{ID: keys.ItemID{1}, Text: "hello"}}))
	f.Add(keys.Marshal([]Item{{Text: ""}, {Text: "two"}}))
	f.Add([]byte{0x9a, 0xff, 0xff, 0xff, 0xff}) // an array of 2^32-1
	f.Add([]byte{0x81, 0x82, 0x50})
	f.Fuzz(func(t *testing.T, b []byte) {
		items, err := decodeItems(b)
		if err != nil {
			return
		}
		if len(items) == 0 || len(items) > MaxItems || string(keys.Marshal(items)) != string(b) {
			t.Fatalf("%d items", len(items))
		}
		for _, it := range items {
			if len(it.Text) > MaxItemText {
				t.Fatalf("an item of %d bytes", len(it.Text))
			}
		}
	})
}
