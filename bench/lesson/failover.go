package lesson

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane/frame"
)

// oneDirector is the lesson about the director as a single point of failure.
func oneDirector() lesson {
	return lesson{
		title: "when the director dies, clients wait though all real servers are well",
		question: `I have three real servers, so that one may fail. What if the director does? And what becomes
of the connections that are open then?`,
		classic: func(ctx context.Context, s *lessonShow) error {
			fmt.Fprintf(s.out, "There is one director. It is killed while client1 has a connection open.\n")
			return s.directEvenly(ctx)
		},
		shows: showAlone,
		why: func(s *lessonShow) string {
			return fmt.Sprintf(`client1 has learned by ARP that %s is at %s, and sends its frames
there. The host is still up, but nothing on it takes them. The real servers could answer, but are
not asked. For a failure like this the VIP has to move to another host, clients have to learn its
new MAC address at once, and that host has to know which real server has which connection.`, s.Spec.VIP, s.Lab.Director.MAC)
		},
		remedy: makePair,
		again:  showFailover,
	}
}

// killMaster kills the first director, as a crash would.
func (s *lessonShow) killMaster() error {
	s.say("director# kill -KILL $(pidof lvsdr)")
	d := s.Running
	s.Running = nil
	if err := d.Kill(); err != nil {
		return fmt.Errorf("kill the director: %w", err)
	}
	return nil
}

// showAlone kills the only director, and shows that no host answers.
func showAlone(ctx context.Context, s *lessonShow) error {
	client := s.Clients[0]
	conn, err := s.openTo(ctx, client)
	if err != nil {
		return err
	}
	defer conn.Close()
	server, err := conn.ask(patience)
	if err != nil {
		return fmt.Errorf("ask on a new connection: %w", err)
	}
	s.say("client1 has a connection with %s, and gets answers on it.", server)
	if err := s.killMaster(); err != nil {
		return err
	}
	var failed error
	l, err := s.watch("before", func(l *look, c netlab.Captures) error { failed = s.waitInVain(ctx, l, c, conn); return ctx.Err() })
	if err != nil {
		return err
	}
	s.say("client1# curl %s", s.URL)
	syns := l.find(func(p *netlab.Packet) bool { return l.client(p) != 0 && p.TCP(frame.SYN) })
	if err := s.print(syns, "seen", "dst mac", "src ip", "dst ip", "time", "what"); err != nil {
		return err
	}
	arrived := l.syns(s.Lab.Director)
	back := l.find(func(p *netlab.Packet) bool { return l.client(p) != 0 && p.IsFrom(s.Spec.VIP) })
	fmt.Fprintf(s.out, "No answer, neither to this nor on the open connection. Segments of the real servers: %d.\n", len(back))
	s.problem(failed != nil && l.tally.Errors == 1 && len(arrived) >= 2 && len(back) == 0,
		"without a director a new connection is not answered, nor is the open one;\nthe director's host got %d SYNs, and %d segments came back.", len(arrived), len(back))
	return nil
}

// waitInVain makes a request on an open connection and one with a new one, and gives both
// up when the director's host has got the SYN of the new one twice. It returns the error of
// the open connection.
func (s *lessonShow) waitInVain(ctx context.Context, l *look, c netlab.Captures, conn openConn) error {
	limited, cancel := context.WithTimeout(ctx, hopeless)
	defer cancel()
	fresh, open := make(chan netlab.Tally, 1), make(chan error, 1)
	go func() { fresh <- netlab.Get(limited, s.Client(s.Clients[0]), s.URL, 1, 1) }()
	go func() { _, err := conn.ask(hopeless); open <- err }()
	for {
		select {
		case l.tally = <-fresh:
			conn.Close()
			return <-open
		case <-time.After(pace):
		}
		seen := 0
		for _, f := range c.Frames() {
			if p := netlab.PacketOf(f); p.Host == s.Lab.Director.Name() && !p.Outgoing && p.TCP(frame.SYN) && p.IsTo(s.Spec.VIP) {
				seen++
			}
		}
		if seen >= 2 {
			cancel()
		}
	}
}

// makePair adds a second director.
func makePair(ctx context.Context, s *lessonShow) error {
	if err := s.AddStandby(ctx); err != nil {
		return err
	}
	config := s.Config(netlab.Service{Port: netlab.ServicePort, Persistence: "0", Scheduler: "mh", More: "mh-port"})
	fmt.Fprintf(s.out, "A second director, and one file for both:\n\n%s\n", s.Drawing())
	s.printConfig(config)
	fmt.Fprint(s.out, `director#  lvsdr run -c keepalived.conf --config-id director
director2# lvsdr run -c keepalived.conf --config-id director2

VRRP decides who takes what is sent to the VIP: the one with the higher priority, as long as it
sends adverts. The other one takes over when it has missed three of them. lvs_sync_daemon has the
master tell the other one of its connections. It is not told of the youngest ones, of the last
0.2 s; for those there is mh, by which both directors choose the same real server.
`)
	if err := s.DirectPair(ctx, config); err != nil {
		return err
	}
	return s.roles(ctx)
}

// roles shows the role of each director.
func (s *lessonShow) roles(ctx context.Context) error {
	fmt.Fprintln(s.out)
	for _, d := range s.Directors() {
		st, err := d.Status(ctx)
		if err != nil {
			return err
		}
		for _, r := range st.Routers {
			fmt.Fprintf(s.out, "lvsdr status on %-10s %s %s, priority %d\n", s.HostOf(d).Name()+":", r.Name, r.Role, r.Priority)
		}
	}
	return nil
}

