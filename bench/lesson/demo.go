package lesson

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
)

// A demo is the lab while it is shown.
type demo struct {
	*netlab.Site
	report
}

// Demo shows a lab at work: the way of a packet, the shares of the real servers,
// and persistence. It must be called in a world.
func Demo(ctx context.Context, o Options) (err error) {
	site, err := netlab.OpenSite(ctx, o.Binary, o.Topology)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, site.Close(ctx)) }()
	out := o.Out
	s := &demo{site, report{out: out, width: o.Width}}
	s.title("The lab")
	fmt.Fprint(out, s.Drawing())
	if err := s.introduce(ctx); err != nil {
		return err
	}
	keep, err := s.KeepCaptures(o.Pcap)
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{s.journey, s.shares, s.sticky, s.status} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := keep(); err != nil {
		return err
	}
	return s.verdict("All as it should be.")
}

// shares makes 600 requests, in turn from all clients, and compares each
// server's share with its weight where the scheduler promises that. Weighted
// round robin is exact but for the first pass of a fresh service, which gives
// every server one connection, and the pass that is under way.
func (s *demo) shares(ctx context.Context) error {
	const requests = 600
	service := s.Topology.Service()
	before, err := s.connections(ctx)
	if err != nil {
		return err
	}
	s.title(fmt.Sprintf("%d requests, persistence_timeout %s", requests, service.Persistence))
	t := netlab.Tally{ByServer: map[string]int{}}
	for i, from := range s.Clients {
		n := requests*(i+1)/len(s.Clients) - requests*i/len(s.Clients)
		t.Add(netlab.Get(ctx, s.Client(from), s.URL, n, 8))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.expect(t.Errors == 0, "%d of %d requests failed: %v", t.Errors, requests, t.First)
	promise := s.promise()
	sum := 0
	for _, n := range s.Servers {
		sum += promise(n)
	}
	for _, n := range s.Servers {
		got := t.ByServer[n.Name()]
		fmt.Fprintf(s.out, "%s  weight %d  %s %3d of %d, %4.1f %%", n.Name(), n.Weight, s.bar(got, requests), got, requests, 100*float64(got)/requests)
		if sum > 0 {
			want := requests * promise(n) / sum
			fmt.Fprintf(s.out, " (%s says %4.1f %%)", s.promiser(), 100*float64(promise(n))/float64(sum))
			s.expect(got-want <= sum && want-got <= sum, "%s served %d requests, not %d", n.Name(), got, want)
		}
		fmt.Fprintln(s.out)
	}
	return errors.Join(s.byDirector(ctx, before, requests), ctx.Err())
}

// promise is by which measure the scheduler shares new connections exactly;
// always 0 where it promises no such thing.
func (s *demo) promise() func(*netlab.Node) int {
	switch service := s.Topology.Service(); {
	case service.Persistence != "0":
	case service.Scheduler == "wrr":
		return func(n *netlab.Node) int { return n.Weight }
	case service.Scheduler == "rr":
		return func(n *netlab.Node) int { return min(n.Weight, 1) }
	}
	return func(*netlab.Node) int { return 0 }
}

// promiser names the source of the expected shares.
func (s *demo) promiser() string {
	if s.Topology.Scheduler == "rr" {
		return "rr"
	}
	return "weight"
}

// sticky takes persistence_timeout away, so that the default holds, and makes
// requests from each client.
func (s *demo) sticky(ctx context.Context) error {
	const requests = 60
	s.title(fmt.Sprintf("%d requests with the default persistence of 120 s", requests))
	service := s.Topology.Service()
	service.Persistence = ""
	if err := s.Reload(ctx, s.Config(service)); err != nil {
		return err
	}
	for _, from := range s.Clients {
		t := netlab.Get(ctx, s.Client(from), s.URL, requests, 8)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.expect(t.Errors == 0, "%d of %d requests of %s failed: %v", t.Errors, requests, from.Name(), t.First)
		for _, name := range slices.Sorted(maps.Keys(t.ByServer)) {
			fmt.Fprintf(s.out, "%s  %s  %s %d of %d\n", from.Name(), name, s.bar(t.ByServer[name], requests), t.ByServer[name], requests)
		}
		s.expect(len(t.ByServer) == 1, "%s was served by %d real servers in spite of persistence", from.Name(), len(t.ByServer))
	}
	fmt.Fprintln(s.out, "\nOne client stays on one real server until 120 s after its last new connection,")
	fmt.Fprintln(s.out, "and as long as one of its connections is known.")
	fmt.Fprintln(s.out, "For load tests: persistence_timeout 0.")
	return ctx.Err()
}

// status shows what each director says of itself.
func (s *demo) status(ctx context.Context) error {
	for _, d := range s.Directors() {
		title := "lvsdr status"
		if s.Second != nil {
			title += " on " + s.HostOf(d).Name()
		}
		s.title(title)
		st, err := d.Status(ctx)
		if err != nil {
			return err
		}
		s.checkStatus(st)
		if err := api.WriteScreen(s.out, st, s.width); err != nil {
			return err
		}
	}
	return nil
}

// checkStatus compares the director's counters with each other and with what
// was seen.
func (s *demo) checkStatus(st *api.Status) {
	var frames, received uint64
	for _, n := range st.Reasons {
		frames += n
	}
	for _, p := range st.Ports {
		received += p.Received
		s.expect(p.Missed+p.MissedSYN == 0 && p.SendError == 0 && p.SendFull == 0, "frames were lost: %+v", p)
	}
	// The port counts first; between the two readings frames may arrive.
	s.expect(frames <= received, "%d frames were counted and only %d received", frames, received)
	s.expect(st.Reasons["no-mac"] == 0, "%d frames had no MAC address to go to", st.Reasons["no-mac"])
}
