package mesh

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"conclave/keys"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/network"
	"google.golang.org/protobuf/proto"
)

// heap returns the bytes that are still reachable.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// One peer announces 800,000 topics, well formed and not, in frames as
// large as are read.
func TestAbuse_NM04_ManySubscriptions(t *testing.T) {
	m := node(t)
	var at box
	tp := join(t, m, topicName(0), nil, at.validate)
	s := newStranger(t, nil, libp2p.NoListenAddrs)
	s.connect(m, pubsub.GossipSubID_v12)
	before := heap()
	const frame = 1000
	for i := range 800_000 / frame {
		var topics []string
		for j := range frame {
			if i%2 == 0 {
				topics = append(topics, topicName(i*frame+j))
			} else {
				topics = append(topics, fmt.Sprint("/conclave/1/", i*frame+j))
			}
		}
		if !s.send(m, announce(topics...)) {
			t.Fatal("the stream is gone: the test proves nothing")
		}
	}
	// The last frame has been read once the one after it has an effect.
	s.send(m, message(topicName(0), "end"))
	await(t, "end of the flood", func() bool { return m.Drops().Strangers == 1 })
	if grown := heap() - before; grown > 5<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if n := len(tp.Peers()); n != 0 {
		t.Errorf("%d peers", n)
	}
}

// More announcements in one frame than are taken at all: the frame is dropped.
func TestAbuse_NM04_TooManyInOneFrame(t *testing.T) {
	m := node(t)
	var topics []string
	for i := range maxSubscriptions + 1 {
		topics = append(topics, fmt.Sprint(i))
	}
	rpc := &pubsub.RPC{RPC: pb.RPC{Subscriptions: announce(topics...).Subscriptions}}
	if err := m.inspect(m.host.ID(), rpc); !errors.Is(err, errFlood) {
		t.Errorf("%v, want errFlood", err)
	}
}

// A member, who has every right to speak, floods with control messages.
func floodControl(t *testing.T, rpc func(topic string, i int) *pb.RPC) {
	simulate(t, func(t *testing.T, w *world) {
		topic := topicName(1)
		s := w.stranger()
		a, b := w.node(), w.node()
		all := append(ids(a, b), s.id())
		var atA, atB box
		ta := join(t, a, topic, all, atA.validate)
		join(t, b, topic, all, atB.validate)
		connect(t, a, b)
		awaitReady(t, ta)
		s.connect(a, pubsub.GossipSubID_v12)
		s.send(a, announce(topic))
		publish(t, ta, "wanted")
		before := heap()
		for i := range 1000 { // 10 s of 10,000 a second
			s.send(a, rpc(topic, i))
			time.Sleep(10 * time.Millisecond)
		}
		if score := a.ledger.standing(s.h.ID()); score >= graylist {
			t.Errorf("standing %v after 10 s of flood", score)
		}
		if grown := heap() - before; grown > 16<<20 {
			t.Errorf("the heap grew by %d bytes", grown)
		}
		s.mu.Lock()
		if s.got > 10 || s.wants > 60_000 {
			t.Errorf("the flooder was sent %d payloads and asked for %d", s.got, s.wants)
		}
		s.mu.Unlock()
		s.send(a, message(topic, "from the graylist"))
		publish(t, ta, "still alive")
		time.Sleep(time.Second)
		if atA.has("from the graylist") {
			t.Error("the flooder is not graylisted")
		}
		if !atB.has("still alive") {
			t.Error("the flood keeps others from talking")
		}
	})
}

func TestAbuse_NM05_IWantFlood(t *testing.T) {
	floodControl(t, func(topic string, _ int) *pb.RPC {
		want := make([]string, 100)
		for i := range want {
			want[i] = idOf(topic, "wanted")
		}
		return iwant(want...)
	})
}

func TestAbuse_NM05_IHaveFlood(t *testing.T) {
	floodControl(t, func(topic string, n int) *pb.RPC {
		have := make([]string, 100)
		for i := range have {
			have[i] = idOf(topic, fmt.Sprint(n, i))
		}
		return ihave(topic, have...)
	})
}

