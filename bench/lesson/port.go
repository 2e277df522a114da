package lesson

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane/frame"
)

// noOpenPort is the lesson about the port that is not open.
func noOpenPort() lesson {
	return lesson{
		title: "the VIP's port is not open on the director, and yet the service works",
		question: `I look for port 8080 on the director with ss. Nothing listens there, and no interface has
the VIP. How can clients be served? Where do I see the service?`,
		classic: func(ctx context.Context, s *lessonShow) error {
			fmt.Fprintf(s.out, "The director is lvsdr, without persistence. With kernel IPVS it would have the VIP on an\n"+
				"interface, and no open port either.\n")
			return s.directEvenly(ctx)
		},
		shows: showNoPort,
		why: func(s *lessonShow) string {
			return fmt.Sprintf(`A port is open where a program listens: on the real servers. The director is not an end
of the connection. It takes a frame for %s from the wire, writes the MAC
address of a real server into it and sends it on, before any socket is looked for. The
real server accepts the connection, because it has the VIP and listens there, and answers
the client directly. So ss, netstat and lsof on the director are right to show nothing,
and an open port there would be no sign of a working service.`, netip.AddrPortFrom(s.Spec.VIP, netlab.ServicePort))
		},
		remedy: func(ctx context.Context, s *lessonShow) error {
			s.say("There is nothing to fix; look for the service elsewhere. The director knows it:")
			if _, _, err := s.services(ctx); err != nil {
				return err
			}
			fmt.Fprintf(s.out, "And it is on the wire. The director sees each packet to the VIP twice, the answers never:\n\n"+
				"director# tcpdump -eni eth0 'host %s and tcp port %d'\n", s.Spec.VIP, netlab.ServicePort)
			return nil
		},
		again: func(ctx context.Context, s *lessonShow) error {
			before, err := s.Running.Status(ctx)
			if err != nil {
				return err
			}
			l, err := s.requests(ctx, "after", s.Clients[0])
			if err != nil {
				return err
			}
			s.shares("client1", l)
			s.say("What tcpdump on the director sees of the beginning of the first connection:")
			d := s.Lab.Director
			seen := slices.DeleteFunc(l.handshake(uint16(l.first)), func(p netlab.Packet) bool { return p.Host != d.Name() })
			if err := s.print(seen, "seen", "src mac", "dst mac", "what"); err != nil {
				return err
			}
			counted, _, err := s.services(ctx)
			if err != nil {
				return err
			}
			for _, v := range before.Services {
				counted -= v.Traffic.Conns
			}
			sent := l.begun(d, s.Clients[0].Addr, nil)
			fmt.Fprintf(s.out, "Connections more than before: %d. SYNs that left the director: %d.\n", counted, len(sent))
			s.remedied(s.balanced(l) && int(counted) == len(sent) && len(sent) == lessonRequests,
				"lvsdr status counts %d connections, the capture on the director shows %d;\naccepted by %s.", counted, len(sent), s.byShares(l))
			return nil
		},
	}
}

// showNoPort shows that nothing of the service is open on the director.
func showNoPort(ctx context.Context, s *lessonShow) error {
	d, client, vip := s.Lab.Director, s.Clients[0], s.Spec.VIP
	open, err := s.printSockets(d, s.Servers[0])
	if err != nil {
		return err
	}
	own, err := s.watch("before-own", func(l *look, _ netlab.Captures) error {
		l.tally = netlab.Get(ctx, s.Client(client), "http://"+netip.AddrPortFrom(d.Addr, netlab.ServicePort).String()+"/", 1, 1)
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	s.say("client1 connects to the director's own address:")
	refused := own.find(func(p *netlab.Packet) bool {
		return leaves(p, d) && own.client(p) != 0 && p.IsFrom(d.Addr) && p.TCP(frame.RST|frame.ACK)
	})
	first := own.find(func(p *netlab.Packet) bool { return leaves(p, client) && own.client(p) != 0 && p.TCP(frame.SYN) })
	if err := s.print(append(first, refused...), "seen", "src mac", "src ip", "dst ip", "what"); err != nil {
		return err
	}
	l, err := s.requests(ctx, "before", client)
	if err != nil {
		return err
	}
	s.shares("client1 to the VIP", l)
	s.say("The first connection:")
	if err := s.print(l.handshake(uint16(l.first)), "seen", "from", "to", "src ip", "dst ip", "ports", "what"); err != nil {
		return err
	}
	answers := l.find(func(p *netlab.Packet) bool {
		return p.Host == client.Name() && !p.Outgoing && l.client(p) != 0 && p.IsFrom(vip)
	})
	direct := slices.DeleteFunc(slices.Clone(answers), func(p netlab.Packet) bool {
		n := s.Owner(p.From())
		return n == nil || n.Role != netlab.RoleServer
	})
	passed := l.find(func(p *netlab.Packet) bool { return p.Host == d.Name() && p.IsFrom(vip) && l.client(p) != 0 })
	s.expect(len(answers) > 0 && len(direct) == len(answers), "%d of %d answers came from another host than a real server", len(answers)-len(direct), len(answers))
	fmt.Fprintf(s.out, "All answers come from the MAC address of a real server. Answers seen on the director: %d.\n", len(passed))
	s.problem(!open && own.tally.Errors == 1 && len(refused) == 1 && s.balanced(l) && len(passed) == 0,
		"port %d of the director is closed, and the VIP is on none of its interfaces;\n"+
			"%d of %d requests to the VIP were answered, past the director: %s.", netlab.ServicePort, l.tally.Total()-l.tally.Errors, l.tally.Total(), s.byShares(l))
	return nil
}

// printSockets shows the addresses of hosts and where they listen, and reports
// whether the first one has the VIP or listens on the service's port.
func (s *lessonShow) printSockets(hosts ...*netlab.Node) (open bool, err error) {
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "host\tlistening (ss -ltn)\taddresses (ip addr)\n")
	for i, n := range hosts {
		addrs, err := n.Addresses()
		if err != nil {
			return false, err
		}
		sockets, err := netlab.Listening(n.Host)
		if err != nil {
			return false, err
		}
		var at []string
		for _, l := range sockets {
			host := l.Addr().String()
			if l.Addr().IsUnspecified() {
				host = "*"
			}
			at = append(at, fmt.Sprintf("%s:%d", host, l.Port()))
			open = open || i == 0 && l.Port() == netlab.ServicePort
		}
		if at == nil {
			at = []string{"nothing"}
		}
		first := n.Name() + "\t" + strings.Join(at, ", ")
		for _, a := range addrs {
			fmt.Fprintf(w, "%s\t%s %s\n", first, a.Ifname, a.Addr)
			first = "\t"
			open = open || i == 0 && a.Addr.Addr() == s.Spec.VIP
		}
	}
	if err := w.Flush(); err != nil {
		return false, err
	}
	fmt.Fprintln(s.out)
	return open, nil
}
