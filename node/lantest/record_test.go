package lantest

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// record writes every frame that comes into its namespace to a file, each behind
// its length, until standard input ends. To a line it answers with the number of
// frames so far, and of those that the kernel dropped, once the frames that were
// sent before are in the file.
func record(path string) {
	everything := int(binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL)))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, everything)
	must(err)
	must(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20))
	must(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 200_000}))
	file, err := os.Create(path)
	must(err)
	fmt.Println("recording")
	marks := make(chan string)
	go func() {
		defer close(marks)
		for s := bufio.NewScanner(os.Stdin); s.Scan(); {
			marks <- s.Text()
		}
	}()
	out := bufio.NewWriterSize(file, 1<<20)
	frame := make([]byte, 1<<17)
	frames, dropped := 0, 0
	for {
		n, from, err := unix.Recvfrom(fd, frame, 0)
		if err == unix.EINTR {
			continue
		}
		if err == unix.EAGAIN { // nothing for a while: everything is read
			select {
			case mark, more := <-marks:
				must(out.Flush())
				if !more {
					return
				}
				stats, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
				must(err)
				dropped += int(stats.Drops)
				fmt.Println(mark, frames, dropped)
			default:
			}
			continue
		}
		must(err)
		// The bridge sees a frame come in at one port and leave at others.
		if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		frames++
		binary.Write(out, binary.BigEndian, uint32(n))
		out.Write(frame[:n])
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "helper:", err)
		os.Exit(1)
	}
}

// recorder records all that the hosts of a network send.
type recorder struct {
	h    *helper
	path string
}

func (l *lan) record() *recorder {
	l.t.Helper()
	r := &recorder{path: filepath.Join(l.t.TempDir(), "frames")}
	r.h = l.start(l.hub(), "record", r.path)
	r.h.expect("recording", patience)
	return r
}

// packets returns what was sent until now.
func (r *recorder) packets(t *testing.T) []packet {
	t.Helper()
	var frames, dropped int
	if _, err := fmt.Sscan(r.h.ask("mark"), &frames, &dropped); err != nil {
		t.Fatal(err)
	}
	if dropped > 0 {
		t.Fatalf("%d frames were not recorded", dropped)
	}
	b, err := os.ReadFile(r.path)
	if err != nil {
		t.Fatal(err)
	}
	var out []packet
	for len(b) >= 4 {
		n := binary.BigEndian.Uint32(b)
		out = append(out, parsePacket(b[4:4+n]))
		b = b[4+n:]
	}
	if len(out) != frames {
		t.Fatalf("%d frames in the file, %d were recorded", len(out), frames)
	}
	return out
}

// packet is one frame, and what is in it where that is TCP or UDP.
type packet struct {
	frame    []byte
	proto    byte // unix.IPPROTO_TCP, unix.IPPROTO_UDP, another, or 0: not IP
	src, dst netip.AddrPort
	seq      uint32 // of TCP
	payload  []byte
}

// parsePacket reads an Ethernet frame. What it does not understand has the
// frame alone.
func parsePacket(frame []byte) packet {
	p := packet{frame: frame}
	if len(frame) < 14 {
		return p
	}
	var src, dst netip.Addr
	ip := frame[14:]
	switch kind := binary.BigEndian.Uint16(frame[12:]); {
	case kind == unix.ETH_P_IP && len(ip) >= 20 && int(binary.BigEndian.Uint16(ip[2:])) <= len(ip):
		src, dst = netip.AddrFrom4([4]byte(ip[12:])), netip.AddrFrom4([4]byte(ip[16:]))
		p.proto, ip = ip[9], ip[int(ip[0]&15)*4:binary.BigEndian.Uint16(ip[2:])]
	case kind == unix.ETH_P_IPV6 && len(ip) >= 40:
		src, dst = netip.AddrFrom16([16]byte(ip[8:])), netip.AddrFrom16([16]byte(ip[24:]))
		p.proto, ip = ip[6], ip[40:]
	default:
		return p
	}
	p.src, p.dst = netip.AddrPortFrom(src, 0), netip.AddrPortFrom(dst, 0)
	if p.proto != unix.IPPROTO_TCP && p.proto != unix.IPPROTO_UDP || len(ip) < 8 {
		return p
	}
	p.src = netip.AddrPortFrom(src, binary.BigEndian.Uint16(ip))
	p.dst = netip.AddrPortFrom(dst, binary.BigEndian.Uint16(ip[2:]))
	head := 8
	if p.proto == unix.IPPROTO_TCP && len(ip) >= 20 {
		p.seq, head = binary.BigEndian.Uint32(ip[4:]), int(ip[12]>>4)*4
	}
	if head <= len(ip) {
		p.payload = ip[head:]
	}
	return p
}

// streams puts the bytes of every TCP connection together, each direction by
// itself, so that nothing hides on the edge of two packets.
func streams(packets []packet) [][]byte {
	type direction struct{ src, dst netip.AddrPort }
	byDirection := map[direction][]packet{}
	for _, p := range packets {
		if p.proto == unix.IPPROTO_TCP && len(p.payload) > 0 {
			d := direction{p.src, p.dst}
			byDirection[d] = append(byDirection[d], p)
		}
	}
	var out [][]byte
	for _, ps := range byDirection {
		first := ps[0].seq
		slices.SortStableFunc(ps, func(a, b packet) int { return cmp.Compare(int32(a.seq-first), int32(b.seq-first)) })
		var all []byte
		for _, p := range ps {
			at := int(int32(p.seq - ps[0].seq))
			if at > len(all) {
				all = append(all, make([]byte, at-len(all))...)
			}
			if end := at + len(p.payload); end > len(all) {
				all = append(all[:at], p.payload...)
			}
		}
		out = append(out, all)
	}
	return out
}

// haystack is everything that was sent, packet by packet and connection by
// connection, as one run of bytes.
func haystack(packets []packet) []byte {
	var b bytes.Buffer
	for _, p := range packets {
		b.Write(p.frame)
		io.WriteString(&b, "\x00\x01\x02\x03") // what ends here does not go on in the next
	}
	for _, s := range streams(packets) {
		b.Write(s)
		io.WriteString(&b, "\x00\x01\x02\x03")
	}
	return b.Bytes()
}

// awaitQuiet returns when the network has had time to say what it says by
// itself: multicast DNS repeats its announcement within a second.
func awaitQuiet() { time.Sleep(3 * time.Second) }
