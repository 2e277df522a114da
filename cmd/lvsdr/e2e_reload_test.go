package main_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
)

// leftOut is the weight of a server that a configuration does not have.
const leftOut = -1

// configOf is the configuration with other weights than the lab's.
func configOf(lab *network, weights ...int) string {
	other := *lab.Lab
	other.Servers = nil
	for i, w := range weights {
		if w != leftOut {
			n := *lab.Servers[i]
			n.Weight = w
			other.Servers = append(other.Servers, &n)
		}
	}
	return other.Config(rotating())
}

// A load is clients that make requests one after the other until it is stopped.
type load struct {
	stop context.CancelFunc
	wg   sync.WaitGroup
	done []atomic.Int64 // requests of each client

	mu     sync.Mutex // guards what follows
	served map[string]int
	failed []error
}

// startLoad starts a client on each further address of the lab's client.
func startLoad(t *testing.T, lab *network) *load {
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	l := &load{stop: stop, done: make([]atomic.Int64, len(lab.Clients[0].Extra)), served: map[string]int{}}
	for i, a := range lab.Clients[0].Extra {
		c := lab.client(t, a, freshConnections)
		l.wg.Go(func() {
			for ctx.Err() == nil {
				// The request under way when the load is stopped ends as well.
				tally := netlab.Get(context.WithoutCancel(ctx), c, url(lab), 1, 1)
				l.mu.Lock()
				for name, n := range tally.ByServer {
					l.served[name] += n
				}
				if tally.Errors > 0 {
					l.failed = append(l.failed, tally.First)
				}
				l.mu.Unlock()
				l.done[i].Add(1)
			}
		})
	}
	t.Cleanup(func() { stop(); l.wg.Wait() })
	return l
}

// round waits until every client has ended five more requests, of which the
// first may have begun before, and returns the answers by server since then.
func (l *load) round(t *testing.T) map[string]int {
	t.Helper()
	l.mu.Lock()
	l.served = map[string]int{}
	l.mu.Unlock()
	for i := range l.done {
		before := l.done[i].Load()
		await(t, "more requests", func() bool { return l.done[i].Load() >= before+5 })
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.served)
}

// A reloading is a director that is reloaded under a load, with connections
// that must outlive it all.
type reloading struct {
	lab  *network
	d    *netlab.Director
	load *load
	open []*pinned
	up   *upload
}

// with reloads with these weights, wants them in force and the connections
// kept, and returns the answers by server since then.
func (r *reloading) with(t *testing.T, weights ...int) map[string]int {
	t.Helper()
	if err := r.d.Reload(t.Context(), configOf(r.lab, weights...)); err != nil {
		t.Fatal(err)
	}
	r.check(t)
	r.load.round(t) // whose requests may have begun before the reload
	// A removed server is listed as such while connections are left of it.
	servers := slices.DeleteFunc(status(t, r.d).Services[0].Servers, func(s api.Server) bool { return s.Removed })
	for i, w := range weights {
		if w == leftOut {
			continue
		}
		if len(servers) == 0 {
			t.Fatalf("rs%d is missing", i+1)
		}
		if s := servers[0]; s.Address != r.lab.Servers[i].Addr || s.Effective != w {
			t.Errorf("server %s has weight %d, want %s of weight %d", s.Address, s.Effective, r.lab.Servers[i].Addr, w)
		}
		servers = servers[1:]
	}
	if len(servers) > 0 {
		t.Errorf("servers that should be gone: %+v", servers)
	}
	return r.load.round(t)
}

// check uses all open connections.
func (r *reloading) check(t *testing.T) {
	t.Helper()
	r.up.write(t)
	for _, p := range r.open {
		p.check(t)
	}
}

// refuseBadFile reloads with files that are wrong and wants the last good one to
// stay in force.
func refuseBadFile(t *testing.T, lab *network, d *netlab.Director) {
	t.Helper()
	before := status(t, d)
	config := lab.Config(rotating())
	for _, bad := range []struct{ law, text, word string }{
		{"a word that does not exist", strings.Replace(config, "lb_algo", "lb_alga", 1), "lb_alga"},
		{"a brace that is missing", strings.TrimSpace(config)[:strings.LastIndex(strings.TrimSpace(config), "}")], "not closed"},
		{"nothing to serve", "# nothing\n", "no virtual server"},
	} {
		if err := d.Reload(t.Context(), bad.text); err == nil || !strings.Contains(err.Error(), bad.word) {
			t.Errorf("%s: %v", bad.law, err)
		}
		st := status(t, d)
		if !strings.Contains(st.ConfigErr, bad.word) {
			t.Errorf("%s: the status says config_error %q", bad.law, st.ConfigErr)
		}
		if a, b := servicesOf(before), servicesOf(st); a != b {
			t.Errorf("%s changed the services from\n%s to\n%s", bad.law, a, b)
		}
		if st.ConfigTime != before.ConfigTime {
			t.Errorf("%s counts as loaded", bad.law)
		}
	}
	if !strings.Contains(d.Log.String(), "the last good configuration stays in force") {
		t.Error("the log does not say that the last good configuration stays in force")
	}
}

// addElsewhere reloads with one more service, whose VIP is on no network: it is a
// problem of its own, and all others are served.
func addElsewhere(t *testing.T, lab *network, d *netlab.Director) {
	t.Helper()
	const elsewhere = "203.0.113.7" // RFC 5737
	config := lab.Config(rotating())
	if err := d.Reload(t.Context(), config+strings.Replace(config, lab.Spec.VIP.String(), elsewhere, 1)); err != nil {
		t.Errorf("a file with a VIP that is on no network: %v", err)
	}
	st := status(t, d)
	if len(st.Services) != 2 || len(st.Problems) != 1 || !strings.Contains(st.Problems[0], elsewhere) || !strings.Contains(st.Problems[0], "-i IFACE") {
		t.Errorf("%d services, problems %q", len(st.Services), st.Problems)
	}
	if err := d.Reload(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if st := status(t, d); len(st.Problems) != 0 {
		t.Errorf("problems %q", st.Problems)
	}
}

// servicesOf are the services and servers without what traffic changes.
func servicesOf(st *api.Status) string {
	var b strings.Builder
	for _, s := range st.Services {
		fmt.Fprintln(&b, s.Protocol, s.Address, s.Port, s.Scheduler, s.Persistence)
		for _, r := range s.Servers {
			fmt.Fprintln(&b, " ", r.Address, r.Port, r.Weight, r.Effective, r.Up, r.MAC)
		}
	}
	return b.String()
}
