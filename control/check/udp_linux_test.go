package check

import (
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/control/ask"
)

// serveUDP takes datagrams until the returned function is called, and hands each with its
// number to answer, which may reply.
func (h host) serveUDP(at string, answer func(i int, datagram []byte, reply func([]byte))) (stop func()) {
	h.t.Helper()
	c, err := h.ListenPacket("udp", at)
	must(h.t, err)
	h.t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 1<<16)
		for i := 0; ; i++ {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			answer(i, buf[:n], func(b []byte) { c.WriteTo(b, from) })
		}
	}()
	return func() { c.Close() }
}

// answer takes datagrams and answers with the replies, one after the other; an empty one
// is no answer.
func (h host) answer(at string, heard chan<- string, replies ...string) (stop func()) {
	h.t.Helper()
	return h.serveUDP(at, func(i int, datagram []byte, reply func([]byte)) {
		heard <- string(datagram)
		if r := replies[i%len(replies)]; r != "" {
			reply([]byte(r))
		}
	})
}

func TestUDPProbe(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t, false)
	rs := l.rs[0]
	at := Peer{Addr: netip.AddrPortFrom(rs.addr, 53)}
	const what = "send to 192.168.1.11:53: "
	plain := UDP{at, &ask.UDP{Payload: "\x01\x02"}}
	strict := UDP{at, &ask.UDP{Reply: true, Data: "\x12\x30", Mask: "\xff\xf0", Max: 255}}
	wantText(t, try(t, plain, time.Minute), unix.ECONNREFUSED, what+"connection refused")
	heard := make(chan string, 10)
	stop := rs.answer(at.Addr.String(), heard, "", "x", "", "\x12\x3f!", "\x12\x40")
	must(t, try(t, plain, 200*time.Millisecond)) // no answer, and no ICMP error
	must(t, try(t, plain, time.Minute))          // any answer
	if a, b := <-heard, <-heard; a != "\x01\x02" || b != a {
		t.Errorf("the server heard %x and %x", a, b)
	}
	wantText(t, try(t, strict, 200*time.Millisecond), os.ErrDeadlineExceeded, what+"no answer: i/o timeout")
	must(t, try(t, strict, time.Minute))
	if a, b := <-heard, <-heard; len(a) != randomPayload || a == b {
		t.Errorf("the server heard %x and %x", a, b)
	}
	if err := try(t, strict, time.Minute); err == nil || err.Error() != what+"the reply of 2 bytes is not as it must be: 1240" {
		t.Errorf("another reply: %v", err)
	}
	stop()
	wantText(t, try(t, plain, time.Minute), unix.ECONNREFUSED, what+"connection refused")
	rs.answer(at.Addr.String(), heard, "y")
	must(t, try(t, plain, time.Minute)) // it is up again
}
