package lesson

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane/frame"
)

// localOnDirector is the lesson about clients on the director's host.
func localOnDirector() lesson {
	return lesson{
		title: "on the VIP's host, the VIP can be pinged but its port does not answer",
		question: `I log in to the director. The VIP answers my ping, but a request to its port hangs,
while all other hosts are served. What is wrong with the port?`,
		classic: startClassic,
		shows:   showMartians,
		why:     whyMartians,
		remedy: func(ctx context.Context, s *lessonShow) error {
			if err := s.stand.Stop(); err != nil {
				return err
			}
			s.stand = nil
			fmt.Fprintf(s.out, `director# ip addr del %s dev eth0        (and delete the rules and the route)
director# lvsdr run -c keepalived.conf

lvsdr takes the VIP's frames from the wire; the host does not have the VIP. For clients on
the host itself it routes packets for the VIP into a pair of veth interfaces, lvsdr-l0 and
lvsdr-l1. A connection to an address that the host does not have has the host's own address,
%s, as its source: the real server can answer it, and it is no martian.
`, netip.PrefixFrom(s.Spec.VIP, s.Spec.VIP.BitLen()), s.Lab.Director.Addr)
			return s.directEvenly(ctx)
		},
		again: func(ctx context.Context, s *lessonShow) error {
			d := s.Lab.Director
			pinged, err := s.ping(ctx, "after-ping")
			if err != nil {
				return err
			}
			l, err := s.requests(ctx, "after", d)
			if err != nil {
				return err
			}
			s.shares("the director's host", l)
			s.say("The first connection:")
			if err := s.print(l.handshake(uint16(l.first)), "seen", "src ip", "dst ip", "ports", "ttl", "what"); err != nil {
				return err
			}
			own := l.begun(d, d.Addr, nil)
			fmt.Fprintf(s.out, "All %d connections came from %s, and each answer straight from its real server.\n", len(own), d.Addr)
			s.remedied(pinged && s.balanced(l) && len(own) == lessonRequests,
				"the ping is answered by lvsdr; %d of %d connections left the director's host\nfrom %s; accepted by %s.",
				len(own), l.tally.Total(), d.Addr, s.byShares(l))
			return nil
		},
	}
}

// startClassic puts a stand-in for IPVS in the director's place.
func startClassic(ctx context.Context, s *lessonShow) (err error) {
	vip, to := s.Spec.VIP, s.Servers[0]
	// Without an entry for it the director would ask for the server's MAC address
	// as the VIP, and already this question is from a martian.
	if err := s.Lab.Director.Ping(ctx, to.Addr); err != nil {
		return err
	}
	if s.stand, err = s.StartClassic(netlab.ServicePort, to); err != nil {
		return err
	}
	ip := "ip"
	if vip.Is6() {
		ip = "ip -6"
	}
	fmt.Fprintf(s.out, `A director with kernel IPVS has the VIP itself: it would not work without it. When a program
on the director connects to the VIP, IPVS takes the packet before the host's own stack does,
and sends it to a real server, in a frame with the server's MAC address and with unchanged IP
addresses. This lab has no IPVS. A policy route stands in for it, for clients on the director
only, always to rs1 (IPVS would choose), and makes the same frame:

director# ping -c 1 %[4]s        (it knows the MAC address of rs1, as from a health check)
director# ip addr add %[2]s dev eth0
director# %[1]s rule add pref 2 lookup local; %[1]s rule del pref 0
director# %[1]s rule add pref 1 iif lo to %[3]s ipproto tcp dport %[5]d lookup %[6]d
director# %[1]s route add %[3]s via %[4]s dev eth0 onlink src %[3]s table %[6]d

"src VIP" does what the kernel does by itself when a program connects to an address of its
host: that address is the source, too.
`, ip, netip.PrefixFrom(vip, vip.BitLen()), vip, to.Addr, netlab.ServicePort, netlab.ClassicTable)
	return nil
}

// ping pings the VIP from the director's host, shows what was seen, and reports
// whether there was an answer.
func (s *lessonShow) ping(ctx context.Context, name string) (ok bool, err error) {
	d := s.Lab.Director
	var failed error
	l, err := s.watch(name, func(*look, netlab.Captures) error {
		failed = d.Ping(ctx, s.Spec.VIP)
		return ctx.Err()
	}, d)
	if err != nil {
		return false, err
	}
	s.say("director# ping -c 1 %s", s.Spec.VIP)
	if ok = failed == nil; !ok {
		s.say("%v", failed)
	}
	pings := l.pings()
	for i := range pings {
		ok = ok && pings[i].Ifname != netlab.Ifname // it stays on the host
	}
	return ok && len(pings) > 0, s.print(pings, "seen", "src ip", "dst ip", "what")
}