// showFailover kills the master of the pair under a steady client, and starts it again.
func showFailover(ctx context.Context, s *lessonShow) (err error) {
	c, err := s.startSteady(ctx, s.Clients[0])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ctx.Err()); _ = c.stop() }() // what went wrong is said below
	s.say("client1 asks every %d ms on a connection that it keeps open, with %s, and as often with a new one.",
		pace.Milliseconds(), c.server)
	killed, err := s.move(ctx, "after", c, s.Standby(), func() error {
		if err := s.killMaster(); err != nil {
			return err
		}
		return s.Second.AwaitRole(ctx, "MASTER")
	})
	if err != nil {
		return err
	}
	s.say("\nThe first one returns. It has the higher priority and takes the VIP back, as soon\nas it has the connections; with nopreempt it would stand by.")
	s.say("director# lvsdr run -c keepalived.conf --config-id director")
	back, err := s.move(ctx, "return", c, s.Lab.Director, func() (err error) {
		if s.Running, err = s.StartOn(ctx, s.Lab.Director); err != nil {
			return err
		}
		return errors.Join(s.Running.AwaitRole(ctx, "MASTER"), s.Second.AwaitRole(ctx, "BACKUP"))
	})
	if err != nil {
		return err
	}
	wrong := c.stop()
	s.expect(wrong == nil, "a request failed: %v", wrong)
	s.remedied(wrong == nil && killed && back,
		"the master was killed, director2 announced the VIP, and all requests were answered;\n"+
			"the open connection went on with %s, also when the first one was back; 0 resets.", c.server)
	return nil
}

// move does what moves the VIP to a host, and shows what was seen meanwhile. It reports
// whether that host announced the VIP and nothing was reset.
func (s *lessonShow) move(ctx context.Context, name string, c *steady, to *netlab.Node, do func() error) (right bool, err error) {
	client := s.Clients[0]
	l, err := s.watch(name, func(_ *look, frames netlab.Captures) error {
		c.takeLongest()
		return errors.Join(c.goOn(ctx), do(), s.awaitAnnouncement(ctx, frames, to), c.goOn(ctx))
	})
	if err != nil {
		return false, err
	}
	announced := l.announcements(to, client)
	s.say("The announcement of the new master:")
	if err := s.print(announced, "seen", "from", "to", "what"); err != nil {
		return false, err
	}
	resets := l.find(func(p *netlab.Packet) bool {
		ours := l.client(p) != 0 || p.SrcPort == c.port || p.DstPort == c.port
		return ours && p.Proto == frame.ProtoTCP && p.Flags&frame.RST != 0
	})
	fresh := l.silence(func(p *netlab.Packet) bool {
		return reaches(p, client) && p.TCP(frame.SYN|frame.ACK) && p.IsFrom(l.vip)
	})
	fmt.Fprintf(s.out, "Longest time without an answer to a new connection: %d ms\n", fresh.Milliseconds())
	fmt.Fprintf(s.out, "Longest time on the open one, as client1 saw it:    %d ms\n", c.takeLongest().Milliseconds())
	fmt.Fprintf(s.out, "Resets: %d\n", len(resets))
	if err := s.roles(ctx); err != nil {
		return false, err
	}
	s.expect(len(announced) == 2, "%s did not announce the VIP to client1", to.Name())
	s.expect(len(resets) == 0, "%d resets", len(resets))
	return len(announced) == 2 && len(resets) == 0, nil
}

// reaches reports whether p was seen where it reaches n from the network.
func reaches(p *netlab.Packet, n *netlab.Node) bool {
	return p.Host == n.Name() && p.Ifname == netlab.Ifname && !p.Outgoing
}

// awaitAnnouncement waits until client1 has got the statement of a host that the VIP is
// there, or until that is hopeless.
func (s *lessonShow) awaitAnnouncement(ctx context.Context, frames netlab.Captures, by *netlab.Node) error {
	limited, cancel := context.WithTimeout(ctx, hopeless)
	defer cancel()
	for limited.Err() == nil && !slices.ContainsFunc(frames.Frames(), func(f netlab.Frame) bool {
		p := netlab.PacketOf(f)
		addr, mac, ok := p.Claim()
		return ok && addr == s.Spec.VIP && mac == frame.MAC(by.MAC) && reaches(&p, s.Clients[0])
	}) {
		select {
		case <-limited.Done():
		case <-time.After(pace):
		}
	}
	return ctx.Err()
}

// announcements are the first statement of a host that the VIP is at its MAC address, where
// it leaves the host and where it reaches a client.
func (l *look) announcements(by, client *netlab.Node) (all []netlab.Packet) {
	for _, seen := range []func(p *netlab.Packet) bool{
		func(p *netlab.Packet) bool { return leaves(p, by) },
		func(p *netlab.Packet) bool { return reaches(p, client) },
	} {
		at := slices.IndexFunc(l.packets, func(p netlab.Packet) bool {
			addr, mac, ok := p.Claim()
			return ok && addr == l.vip && mac == frame.MAC(by.MAC) && seen(&p)
		})
		if at >= 0 {
			all = append(all, l.packets[at])
		}
	}
	return all
}

// silence is the longest time between two packets as wanted.
func (l *look) silence(wanted func(p *netlab.Packet) bool) (longest time.Duration) {
	var last time.Time
	for _, p := range l.find(wanted) {
		if !last.IsZero() {
			longest = max(longest, p.Time.Sub(last))
		}
		last = p.Time
	}
	return longest
}
