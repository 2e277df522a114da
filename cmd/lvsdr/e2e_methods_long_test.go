//go:build long

package main_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	"lvsdr/dataplane/frame"
)

// noise is a stream of n bytes that differ from place to place, the same each time.
func noise(n int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{1}), n)
}

// digest is the sha256 of all of r, in hexadecimal, and its length.
func digest(r io.Reader) (string, int64, error) {
	sum := sha256.New()
	n, err := io.Copy(sum, r)
	return fmt.Sprintf("%x", sum.Sum(nil)), n, err
}

// serveNoise answers GET with n bytes of noise and POST with the digest of what came, on
// every real server.
func serveNoise(t *testing.T, lab *network, n int64) {
	t.Helper()
	for _, s := range lab.Servers {
		l, err := s.Listen("tcp", lab.Wildcard(port))
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				sum, _, _ := digest(r.Body) // of a body that ends early it is another
				fmt.Fprint(w, sum)
				return
			}
			_, _ = io.Copy(w, noise(n)) // the client sees what is missing
		})}
		ended := make(chan error, 1)
		go func() { ended <- srv.Serve(l) }()
		t.Cleanup(func() { _ = srv.Close(); <-ended })
	}
}

// narrow makes the lab's router a hop that forwards packets of at most mtu bytes. Its
// interfaces still take whole frames.
func narrow(t *testing.T, lab *network, mtu int) {
	t.Helper()
	for _, p := range lab.Router.Ports {
		link, err := lab.Router.Netlink().LinkByName(p.Ifname)
		if err != nil {
			t.Fatal(err)
		}
		r := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: netns.IPNet(p.Addr.Masked()), MTU: mtu, MTULock: true, Priority: 1}
		if p.Addr.Addr().Is4() { // the kernel's own has priority 0, and is the better
			old := *r
			old.MTU, old.MTULock, old.Priority, old.Scope = 0, false, 0, netlink.SCOPE_LINK
			if err := lab.Router.Netlink().RouteDel(&old); err != nil {
				t.Fatal(err)
			}
			r.Scope = netlink.SCOPE_LINK
		}
		if err := lab.Router.Netlink().RouteAdd(r); err != nil {
			t.Fatalf("route %v with MTU %d: %v", r.Dst, mtu, err)
		}
	}
}

// tooBig is how many packets the lab's router did not forward as they were too big.
func tooBig(t *testing.T, lab *network) (n uint64) {
	t.Helper()
	if lab.Router == nil {
		return 0
	}
	if lab.Spec.VIP.Is4() {
		n, err := lab.Router.Counter("Ip", "FragFails")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	b, err := lab.Router.ReadProc("snmp6")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if w := strings.Fields(line); len(w) == 2 && w[0] == "Ip6FragFails" {
			if n, err = strconv.ParseUint(w[1], 10, 64); err != nil {
				t.Fatal(err)
			}
		}
	}
	return n
}

// forward makes the director's host a router, or none.
func forward(t *testing.T, lab *network, on string) {
	t.Helper()
	for _, key := range []string{"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"} {
		if err := lab.Director.Sysctl(key, on); err != nil {
			t.Fatal(err)
		}
	}
}

