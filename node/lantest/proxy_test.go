package lantest

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// proxy stands between two nodes. What it is told decides when, in which order
// and how often it passes on what it is given.
type proxy struct {
	mode                         atomic.Pointer[passing]
	sent, dropped, twice, passed atomic.Int64 // datagrams; passed: overtaken by a later one
}

// passing is how bytes go through.
type passing struct {
	least, most time.Duration // on the way; a byte stream stays in order
	lost, twice int           // percent of the datagrams
	stalled     bool          // nothing goes through at all; a byte stream goes on later
}

var passings = map[string]passing{
	"clear": {},
	"slow":  {least: time.Second, most: time.Second},
	"far":   {least: 2 * time.Second, most: 2 * time.Second},
	"wild":  {most: time.Second, lost: 10, twice: 20},
	"stall": {stalled: true},
}

// beProxy listens on an address of a network, passes everything on to another
// and back, and changes its ways as the lines of standard input say.
func beProxy(network, listen, target string) {
	p := &proxy{}
	p.mode.Store(&passing{})
	var err error
	if network == "tcp" {
		err = p.serveTCP(listen, target)
	} else {
		err = p.serveUDP(listen, target)
	}
	if err != nil {
		fmt.Println("failed", err)
		return
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		word := strings.TrimSpace(lines.Text())
		if m, ok := passings[word]; ok {
			p.mode.Store(&m)
		}
		fmt.Println(word, p.sent.Load(), p.dropped.Load(), p.twice.Load(), p.passed.Load())
	}
}

func (p *proxy) serveTCP(listen, target string) error {
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	go func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", target)
			if err != nil {
				in.Close()
				continue
			}
			go p.pipe(in, out)
			go p.pipe(out, in)
		}
	}()
	return nil
}

type chunk struct {
	data []byte
	due  time.Time
}

// pipe passes a byte stream on, each piece as late as the mode says.
func (p *proxy) pipe(from, to net.Conn) {
	defer to.Close()
	way := make(chan chunk, 1<<12)
	go func() {
		defer close(way)
		for {
			b := make([]byte, 16<<10)
			n, err := from.Read(b)
			if n > 0 {
				way <- chunk{b[:n], time.Now().Add(p.delay())}
			}
			if err != nil {
				return
			}
		}
	}()
	for c := range way {
		time.Sleep(time.Until(c.due))
		for p.mode.Load().stalled {
			time.Sleep(10 * time.Millisecond)
		}
		if _, err := to.Write(c.data); err != nil {
			from.Close()
			io.Copy(io.Discard, from)
			return
		}
	}
}

func (p *proxy) delay() time.Duration {
	m := p.mode.Load()
	if m.most == m.least {
		return m.least
	}
	return m.least + rand.N(m.most-m.least)
}

func (p *proxy) serveUDP(listen, target string) error {
	in, err := net.ListenPacket("udp4", listen)
	if err != nil {
		return err
	}
	there, err := net.ResolveUDPAddr("udp4", target)
	if err != nil {
		return err
	}
	go func() {
		back := map[string]net.PacketConn{} // one socket for each who comes
		var s sequence
		for b := make([]byte, 1<<16); ; {
			n, who, err := in.ReadFrom(b)
			if err != nil {
				return
			}
			out := back[who.String()]
			if out == nil {
				if out, err = net.ListenPacket("udp4", ":0"); err != nil {
					return
				}
				back[who.String()] = out
				go p.answers(out, in, who)
			}
			p.pass(b[:n], out, there, &s)
		}
	}()
	return nil
}

func (p *proxy) answers(out, in net.PacketConn, who net.Addr) {
	var s sequence
	for b := make([]byte, 1<<16); ; {
		n, _, err := out.ReadFrom(b)
		if err != nil {
			return
		}
		p.pass(b[:n], in, who, &s)
	}
}

// sequence tells which datagrams of one direction were overtaken.
type sequence struct {
	sync.Mutex
	next, newest int64
}

// pass sends a datagram on: late, twice or not at all.
func (p *proxy) pass(b []byte, by net.PacketConn, to net.Addr, s *sequence) {
	m := p.mode.Load()
	if m.stalled || rand.IntN(100) < m.lost {
		p.dropped.Add(1)
		return
	}
	b = append([]byte(nil), b...)
	s.Lock()
	s.next++
	number := s.next
	s.Unlock()
	send := func() {
		s.Lock()
		if number < s.newest {
			p.passed.Add(1)
		}
		s.newest = max(s.newest, number)
		s.Unlock()
		p.sent.Add(1)
		by.WriteTo(b, to)
	}
	time.AfterFunc(p.delay(), send)
	if rand.IntN(100) < m.twice {
		p.twice.Add(1)
		time.AfterFunc(p.delay(), send)
	}
}