// attempts is how many SYNs are waited for.
const attempts = 3

// showMartians makes a request that is never answered.
func showMartians(ctx context.Context, s *lessonShow) error {
	d, rs1, vip := s.Lab.Director, s.Servers[0], s.Spec.VIP
	pinged, err := s.ping(ctx, "before-ping")
	if err != nil {
		return err
	}
	delivered, err := s.delivered(rs1)
	if err != nil {
		return err
	}
	l, err := s.watch("before", func(l *look, c netlab.Captures) error { return s.askInVain(ctx, l, c) }, d, rs1)
	if err != nil {
		return err
	}
	then, err := s.delivered(rs1)
	if err != nil {
		return err
	}
	s.say("director# curl %s", s.URL)
	arrived := l.syns(rs1)
	if err := s.print(l.handshake(uint16(l.first)), "seen", "dst mac", "src ip", "dst ip", "time", "what"); err != nil {
		return err
	}
	back := l.find(func(p *netlab.Packet) bool { return leaves(p, rs1) && p.Proto == frame.ProtoTCP })
	fmt.Fprintf(s.out, "No answer; given up after %d SYNs. Segments that left rs1: %d.\n", len(arrived), len(back))
	if vip.Is4() {
		fmt.Fprintf(s.out, "IP packets that rs1's kernel gave to TCP meanwhile (InDelivers in /proc/net/snmp): %d.\n", then-delivered)
	}
	strange := l.find(func(p *netlab.Packet) bool {
		return p.Host == rs1.Name() && !p.Outgoing && p.TCP(frame.SYN) && (!p.IsFrom(vip) || !p.IsTo(vip) || p.To() != frame.MAC(rs1.MAC))
	})
	s.problem(pinged && l.tally.Errors == 1 && len(arrived) >= attempts && len(back) == 0 && len(strange) == 0 && then == delivered,
		"the ping stayed on the host and was answered;\n%d SYNs from %s to %s reached rs1, and %d segments came back.",
		len(arrived), vip, vip, len(back))
	return nil
}

// syns are the SYNs of the look's connections that reached a host by its cable.
func (l *look) syns(at *netlab.Node) []netlab.Packet {
	return l.find(func(p *netlab.Packet) bool {
		return p.Host == at.Name() && p.Ifname == netlab.Ifname && !p.Outgoing && l.client(p) != 0 && p.TCP(frame.SYN)
	})
}

// delivered is how many IPv4 packets n's kernel has found to be for itself.
func (s *lessonShow) delivered(n *netlab.Node) (uint64, error) {
	if s.Spec.VIP.Is6() {
		return 0, nil
	}
	return n.Counter("Ip", "InDelivers")
}

// hopeless bounds how long is waited for a SYN to be sent again. The kernel does
// so after a second, and again after one or two more.
const hopeless = 15 * time.Second

// askInVain makes one request from the director's host, and gives it up when its
// SYN has reached the real server often enough.
func (s *lessonShow) askInVain(ctx context.Context, l *look, c netlab.Captures) error {
	limited, cancel := context.WithTimeout(ctx, hopeless)
	defer cancel()
	rs1 := s.Servers[0]
	done := make(chan netlab.Tally, 1)
	go func() { done <- netlab.Get(limited, s.Client(s.Lab.Director), s.URL, 1, 1) }()
	for {
		select {
		case l.tally = <-done:
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
		seen := 0
		for _, f := range c.Frames() {
			if p := netlab.PacketOf(f); p.Host == rs1.Name() && !p.Outgoing && p.TCP(frame.SYN) {
				seen++
			}
		}
		if seen >= attempts {
			cancel()
		}
	}
}

// whyMartians explains it.
func whyMartians(s *lessonShow) string {
	if s.Spec.VIP.Is6() {
		return `The ping is for an address of the host: the host answers itself, and nothing is wrong
with that. The SYN is sent to rs1, and its source is the VIP. rs1 has the VIP as well: it
answers the VIP, which is rs1 itself. The answer stays on its lo, finds no such connection
there, and is reset. Nothing comes back, and the director sends its SYN again and again.
In IPv4 it is worse: rs1 drops the SYN at once, as a martian.`
	}
	return `The ping is for an address of the host: the host answers itself, and nothing is wrong
with that. The SYN is sent to rs1, and its source is the VIP. rs1 has the VIP as well, and
a packet from outside cannot have an address of rs1 as its source: it is a martian. The kernel
drops it before TCP sees it, without a word. The director sends its SYN again and again.
There is no setting for it: if rs1 took the packet (accept_local=1), it would answer the
VIP, which is itself.`
}
