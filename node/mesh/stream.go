package mesh

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"conclave/keys"

	"github.com/libp2p/go-libp2p/core/network"
	manet "github.com/multiformats/go-multiaddr/net"
)

var (
	// ErrFrameTooLarge: the frame's length exceeds what the reader takes, or
	// what four bytes can say.
	ErrFrameTooLarge = errors.New("frame is too large")
	// ErrIdle: the other side neither sent nor took anything for too long.
	ErrIdle = errors.New("peer is idle")
	// ErrReset: the other side, or the network, ended the stream in its middle.
	ErrReset = errors.New("stream was reset")
)

// idleTimeout is how long one ReadFrame or WriteFrame may make no progress.
const idleTimeout = 30 * time.Second

// Stream carries frames to and from one peer: 4 bytes of length, big endian,
// then as many bytes. One goroutine may read while another writes.
type Stream struct {
	s      network.Stream
	peer   keys.PeerID
	in     *bufio.Reader
	ctx    context.Context // of the opener, or of the handler's call
	cancel func() bool     // ends the watch over ctx
	idle   atomic.Int64
}

// newStream wraps s, which is reset as soon as ctx ends.
func newStream(ctx context.Context, s network.Stream, p keys.PeerID) *Stream {
	st := &Stream{s: s, peer: p, in: bufio.NewReader(s), ctx: ctx}
	st.idle.Store(int64(idleTimeout))
	st.cancel = context.AfterFunc(ctx, func() { s.Reset() })
	return st
}

// Peer returns who is at the other end, as the handshake proved.
func (s *Stream) Peer() keys.PeerID { return s.peer }

// RemoteIP returns the address of the other end, or "" where it has none.
func (s *Stream) RemoteIP() string {
	ip, err := manet.ToIP(s.s.Conn().RemoteMultiaddr())
	if err != nil {
		return ""
	}
	return ip.String()
}

// SetIdle replaces the idle timeout of 30 s.
func (s *Stream) SetIdle(d time.Duration) { s.idle.Store(int64(d)) }

// ReadFrame returns the next frame, of at most limit bytes. Memory grows with the
// bytes that arrive, not with the length that was announced. io.EOF means that
// the other side closed between two frames. Errors: ErrFrameTooLarge, ErrIdle,
// ErrReset, io.EOF, io.ErrUnexpectedEOF, or the context's.
func (s *Stream) ReadFrame(limit int) ([]byte, error) {
	var head [4]byte
	if err := s.read(head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if int64(n) > int64(limit) {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrFrameTooLarge, n, limit)
	}
	var body []byte
	for len(body) < int(n) {
		had := len(body)
		part := min(int(n)-had, max(4<<10, min(had, 64<<10)))
		body = slices.Grow(body, part)[:had+part]
		if err := s.read(body[had:]); err != nil {
			return nil, unexpected(err)
		}
	}
	return body, nil
}

// unexpected turns the end of the stream into one within a frame.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (s *Stream) read(p []byte) error {
	if err := s.s.SetReadDeadline(time.Now().Add(time.Duration(s.idle.Load()))); err != nil {
		return s.fail(err)
	}
	_, err := io.ReadFull(s.in, p)
	return s.fail(err)
}

// WriteFrame sends one frame. Errors: ErrFrameTooLarge, ErrIdle, ErrReset, or
// the context's.
func (s *Stream) WriteFrame(b []byte) error {
	if uint64(len(b)) > 1<<32-1 {
		return ErrFrameTooLarge
	}
	frame := append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(b)), uint32(len(b))), b...)
	for len(frame) > 0 {
		if err := s.s.SetWriteDeadline(time.Now().Add(time.Duration(s.idle.Load()))); err != nil {
			return s.fail(err)
		}
		n, err := s.s.Write(frame[:min(len(frame), 64<<10)])
		if err != nil {
			return s.fail(err)
		}
		frame = frame[n:]
	}
	return nil
}

// fail names what ended the stream.
func (s *Stream) fail(err error) error {
	var timeout net.Error
	switch {
	case err == nil, err == io.EOF, err == io.ErrUnexpectedEOF:
		return err
	case s.ctx.Err() != nil:
		return context.Cause(s.ctx)
	case errors.As(err, &timeout) && timeout.Timeout():
		return ErrIdle
	}
	return fmt.Errorf("%w: %w", ErrReset, err)
}

// CloseWrite tells the other side that no more frames come: it reads io.EOF.
func (s *Stream) CloseWrite() error { return s.s.CloseWrite() }

// Close ends the stream in order. What was written still arrives.
func (s *Stream) Close() error {
	s.cancel()
	return s.s.Close()
}

// Reset ends the stream at once, in both directions.
func (s *Stream) Reset() {
	s.cancel()
	s.s.Reset()
}
