package lesson

import (
	"context"
	"fmt"
	"strings"

	"lvsdr/bench/netlab"
)

// oneServer is the lesson about persistence.
func oneServer() lesson {
	return lesson{
		title: "a load test from one machine always hits one real server",
		question: `I have three real servers with weights 3, 2 and 1, and weighted round robin. I run a load
test, and one server does all the work. Is the scheduler broken?`,
		classic: func(ctx context.Context, s *lessonShow) error {
			// No line about persistence.
			if err := s.Direct(ctx, netlab.Service{Port: netlab.ServicePort}); err != nil {
				return err
			}
			s.printConfig(s.Text)
			fmt.Fprintf(s.out, "The file says nothing about persistence. With lvsdr that means persistence_timeout 120.\n")
			return nil
		},
		shows: func(ctx context.Context, s *lessonShow) error {
			l, err := s.requests(ctx, "before", s.Clients[0])
			if err != nil {
				return err
			}
			s.shares("client1", l)
			_, templates, err := s.services(ctx)
			if err != nil {
				return err
			}
			name := "several"
			if n := s.allBy(l); n != nil {
				name = n.Name()
			}
			fmt.Fprintf(s.out, "PERSISTENT counts templates. Here it is %d: client %s goes to %s.\n", templates, s.Clients[0].Addr, name)
			s.problem(s.allBy(l) != nil && templates == 1, "%d connections of client1 were accepted by one real server: %s.",
				l.tally.Total(), s.byShares(l))
			return nil
		},
		why: func(s *lessonShow) string {
			return `The scheduler is asked once. With persistence the director then keeps a template: this
client's address, this service, this real server. Every new connection of that client
follows the template, for 120 s after the last one, so a load test never sees it end.
That is what persistence is for: a client finds its session where it left it.

It counts addresses, not people. One machine is one client, however many connections it
makes; so is an office, a mobile network or a proxy behind one NAT address: all of them go
to one real server. With many clients the shares come out right; with a few large ones they do not.`
		},
		remedy: func(ctx context.Context, s *lessonShow) error {
			config := s.Config(netlab.Service{Port: netlab.ServicePort, Persistence: "0"})
			s.printConfig(config)
			fmt.Fprintf(s.out, `director# kill -HUP $(pidof lvsdr)

The running director reads its file again. For a load test, and for services that keep no
session on the server, persistence is off: persistence_timeout 0. (persistence_default off
in global_defs, or lvsdr run --persistence-default off, switches it off for all services
that say nothing.)
`)
			return s.Running.Reload(ctx, config)
		},
		again: func(ctx context.Context, s *lessonShow) error {
			l, err := s.requests(ctx, "after", s.Clients[0])
			if err != nil {
				return err
			}
			s.shares("client1", l)
			fmt.Fprintln(s.out, "The scheduler decides about each connection; a template that is left over is ignored.")
			s.remedied(s.balanced(l), "%d connections of client1 were shared out by weight: %s.", l.tally.Total(), s.byShares(l))
			return nil
		},
	}
}

// printConfig shows a configuration without most of its real servers.
func (s *lessonShow) printConfig(config string) {
	head, rest, _ := strings.Cut(config, "    real_server")
	one, _, _ := strings.Cut(rest, "    }\n")
	s.say("%s    real_server%s    }\n    ...\n}", head, one)
}
