package main_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane/frame"
)

// The director's kernel does not know the VIP, so the program gives the answers
// that a host owes. Each is on the wire once, from the VIP and the director's
// MAC address, also where the kernel forwards packets.
func TestTheVIPAnswersAsAHost(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	if err := lab.Director.Sysctl("net.ipv4.ip_forward", "1"); err != nil {
		t.Fatal(err)
	}
	d := direct(t, lab, lab.Config(rotating()))
	for _, test := range []struct {
		name, reason string
		ask          func(*testing.T, *network)
		wants        func(*frame.Header) bool // a question
		is           func(*frame.Header) bool // its answer
	}{
		{"a ping gets its echo", "echo-replied", ping,
			func(h *frame.Header) bool { return h.Proto == frame.ProtoICMP && h.ICMPType == 8 },
			func(h *frame.Header) bool { return h.Proto == frame.ProtoICMP && h.ICMPType == 0 }},
		{"TCP to a port nobody serves is refused", "reset-no-service", refusedTCP,
			func(h *frame.Header) bool { return h.Proto == frame.ProtoTCP && h.Flags == frame.SYN },
			func(h *frame.Header) bool {
				return h.Proto == frame.ProtoTCP && h.Flags == frame.RST|frame.ACK && h.SrcPort == unserved
			}},
		{"UDP to a port nobody serves is refused", "unreachable-no-service", refusedUDP,
			func(h *frame.Header) bool { return h.Proto == frame.ProtoUDP },
			func(h *frame.Header) bool {
				return h.Proto == frame.ProtoICMP && h.ICMPType == 3 && h.ICMPCode == 3
			}},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := status(t, d).Reasons[test.reason]
			atClient, atDirector := capture(t, lab.Clients[0]), capture(t, lab.Director)
			test.ask(t, lab)
			asked := checkAnswers(t, lab, atClient, test.wants, test.is)
			wire := checkDirector(t, lab, atDirector)
			if wire.forwarded != 0 || len(wire.answers) != asked {
				t.Errorf("%d frames forwarded and %d answers sent to %d questions", wire.forwarded, len(wire.answers), asked)
			}
			await(t, fmt.Sprintf("%d frames to be counted as %s", asked, test.reason), func() bool {
				return status(t, d).Reasons[test.reason]-before == uint64(asked)
			})
		})
	}
	get(t, lab, 3)
}

// unserved is a port of the VIP without a service.
const unserved = 81

// checkAnswers proves that the client got one answer to each question, from the
// VIP and the director's MAC address, and nothing else but ARP. It returns the
// number of questions.
func checkAnswers(t *testing.T, lab *network, c *netlab.Capture, question, answer func(*frame.Header) bool) int {
	t.Helper()
	asked, answered := 0, 0
	for _, s := range sightings(t, c) {
		switch {
		case s.Kind == frame.ARP:
		case s.Outgoing && question(&s.Header):
			asked++
		case !s.Outgoing && answer(&s.Header) && s.Src == frame.AddrFrom(lab.Spec.VIP) &&
			frame.SrcMAC(s.Data) == frame.MAC(lab.Director.MAC):
			answered++
		default:
			t.Errorf("neither question nor answer: %v", s)
		}
	}
	if asked == 0 || answered != asked {
		t.Errorf("%d answers to %d questions", answered, asked)
	}
	return asked
}

// ping sends echo requests of several lengths and wants them back.
func ping(t *testing.T, lab *network) {
	c, err := lab.Clients[0].ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for seq, size := range []int{0, 1, 56, 1472} {
		data := bytes.Repeat([]byte{byte(size)}, size)
		request := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: 4711, Seq: seq, Data: data}}
		b, err := request.Marshal(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.WriteTo(b, &net.IPAddr{IP: lab.Spec.VIP.AsSlice()}); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 2000)
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			t.Fatalf("no answer to a ping with %d bytes: %v", size, err)
		}
		got, err := icmp.ParseMessage(int(frame.ProtoICMP), buf[:n])
		if err != nil {
			t.Fatal(err)
		}
		echo, ok := got.Body.(*icmp.Echo)
		if !ok || got.Type != ipv4.ICMPTypeEchoReply || echo.ID != 4711 || echo.Seq != seq ||
			!bytes.Equal(echo.Data, data) || from.String() != lab.Spec.VIP.String() {
			t.Errorf("the answer to a ping with %d bytes is %+v from %v", size, got, from)
		}
	}
}

func refusedTCP(t *testing.T, lab *network) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := lab.Clients[0].Dial(ctx, "tcp", netip.AddrPortFrom(lab.Spec.VIP, unserved).String())
	if err == nil {
		c.Close()
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("connect: %v, want %v", err, unix.ECONNREFUSED)
	}
}

func refusedUDP(t *testing.T, lab *network) {
	c, err := lab.Clients[0].Dial(t.Context(), "udp", netip.AddrPortFrom(lab.Spec.VIP, unserved).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(c, "is anybody there?"); err != nil {
		t.Fatal(err)
	}
	n, err := c.Read(make([]byte, 100))
	if errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("read %d bytes, %v; want %v", n, err, unix.ECONNREFUSED)
	}
}
