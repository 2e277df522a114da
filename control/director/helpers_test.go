package director_test

import (
	"context"
	"iter"
	"net/netip"
	"testing"

	"lvsdr/conntrack"
	"lvsdr/control/api"
	"lvsdr/control/director"
	"lvsdr/dataplane"
)

// newDirector has an engine without services whose clock stands at 1.
func newDirector(t testing.TB) (*director.Director, *dataplane.Director) {
	t.Helper()
	d, err := dataplane.New(dataplane.Config{Conns: conntrack.Config{Limit: 1024}, Tunables: dataplane.DefaultTunables()})
	if err != nil {
		t.Fatal(err)
	}
	return director.New(d, func() int64 { return 1 }), d
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// edit carries out one edit.
func edit(t testing.TB, d *director.Director, e api.Edit) error {
	t.Helper()
	refused, err := d.Edit(context.Background(), []api.Edit{e})
	if err != nil || len(refused) != 1 {
		t.Fatalf("%v, %v", refused, err)
	}
	return refused[0]
}

// must carries out edits that are not to be refused.
func must(t testing.TB, d *director.Director, edits ...api.Edit) {
	t.Helper()
	refused, err := d.Edit(context.Background(), edits)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range refused {
		if r != nil {
			t.Fatalf("%+v: %v", edits[i], r)
		}
	}
}

// collect are all values, up to the first error.
func collect[T any](all iter.Seq2[T, error]) (out []T, err error) {
	for v, err := range all {
		if err != nil {
			return out, err
		}
		out = append(out, v)
	}
	return out, nil
}

// web is the key of a service, mark of one by firewall mark.
var (
	web  = api.ServiceKey{Protocol: "tcp", Address: addr("192.0.2.1"), Port: 80}
	mark = api.ServiceKey{FWMark: 7, IPv6: true}
)

func service(k api.ServiceKey, scheduler string) api.ServiceConfig {
	return api.ServiceConfig{ServiceKey: k, Scheduler: scheduler}
}

func server(a string, weight int) api.ServerConfig {
	return api.ServerConfig{Address: addr(a), Port: 80, Weight: weight}
}