// frameOf is a message of which the whole frame has n bytes.
func frameOf(t *testing.T, topic string, n int) *pb.RPC {
	t.Helper()
	for pad := n - 200; pad < n; pad++ {
		if m := message(topic, strings.Repeat("x", pad)); proto.Size(m) == n {
			return m
		}
	}
	t.Fatalf("no frame of %d bytes", n)
	return nil
}

// A frame as large as may be is taken; one byte more, or a megabyte, ends the
// stream before it is read.
func TestAbuse_NM06_OversizedFrames(t *testing.T) {
	m := node(t)
	for _, size := range []int{maxRPC + 1, 1 << 20} {
		s, topic, at := newStranger(t, nil, libp2p.NoListenAddrs), topicName(size), new(box)
		join(t, m, topic, []keys.PeerID{s.id()}, at.validate)
		s.connect(m, pubsub.GossipSubID_v12)
		s.send(m, announce(topic))
		s.send(m, frameOf(t, topic, maxRPC))
		await(t, "largest frame", func() bool { return at.len() == 1 })
		s.send(m, frameOf(t, topic, size))
		await(t, "end of the stream", func() bool { return !s.send(m, message(topic, "more")) })
		if at.len() != 1 {
			t.Errorf("%d bytes were taken", size)
		}
	}
}

// Frames that announce 64 MiB and send nothing: no memory is set aside.
func TestAbuse_NM06_LengthIsNotBelieved(t *testing.T) {
	const streams, announced = 20, 64 << 20
	m := node(t)
	s := newStranger(t, nil, libp2p.NoListenAddrs)
	s.connect(m, pubsub.GossipSubID_v12)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range streams {
		st, err := s.h.NewStream(t.Context(), m.host.ID(), pubsub.GossipSubID_v12)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := st.Write(protoLen(announced)); err != nil {
			t.Fatal(err)
		}
		st.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, st); !errors.Is(err, network.ErrReset) {
			t.Fatalf("%v, want a reset", err)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > streams*maxRPC {
		t.Errorf("%d bytes allocated for frames of which nothing came", grown)
	}
}

// Frames, messages and topics of no length at all: they are dropped, the stream
// goes on, and nobody is blamed.
func TestAbuse_NM06_ZeroLength(t *testing.T) {
	m := node(t)
	s, topic, at := newStranger(t, nil, libp2p.NoListenAddrs), topicName(1), new(box)
	join(t, m, topic, []keys.PeerID{s.id()}, at.validate)
	s.connect(m, pubsub.GossipSubID_v12)
	s.send(m, announce(topic))
	for _, rpc := range []*pb.RPC{{}, {Publish: []*pb.Message{{}}}, {Publish: []*pb.Message{{Data: []byte("nowhere")}}},
		{Control: &pb.ControlMessage{}}, announce(""), graft(""), ihave(""), iwant(""), message("", ""), message(topic, "")} {
		s.send(m, rpc)
	}
	s.send(m, message(topic, "after them"))
	await(t, "what came after", func() bool { return at.has("after them") })
	if d := m.Drops(); at.len() != 2 || !at.has("") || d.Strangers != 3 || m.ledger.standing(s.h.ID()) != 0 {
		t.Errorf("the validator was asked %q, drops %+v, standing %v", at.got, d, m.ledger.standing(s.h.ID()))
	}
}

// The same invalid bytes, ten thousand times.
func TestAbuse_NM15_InvalidIsCheckedOnce(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		m, s := w.node(), w.stranger()
		topic := topicName(1)
		var checks atomic.Int32
		join(t, m, topic, []keys.PeerID{s.id()}, func(keys.PeerID, []byte) Verdict {
			checks.Add(1)
			return Reject
		})
		s.connect(m, pubsub.GossipSubID_v12)
		s.send(m, announce(topic))
		for range 10_000 {
			s.send(m, message(topic, "forged"))
		}
		time.Sleep(time.Second)
		if n := checks.Load(); n != 1 {
			t.Fatalf("%d checks", n)
		}
		// gossipsub forgets after two minutes, the negative cache does not.
		time.Sleep(5 * time.Minute)
		s.send(m, message(topic, "forged"))
		time.Sleep(time.Second)
		if n, d := checks.Load(), m.Drops(); n != 1 || d.Rejected != 2 {
			t.Errorf("%d checks after five minutes, drops %+v", n, d)
		}
	})
}

