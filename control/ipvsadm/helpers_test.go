package ipvsadm_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"lvsdr/conntrack"
	"lvsdr/control/director"
	"lvsdr/control/ipvsadm"
	"lvsdr/dataplane"
)

// newInterpreter has a director without services, and knows the names www, at
// 10.0.0.99, http, https and domain.
func newInterpreter(t testing.TB) *ipvsadm.Interpreter {
	t.Helper()
	d, err := dataplane.New(dataplane.Config{Conns: conntrack.Config{Limit: 256}, Tunables: dataplane.DefaultTunables()})
	if err != nil {
		t.Fatal(err)
	}
	return &ipvsadm.Interpreter{Admin: director.New(d, func() int64 { return 1 }), Names: ipvsadm.Names{
		Addr: func(host string) (netip.Addr, bool) {
			return netip.MustParseAddr("10.0.0.99"), host == "www" || host == "localhost"
		},
		Host: func(a netip.Addr) string {
			if a == netip.MustParseAddr("10.0.0.99") {
				return "www"
			}
			return ""
		},
		Port: func(proto, service string) (uint16, bool) {
			p := map[string]uint16{"tcp/http": 80, "tcp/https": 443, "udp/domain": 53}[proto+"/"+service]
			return p, p != 0
		},
		Service: func(proto string, port uint16) string {
			return map[string]map[uint16]string{"tcp": {80: "http", 443: "https"}, "udp": {53: "domain"}}[proto][port]
		},
	}}
}

// run runs a command line of words without blanks.
func run(i *ipvsadm.Interpreter, line string) ipvsadm.Result {
	return i.Run(context.Background(), strings.Fields(line), nil)
}

// must runs commands, one a line, that are not to be refused.
func must(t testing.TB, i *ipvsadm.Interpreter, lines string) {
	t.Helper()
	for line := range strings.Lines(lines) {
		if r := run(i, line); r.Exit != 0 || r.Err != "" {
			t.Fatalf("%s: exit code %d, %q", line, r.Exit, r.Err)
		}
	}
}

// want compares what a command printed.
func want(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: printed\n%s\nwant\n%s", what, got, want)
	}
}
