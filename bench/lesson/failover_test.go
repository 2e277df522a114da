package lesson

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// The announcement of the VIP and the longest silence, told by hand-made frames.
func TestAMoveOfTheVIPIsSeenInItsFrames(t *testing.T) {
	lab := newLab(t, netlab.Spec{Directors: 2, Servers: []netlab.ServerSpec{{Weight: 1}}})
	client, first, second, vip := lab.Clients[0], lab.Director, lab.Standby(), lab.Spec.VIP
	begin := time.Unix(1000, 0)
	says := func(at *netlab.Node, out bool, by *netlab.Node, ms int) netlab.Packet {
		return netlab.PacketOf(netlab.Frame{Host: at.Name(), Ifname: netlab.Ifname, Outgoing: out, Time: begin.Add(time.Duration(ms) * time.Millisecond),
			Data: build.ARP{SrcMAC: frame.MAC(by.MAC), DstMAC: frame.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
				SenderMAC: frame.MAC(by.MAC), SenderIP: vip, TargetIP: vip}.Bytes()})
	}
	l := &look{vip: vip, packets: []netlab.Packet{
		says(first, true, first, 0), says(client, false, first, 1), says(second, false, first, 1),
		says(second, true, second, 600), says(client, false, second, 601), says(second, true, second, 610), says(client, false, second, 615),
	}}
	all := l.announcements(second, client)
	if len(all) != 2 || all[0].Host != second.Name() || !all[0].Outgoing || all[1].Host != client.Name() || !all[1].Time.Equal(begin.Add(601*time.Millisecond)) {
		t.Errorf("announcements of the second director: %v", all)
	}
	if got := l.announcements(lab.Servers[0], client); len(got) != 0 {
		t.Errorf("a real server has announced the VIP: %v", got)
	}
	for _, c := range []struct {
		law    string
		wanted func(p *netlab.Packet) bool
		want   time.Duration
	}{
		{"the longest of several", func(p *netlab.Packet) bool { return reaches(p, client) }, 600 * time.Millisecond},
		{"of one host's alone", func(p *netlab.Packet) bool { return leaves(p, second) }, 10 * time.Millisecond},
		{"one packet has no time", func(p *netlab.Packet) bool { return leaves(p, first) }, 0},
		{"nor has none", func(*netlab.Packet) bool { return false }, 0},
	} {
		if got := l.silence(c.wanted); got != c.want {
			t.Errorf("%s: %v, want %v", c.law, got, c.want)
		}
	}
}

// served is one end of a connection whose other end answers each request with the next text.
func served(t *testing.T, answers ...string) openConn {
	t.Helper()
	here, there := net.Pipe()
	t.Cleanup(func() { here.Close() })
	go func() {
		defer there.Close()
		in := bufio.NewReader(there)
		for _, a := range answers {
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if line == "\r\n" {
					break
				}
			}
			if _, err := io.WriteString(there, a); err != nil {
				return
			}
		}
	}()
	return openConn{here, bufio.NewReader(here)}
}

func TestAnOpenConnectionIsAskedMoreThanOnce(t *testing.T) {
	const good = "HTTP/1.1 200 OK\r\nX-Real-Server: rs2\r\nContent-Length: 4\r\n\r\nrs2\n"
	c := served(t, good, good, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nrs")
	for range 2 {
		if server, err := c.ask(patience); err != nil || server != "rs2" {
			t.Errorf("%q, %v", server, err)
		}
	}
	if _, err := c.ask(patience); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("half an answer: %v", err)
	}
	if _, err := c.ask(patience); err == nil {
		t.Error("a connection that has ended was answered")
	}
	if _, err := served(t, "garbage\r\n\r\n").ask(patience); err == nil {
		t.Error("garbage is an answer")
	}
}

func TestASteadyClientKeepsItsFirstErrorAndItsLongestWait(t *testing.T) {
	c := new(steady)
	c.note(&c.open, nil)
	c.note(&c.fresh, nil)
	c.note(&c.fresh, nil)
	if c.open != 1 || c.fresh != 2 || c.failure() != nil {
		t.Errorf("%d answers on the open connection, %d to new ones, %v", c.open, c.fresh, c.failure())
	}
	begin := time.Unix(1000, 0)
	for _, at := range []time.Duration{0, 20, 640, 660} {
		c.answer(begin.Add(at * time.Millisecond))
	}
	if got := c.takeLongest(); got != 620*time.Millisecond {
		t.Errorf("the longest wait is %v", got)
	}
	c.answer(begin.Add(700 * time.Millisecond))
	if got := c.takeLongest(); got != 40*time.Millisecond {
		t.Errorf("the longest wait since then is %v", got)
	}
	c.note(&c.open, errors.New("first"))
	c.note(&c.fresh, errors.New("second"))
	if err := c.failure(); err == nil || err.Error() != "first" || c.open != 1 {
		t.Errorf("%v, %d answers", err, c.open)
	}
	if err := c.goOn(t.Context()); err != nil {
		t.Errorf("one that has failed is waited for: %v", err)
	}
	asked := false
	c.repeat(t.Context(), func() { asked = true })
	if asked {
		t.Error("one that has failed asks on")
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := new(steady).goOn(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted lesson goes on: %v", err)
	}
}

// The file that the lesson shows has everything that the text speaks of.
func TestThePairsFileHasWhatTheLessonSays(t *testing.T) {
	lab := newLab(t, netlab.Spec{Directors: 2, Servers: []netlab.ServerSpec{{Weight: 1}}})
	text := (&netlab.Site{Lab: lab}).Config(netlab.Service{Port: netlab.ServicePort, Scheduler: "mh", More: "mh-port"})
	for _, word := range []string{"lvs_sync_daemon eth0 web\n", "@director priority 150\n", "@director2 priority 100\n", "lb_algo mh\n", "mh-port\n"} {
		if strings.Count(text, word) != 1 {
			t.Errorf("%q is not there once:\n%s", word, text)
		}
	}
}
