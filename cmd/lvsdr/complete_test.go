package main

import (
	"bytes"
	"context"
	"iter"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lvsdr/bench/fault"
	"lvsdr/control/api"
	"lvsdr/scheduler"
)

// proposals returns the words that a shell is offered behind these.
func proposals(t *testing.T, words ...string) []string {
	t.Helper()
	var out bytes.Buffer
	root := newRoot()
	root.SetOut(&out)
	root.SetErr(&bytes.Buffer{})
	root.SetArgs(append([]string{"__complete"}, words...))
	if err := root.Execute(); err != nil {
		t.Fatalf("%q: %v", words, err)
	}
	var all []string
	for line := range strings.Lines(out.String()) {
		if word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); !strings.HasPrefix(word, ":") {
			all = append(all, word)
		}
	}
	return all
}

func TestCompletionOffersValues(t *testing.T) {
	var faultNames []string
	for _, f := range fault.All() {
		faultNames = append(faultNames, f.Name)
	}
	var links []string
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		links = append(links, l.Name)
	}
	for _, c := range []struct {
		law   string
		words []string
		want  []string
	}{
		{"the faults", []string{"lab", "break", ""}, faultNames},
		{"one fault only", []string{"lab", "break", "rp-filter", ""}, nil},
		{"the lessons", []string{"lab", "lesson", ""}, []string{"1", "2", "3", "4", "5", "all"}},
		{"the tunnels of a real server", []string{"realserver", "start", "--tun", ""}, []string{"ipip", "gre", "gue"}},
		{"the hosts of the lab", []string{"lab", "shell", ""}, []string{"client", "director", "rs1", "rs2", "rs3"}},
		{"the hosts of another lab", []string{"lab", "shell", "--servers", "2", "--clients", "2", "--routed", ""}, []string{"client", "client1", "client2", "director", "rs1", "rs2", "router"}},
		{"the hosts of a pair's lab", []string{"lab", "shell", "--directors", "2", ""}, []string{"client", "director", "director2", "rs1", "rs2", "rs3"}},
		{"no hosts of a lab that cannot be", []string{"lab", "shell", "--servers", "0", ""}, nil},
		{"the schedulers", []string{"lab", "--scheduler", ""}, scheduler.Names()},
		{"the schedulers of a shell's lab", []string{"lab", "shell", "--scheduler", ""}, scheduler.Names()},
		{"the interfaces of this host", []string{"run", "-i", ""}, links},
		{"the interfaces for the doctor", []string{"doctor", "--interface", ""}, links},
		{"the interfaces for a real server", []string{"realserver", "start", "--interface", ""}, links},
		{"no clients without a director", []string{"explain", "--socket", filepath.Join(t.TempDir(), "none"), ""}, nil},
	} {
		if got := proposals(t, c.words...); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.law, got, c.want)
		}
	}
}

// A site is a director with one service and two clients.
type site struct{ api.Admin }

// Services gives the service.
func (site) Services(context.Context, ...api.ServiceKey) iter.Seq2[api.Service, error] {
	return func(yield func(api.Service, error) bool) {
		yield(api.Service{ServiceConfig: api.ServiceConfig{Scheduler: "wrr",
			ServiceKey: api.ServiceKey{Protocol: "tcp", Address: netip.MustParseAddr("192.0.2.1"), Port: 80}}}, nil)
	}
}

// Conns gives connections of the clients.
func (site) Conns(context.Context) iter.Seq2[api.Conn, error] {
	return func(yield func(api.Conn, error) bool) {
		for i, client := range []string{"10.0.0.1", "10.0.0.2", "10.0.0.1"} {
			if !yield(api.Conn{Client: netip.MustParseAddr(client), ClientPort: uint16(i)}, nil) {
				return
			}
		}
	}
}

// A completed client and service are those of the director that runs.
func TestCompletionAsksTheRunningDirector(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := api.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- api.Serve(ctx, l, api.Backend{Admin: site{}}) }()
	defer func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	for _, verb := range []string{"explain", "why-sticky"} {
		if got, want := proposals(t, verb, "--socket", socket, ""), []string{"10.0.0.1", "10.0.0.2"}; !slices.Equal(got, want) {
			t.Errorf("%s offers the clients %q, want %q", verb, got, want)
		}
		if got, want := proposals(t, verb, "--socket", socket, "10.0.0.1", ""), []string{"192.0.2.1:80"}; !slices.Equal(got, want) {
			t.Errorf("%s offers the services %q, want %q", verb, got, want)
		}
		if got := proposals(t, verb, "--socket", socket, "10.0.0.1", "192.0.2.1:80", ""); got != nil {
			t.Errorf("%s offers %q behind all of its arguments", verb, got)
		}
	}
}
