//go:build long

package main_test

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/control/localclient"
)

// serveOwn adds a real server to the lab's director, and to its service in config.
func serveOwn(t *testing.T, lab *network, config string, addr netip.Addr) (string, *netlab.HTTPServer) {
	t.Helper()
	own, err := netlab.StartHTTP(lab.Director.Host, lab.Wildcard(port), "director")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.Stop() }) // for a test that has stopped it, once more
	return strings.TrimSuffix(config, "}\n") + fmt.Sprintf("    real_server %s %d {\n        weight 1\n        %s\n    }\n}\n", addr, port, checked), own
}

// A director that is one of the real servers: clients of the network and those on its own
// host are served by it as by the others, with every method of the service, also under a
// strict reverse path filter and where the host has the virtual address; it is checked, and
// nothing of it is left in the end.
func TestARealServerOnTheDirectorsHost(t *testing.T) {
	t.Parallel()
	loopback, loopback6 := netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()
	for _, c := range []struct {
		name  string
		spec  netlab.Spec
		addr  netip.Addr // the zero Addr: that of the interface
		onLo  bool       // the VIP is on lo
		plain bool       // lvsdr status says nothing to fix
	}{
		{"DR", netlab.Spec{}, loopback, false, true},
		{"DR, its own address", netlab.Spec{}, netip.Addr{}, false, true},
		{"DR, the VIP on lo", netlab.Spec{}, loopback, true, false},
		{"DR, IPv6", netlab.Spec{Net: net6}, loopback6, false, true},
		{"DR, IPv6, the VIP on lo", netlab.Spec{Net: net6}, netip.Addr{}, true, false},
		{"NAT", netlab.Spec{Method: netlab.NAT}, loopback, false, true},
		{"NAT, IPv6", netlab.Spec{Method: netlab.NAT, Net: net6}, netip.Addr{}, false, true},
		{"TUN", netlab.Spec{Method: netlab.TUN}, loopback, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.spec.Servers = weighted(1, 1)
			lab := newHTTPLab(t, c.spec)
			if !c.addr.IsValid() {
				c.addr = lab.Director.Addr
			}
			if err := lab.Director.Sysctl("net.ipv4.conf.all.rp_filter", "1"); err != nil {
				t.Fatal(err)
			}
			if c.onLo {
				if err := lab.Director.AddAddr("lo", netip.PrefixFrom(lab.Spec.VIP, lab.Spec.VIP.BitLen())); err != nil {
					t.Fatal(err)
				}
			}
			before := footprint(t, lab.Director.Host)
			config, own := serveOwn(t, lab, lab.Config(rotating()), c.addr)
			p := launch(t, lab, shortDir(t), config)
			d := &netlab.Director{Socket: p.socket}
			i := len(lab.Servers)
			s := awaitServer(t, d, i, "up", isUp)
			if s.Interface != localclient.DirectorEnd || s.MAC == "" {
				t.Errorf("the status says interface %q, MAC address %q", s.Interface, s.MAC)
			}
			names := []string{"director"}
			for _, n := range lab.Servers {
				names = append(names, n.Name())
			}
			wantServed(t, lab, names...)
			if !c.onLo {
				wantServedTo(t, onDirector(lab), names)
			}
			if st := status(t, d); c.plain && len(st.Problems) > 0 {
				t.Errorf("problems: %q", st.Problems)
			}
			wantBulk(t, lab, names)
			if err := own.Stop(); err != nil {
				t.Fatal(err)
			}
			awaitServer(t, d, i, "down", isDown)
			wantServed(t, lab, names[1:]...)
			if code := p.end(t, unix.SIGTERM); code != 0 {
				t.Errorf("SIGTERM ended the director with %d", code)
			}
			if after := footprint(t, lab.Director.Host); !slices.Equal(before, after) {
				t.Errorf("left behind:\n%s\nfound:\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
			}
		})
	}
}

// wantServedTo wants requests of the lab's client, which chooses no source address, to be
// answered by all these servers.
func wantServedTo(t *testing.T, lab *network, names []string) {
	t.Helper()
	tally := netlab.Get(t.Context(), lab.client(t, anyAddr(lab), freshConnections), serviceURL(lab), 30, 4)
	if tally.Errors > 0 || len(tally.ByServer) != len(names) {
		t.Errorf("requests from the director's host: %d failed (%v), %v answered; want %v", tally.Errors, tally.First, tally.ByServer, names)
	}
}

// wantBulk wants megabytes to go to each of the servers, and to come from them.
func wantBulk(t *testing.T, lab *network, names []string) {
	t.Helper()
	const n = 4 << 20
	want, _, err := digest(noise(n))
	if err != nil {
		t.Fatal(err)
	}
	client := lab.client(t, lab.Clients[0].Addr, freshConnections)
	seen := map[string]bool{}
	for range 2 * len(names) {
		resp, err := client.Post(url(lab)+"?bytes="+strconv.Itoa(n), "", noise(n)) //nolint:noctx // the client has a timeout
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if resp.Body.Close(); err != nil || strings.TrimSpace(string(got)) != want {
			t.Errorf("%s got something else than was sent: %q, %v", resp.Header.Get(netlab.ServerHeader), got, err)
		}
		resp, err = client.Get(url(lab) + "?bytes=" + strconv.Itoa(n)) //nolint:noctx // likewise
		if err != nil {
			t.Fatal(err)
		}
		seen[resp.Header.Get(netlab.ServerHeader)] = true
		size, err := io.Copy(io.Discard, resp.Body)
		if resp.Body.Close(); err != nil || size < n {
			t.Errorf("%s sent %d bytes, %v; want %d", resp.Header.Get(netlab.ServerHeader), size, err, n)
		}
	}
	for _, name := range names {
		if !seen[name] {
			t.Errorf("%s sent nothing", name)
		}
	}
}