// What is sent through the director arrives as it was, in both directions, with all
// offloads at their defaults.
func TestBulkThroughBothMethodsArrivesAsItWas(t *testing.T) {
	t.Parallel()
	ipv6 := netip.MustParsePrefix("fd00:1::/64")
	for _, c := range []struct {
		name    string
		spec    netlab.Spec
		forward string
		hop     int // the MTU of the router; 0: as all others
		bytes   int64
	}{
		{"NAT on a host that forwards", netlab.Spec{Method: netlab.NAT}, "1", 0, 1 << 30},
		{"NAT on a host that does not forward, IPv6", netlab.Spec{Method: netlab.NAT, Net: ipv6}, "0", 0, 1 << 30},
		{"NAT, clients behind a narrow hop", netlab.Spec{Method: netlab.NAT, Routed: true}, "1", 1280, 32 << 20},
		{"NAT, clients behind a narrow hop, IPv6", netlab.Spec{Method: netlab.NAT, Routed: true, Net: ipv6}, "0", 1280, 32 << 20},
		{"TUN", netlab.Spec{Method: netlab.TUN}, "1", 0, 32 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.spec.Servers = weighted(1)
			lab := newLab(t, c.spec)
			serveNoise(t, lab, c.bytes)
			forward(t, lab, c.forward)
			if c.hop > 0 {
				narrow(t, lab, c.hop)
			}
			direct(t, lab, lab.Config(rotating()))
			want, _, err := digest(noise(c.bytes))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			// What the first finds out bounds the segments of the second. With NAT
			// the answers meet the hop after the director, with TUN the requests.
			order := []string{http.MethodPost, http.MethodGet}
			if c.spec.Method == netlab.NAT {
				slices.Reverse(order)
			}
			for i, method := range order {
				wantWhole(ctx, t, lab, method, c.bytes, want)
				if i == 0 && c.hop > 0 && tooBig(t, lab) == 0 {
					t.Errorf("%s: the router found no packet too big, so nothing is shown", method)
				}
			}
		})
	}
}

// wantWhole sends n bytes of noise to the service with POST, or gets them with GET.
func wantWhole(ctx context.Context, t *testing.T, lab *network, method string, n int64, want string) {
	t.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = noise(n)
	}
	r, err := http.NewRequestWithContext(ctx, method, url(lab), body)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	resp, err := lab.client(t, lab.Clients[0].Addr, freshConnections).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, size, err := digest(resp.Body)
	if method == http.MethodPost {
		if want := fmt.Sprintf("%x", sha256.Sum256([]byte(want))); err != nil || got != want {
			t.Errorf("the server got something else than the client sent (%v)", err)
		}
	} else if err != nil || size != n || got != want {
		t.Errorf("the client got %d bytes of %d with sha256 %s, want %s (%v)", size, n, got, want, err)
	}
	t.Logf("%s of %d MB: %.2f Gbit/s", method, n>>20, float64(n)*8/1e9/time.Since(begin).Seconds())
}

// The host of a director of NAT neither forwards the servers' answers a second time, with
// the servers' addresses, nor refuses them.
func TestTheHostForwardsNoSecondCopyOfAnswers(t *testing.T) {
	t.Parallel()
	for _, on := range []string{"0", "1"} {
		t.Run("forwarding "+on, func(t *testing.T) {
			lab := newHTTPLab(t, netlab.Spec{Method: netlab.NAT})
			forward(t, lab, on)
			direct(t, lab, lab.Config(rotating()))
			c := capture(t, lab.Clients[0])
			get(t, lab, 30)
			vip, answers := frame.AddrFrom(lab.Spec.VIP), 0
			for _, s := range sightings(t, c) {
				switch {
				case s.Outgoing || s.Kind == frame.ARP:
				case s.Proto != frame.ProtoTCP || s.Src != vip || s.Flags&frame.RST != 0:
					t.Errorf("not an answer from the VIP: %v", s)
				default:
					answers++
				}
			}
			if answers == 0 {
				t.Error("the capture saw no answer")
			}
		})
	}
}

// A NAT server whose check fails gets no new connection until it is back.
func TestANATServerThatDiesIsTakenOutAndComesBack(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Method: netlab.NAT, Servers: weighted(1, 1)})
	s := rotating()
	s.Server = checked
	d := direct(t, lab, lab.Config(s))
	for i := range lab.Servers {
		awaitServer(t, d, i, "up", isUp)
	}
	wantServed(t, lab, "rs1", "rs2")
	if err := lab.Servers[0].HTTP.Stop(); err != nil {
		t.Fatal(err)
	}
	awaitServer(t, d, 0, "down", isDown)
	wantServed(t, lab, "rs2")
	if _, err := netlab.StartHTTP(lab.Servers[0].Host, lab.Wildcard(port), "rs1"); err != nil {
		t.Fatal(err)
	}
	awaitServer(t, d, 0, "up again", isUp)
	wantServed(t, lab, "rs1", "rs2")
}
