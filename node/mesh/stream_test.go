package mesh

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"
)

const echo = "/conclave/echo/1"

func echoFrames(_ context.Context, s *Stream) {
	for {
		b, err := s.ReadFrame(1 << 20)
		if err != nil || s.WriteFrame(b) != nil {
			return
		}
	}
}

func TestFramesThereAndBack(t *testing.T) {
	a, b := node(t), node(t)
	b.Handle(echo, func(ctx context.Context, s *Stream) {
		if s.Peer() != a.ID() || s.RemoteIP() != "127.0.0.1" {
			t.Errorf("peer %v at %q", s.Peer(), s.RemoteIP())
		}
		echoFrames(ctx, s)
	})
	connect(t, a, b)
	s, err := a.Open(t.Context(), b.ID(), echo)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 4095, 4096, 4097, 256 << 10, 1 << 20} {
		want := bytes.Repeat([]byte{byte(n)}, n)
		if err := s.WriteFrame(want); err != nil {
			t.Fatal(err)
		}
		got, err := s.ReadFrame(1 << 20)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: %d came back, %v", n, len(got), err)
		}
	}
	if err := s.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadFrame(1); err != io.EOF {
		t.Errorf("after the end: %v, want io.EOF", err)
	}
	s.Close()
}

func TestOpenErrors(t *testing.T) {
	a, b := node(t), node(t)
	if _, err := a.Open(t.Context(), b.ID(), echo); !errors.Is(err, ErrUnreachable) {
		t.Errorf("unknown: %v, want ErrUnreachable", err)
	}
	connect(t, a, b)
	if _, err := a.Open(t.Context(), b.ID(), echo); !errors.Is(err, ErrNoProtocol) {
		t.Errorf("unspoken: %v, want ErrNoProtocol", err)
	}
}

// hold is a handler that stays until the test lets it go.
func hold(t *testing.T, b *Mesh) (proto string, release func()) {
	done := make(chan struct{})
	b.Handle(echo, func(ctx context.Context, s *Stream) {
		if s.WriteFrame([]byte("here")) != nil {
			return
		}
		select {
		case <-done:
		case <-ctx.Done():
		}
	})
	release = func() { close(done) }
	t.Cleanup(release)
	return echo, release
}

func TestStreamsPerPeerAreBounded(t *testing.T) {
	a, b := node(t), node(t)
	proto, _ := hold(t, b)
	connect(t, a, b)
	for range maxPeerStreams {
		s, err := a.Open(t.Context(), b.ID(), proto)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.ReadFrame(8); err != nil {
			t.Fatal(err)
		}
		defer s.Close()
	}
	s, err := a.Open(t.Context(), b.ID(), proto)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadFrame(8); !errors.Is(err, ErrReset) {
		t.Errorf("one too many: %v, want ErrReset", err)
	}
}

func TestHandlerPanicCostsItsStreamOnly(t *testing.T) {
	a, b := node(t), node(t)
	b.Handle(echo, func(context.Context, *Stream) { panic("boom") })
	connect(t, a, b)
	for range maxPeerStreams + 1 {
		s, err := a.Open(t.Context(), b.ID(), echo)
		if err == nil {
			_, err = s.ReadFrame(8)
		}
		if !errors.Is(err, ErrReset) {
			t.Fatalf("%v, want ErrReset", err)
		}
	}
}

func TestStreamEndsWithItsContext(t *testing.T) {
	a, b := node(t), node(t)
	proto, _ := hold(t, b)
	connect(t, a, b)
	ctx, cancel := context.WithCancel(t.Context())
	s, err := a.Open(ctx, b.ID(), proto)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadFrame(8); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := s.ReadFrame(8); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}

func TestIdlePeerIsGivenUp(t *testing.T) {
	a, b := node(t), node(t)
	proto, _ := hold(t, b)
	connect(t, a, b)
	s, err := a.Open(t.Context(), b.ID(), proto)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Reset()
	if _, err := s.ReadFrame(8); err != nil {
		t.Fatal(err)
	}
	s.SetIdle(20 * time.Millisecond)
	if _, err := s.ReadFrame(8); !errors.Is(err, ErrIdle) {
		t.Errorf("%v, want ErrIdle", err)
	}
}

// A length field alone must not make the reader allocate.
func TestFrameLengthIsNotBelieved(t *testing.T) {
	a, b := node(t), node(t)
	b.Handle(echo, func(_ context.Context, s *Stream) {
		s.s.Write([]byte{0x3f, 0xff, 0xff, 0xff, 'x'})
	})
	connect(t, a, b)
	open := func() *Stream {
		s, err := a.Open(t.Context(), b.ID(), echo)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Reset)
		return s
	}
	s := open()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := s.ReadFrame(1 << 30); err != io.ErrUnexpectedEOF {
		t.Errorf("%v, want io.ErrUnexpectedEOF", err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("%d bytes allocated for a frame of one byte", grown)
	}
	if _, err := open().ReadFrame(1 << 20); !errors.Is(err, ErrFrameTooLarge) {
		t.Errorf("%v, want ErrFrameTooLarge", err)
	}
}
