package lesson

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
)

// localOnServer is the lesson about clients on a real server.
func localOnServer() lesson {
	return lesson{
		title: "on a real server, requests to the VIP always end at the server itself",
		question: `I log in to rs1 and ask the VIP. It is always rs1 that answers, never rs2 or rs3.
Why is nothing balanced here?`,
		classic: func(ctx context.Context, s *lessonShow) error {
			fmt.Fprintf(s.out, "Each real server has the VIP on lo and keeps it to itself (arp_ignore=1, arp_announce=2).\n"+
				"The director is lvsdr, without persistence; for this lesson kernel IPVS would do as well.\n")
			return s.directEvenly(ctx)
		},
		shows: func(ctx context.Context, s *lessonShow) error {
			rs1 := s.Servers[0]
			others, err := s.requests(ctx, "before-client1", s.Clients[0])
			if err != nil {
				return err
			}
			s.shares("client1", others)
			own, err := s.requests(ctx, "before", rs1)
			if err != nil {
				return err
			}
			s.shares("rs1", own)
			s.say("The first connection of rs1:")
			if err := s.print(own.handshake(uint16(own.first)), "seen", "src ip", "dst ip", "ports", "what"); err != nil {
				return err
			}
			stayed := own.connections(func(p *netlab.Packet) bool { return p.Ifname == netlab.Loopback && p.IsTo(s.Spec.VIP) })
			left := own.find(func(p *netlab.Packet) bool { return leaves(p, rs1) && p.IsTo(s.Spec.VIP) })
			fmt.Fprintf(s.out, "All %d connections look like this. Frames for the VIP that left eth0 of rs1: %d.\n", len(stayed), len(left))
			s.expect(s.balanced(others), "the requests of client1 are not shared out by weight: %s", s.byShares(others))
			s.problem(s.allBy(own) == rs1 && len(stayed) == lessonRequests && len(left) == 0,
				"%d of %d connections of rs1 were accepted by rs1 itself;\n%d frames for the VIP left it.",
				len(own.servedBy(rs1)), own.tally.Total(), len(left))
			return nil
		},
		why: func(s *lessonShow) string {
			return fmt.Sprintf(`The VIP is an address of rs1: a real server of Direct Routing must have it, or it would
not accept what the director sends. So when a program on rs1 connects to the VIP, the
kernel finds it in the table of its own addresses (ip rule 0: lookup local) and delivers
the packet on lo. The director never hears of it; its scheduler has no say.
It takes %s as the source, too: a connection to an address of the host has that
address at both ends.`, s.Spec.VIP)
		},
		remedy: balanceOnServer,
		again: func(ctx context.Context, s *lessonShow) error {
			rs1, d := s.Servers[0], s.Lab.Director
			l, err := s.requests(ctx, "after", rs1)
			if err != nil {
				return err
			}
			s.shares("rs1", l)
			for _, n := range []*netlab.Node{s.Servers[1], rs1} {
				accepted := l.servedBy(n)
				if len(accepted) == 0 {
					continue
				}
				s.say("A connection of rs1 that %s got:", n.Name())
				if err := s.print(l.handshake(accepted[0]), "seen", "from", "to", "src ip", "dst ip", "ports", "what"); err != nil {
					return err
				}
			}
			fmt.Fprintf(s.out, "The director sends rs1 its own share back. That answer is from rs1 to rs1 and stays on lo.\n")
			sent := l.begun(rs1, rs1.Addr, d)
			s.remedied(len(sent) == lessonRequests && s.balanced(l), "%d of %d connections of rs1 went to the director, from %s;\naccepted by %s.",
				len(sent), l.tally.Total(), rs1.Addr, s.byShares(l))
			return nil
		},
	}
}

// directEvenly starts the director without persistence.
func (s *lessonShow) directEvenly(ctx context.Context) error {
	return s.Direct(ctx, netlab.Service{Port: netlab.ServicePort, Persistence: "0"})
}

// balanceOnServer runs lvsdr realserver start on rs1.
func balanceOnServer(ctx context.Context, s *lessonShow) error {
	dir, release, err := netns.TempDir()
	if err != nil {
		return fmt.Errorf("start the real server: %w", err)
	}
	args := []string{"realserver", "start", "--vip", s.Spec.VIP.String(), "--balance-local-clients", fmt.Sprint(netlab.ServicePort)}
	fmt.Fprintf(s.out, "rs1# lvsdr %s\n", strings.Join(args, " "))
	// The hosts of a lab share one /run, where the record would be. The folder
	// itself is locked.
	cmd := s.Servers[0].Command(ctx, s.Binary, append(args, "--state", filepath.Join(dir, "rs1"))...)
	out, err := cmd.CombinedOutput()
	fmt.Fprintf(s.out, "%s\n", fold(string(out), s.width))
	if err := errors.Join(err, release()); err != nil {
		return fmt.Errorf("lvsdr realserver start: %w", err)
	}
	fmt.Fprint(s.out, `A policy rule for the port stands before the table of own addresses now: what rs1 itself
sends to it goes out by eth0, with rs1's own address as the source. What comes in finds
the local table as before. accept_local lets in what has an own address as the source:
its own requests, when the director sends them back to it, and the answers from the VIP.
`)
	return nil
}