// Three rejected payloads are graylisted: nothing more is taken from the peer.
func TestRejectedPayloadsEndInTheGraylist(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		m, s := w.node(), w.stranger()
		topic := topicName(1)
		var at box
		join(t, m, topic, []keys.PeerID{s.id()}, func(from keys.PeerID, data []byte) Verdict {
			if strings.HasPrefix(string(data), "bad") {
				return Reject
			}
			return at.validate(from, data)
		})
		s.connect(m, pubsub.GossipSubID_v12)
		s.send(m, announce(topic))
		for i := range 3 {
			s.send(m, message(topic, fmt.Sprint("good", i)))
			s.send(m, message(topic, fmt.Sprint("bad", i)))
			time.Sleep(3 * time.Second)
		}
		if at.len() != 3 {
			t.Fatalf("%d of 3 good ones arrived before the graylist", at.len())
		}
		s.send(m, message(topic, "good after all"))
		time.Sleep(time.Second)
		if at.len() != 3 {
			t.Error("not graylisted after three")
		}
	})
}

// A replayed announcement lands between two frames, however the peer's own
// bytes are cut.
func TestReplayKeepsFramesWhole(t *testing.T) {
	var in bytes.Buffer
	for i := range 50 {
		b, err := proto.Marshal(message(topicName(i), strings.Repeat("x", i*7)))
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(protoLen(len(b)), b...))
	}
	var f frameState
	frames, all := 0, in.Bytes()
	for cut := 1; len(all) > 0; cut = cut%13 + 1 {
		n := f.limit(min(cut, len(all)))
		f.advance(all[:n])
		all = all[n:]
		if f.between() {
			frames++
		}
	}
	if frames != 50 || !f.between() {
		t.Errorf("%d frames seen, want 50", frames)
	}
}

func protoLen(n int) []byte {
	var b []byte
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// The same bytes an hour later, when gossipsub has forgotten them: they are
// judged anew, go no further when the validator says so, and cost whoever sends
// them nothing.
func TestAbuse_NO09_Replay(t *testing.T) {
	simulate(t, func(t *testing.T, w *world) {
		topic := topicName(1)
		m, s, far := w.node(), w.stranger(), w.node()
		var first, again, beyond box
		tp := join(t, m, topic, append(ids(far), s.id()), func(from keys.PeerID, data []byte) Verdict {
			if first.has(string(data)) {
				again.validate(from, data)
				return Ignore
			}
			return first.validate(from, data)
		})
		join(t, far, topic, ids(m), beyond.validate)
		connect(t, m, far)
		awaitReady(t, tp)
		s.connect(m, pubsub.GossipSubID_v12)
		s.send(m, announce(topic))
		const records = 20
		replay := func() {
			for i := range records {
				s.send(m, message(topic, fmt.Sprint("record ", i)))
			}
			time.Sleep(5 * time.Second)
		}
		replay()
		replay() // at once: gossipsub knows them
		time.Sleep(time.Hour)
		replay()
		if first.len() != records || again.len() != records || beyond.len() != records {
			t.Errorf("%d records, %d replays, %d records beyond", first.len(), again.len(), beyond.len())
		}
		if st := m.ledger.standing(s.h.ID()); st != 0 || m.Drops().Rejected != 0 {
			t.Errorf("standing %v, drops %+v", st, m.Drops())
		}
		s.send(m, message(topic, "something new"))
		time.Sleep(time.Second)
		if !beyond.has("something new") {
			t.Error("whoever repeated is not heard any more")
		}
	})
}
