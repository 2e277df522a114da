package main_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/dns/dnsmessage"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
)

// families are the networks of the tests that are for both.
var families = []struct {
	name      string
	lan       netip.Prefix
	hop, far  netip.Prefix
	forwarder string // the sysctl that makes a router
}{
	{"IPv4", netip.MustParsePrefix("192.168.1.0/24"), netip.MustParsePrefix("10.1.0.0/24"), netip.MustParsePrefix("10.2.0.0/24"), "net.ipv4.ip_forward"},
	{"IPv6", netip.MustParsePrefix("fd00:1::/64"), netip.MustParsePrefix("fd00:2::/64"), netip.MustParsePrefix("fd00:3::/64"), "net.ipv6.conf.all.forwarding"},
}

// udpService is a service of UDP for all servers of the lab.
func udpService(lab *network, more string) string {
	text := strings.ReplaceAll(lab.Config(netlab.Service{Port: port, Scheduler: "rr", Persistence: "0", More: more}), "protocol TCP", "protocol UDP")
	return text
}

// vipPort is the service's address and port.
func vipPort(lab *network) string { return netip.AddrPortFrom(lab.Spec.VIP, port).String() }

// host makes a host with cables to switches.
func host(t *testing.T, name string, ipv6 bool) *netns.Host {
	t.Helper()
	h, err := netns.NewHost(name, netns.HostConfig{IPv6: ipv6})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func connect(t *testing.T, s *netns.Switch, h *netns.Host, ifname string, mtu int, addr netip.Prefix) {
	t.Helper()
	err := s.Connect(t.Context(), h, netns.Cable{Ifname: ifname, MTU: mtu, Addrs: []netip.Prefix{addr}})
	if err != nil {
		t.Fatal(err)
	}
}

// at is the n-th address of a network.
func at(p netip.Prefix, n byte) netip.Prefix {
	b := p.Addr().AsSlice()
	b[len(b)-1] = n
	a, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(a, p.Bits())
}

// route tells h to reach dst by way of gw.
func route(t *testing.T, h *netns.Host, dst netip.Prefix, gw netip.Addr) {
	t.Helper()
	err := h.Netlink().RouteAdd(&netlink.Route{Gw: gw.AsSlice(),
		Dst: &net.IPNet{IP: dst.Masked().Addr().AsSlice(), Mask: net.CIDRMask(dst.Bits(), dst.Addr().BitLen())}})
	if err != nil {
		t.Fatalf("%s: route to %s by %s: %v", h.Name(), dst, gw, err)
	}
}

// A router between a real server and its client tells the server, whose address
// is the VIP, that packets are too big: it tells the director, which must tell
// the server.
//
//	client ──1500── r2 ──1280── r1 ──1500── director, real servers
func TestPathMTUDiscoveryWorksThroughTheVIP(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			ipv6 := f.lan.Addr().Is6()
			lab := newLab(t, netlab.Spec{Net: f.lan, Servers: weighted(1, 1)})
			r1, r2, client := host(t, "r1", ipv6), host(t, "r2", ipv6), host(t, "far", ipv6)
			hop, far := newSwitch(t, "hop"), newSwitch(t, "far-switch")
			connect(t, lab.Switch, r1, "eth0", 1500, at(f.lan, 2))
			connect(t, hop, r1, "eth1", 1280, at(f.hop, 1))
			connect(t, hop, r2, "eth0", 1280, at(f.hop, 2))
			connect(t, far, r2, "eth1", 1500, at(f.far, 1))
			connect(t, far, client, "eth0", 1500, at(f.far, 9))
			for _, r := range []*netns.Host{r1, r2} {
				if err := r.Sysctl(f.forwarder, "1"); err != nil {
					t.Fatal(err)
				}
			}
			route(t, client, f.lan, at(f.far, 1).Addr())
			route(t, r2, f.lan, at(f.hop, 1).Addr())
			route(t, r1, f.far, at(f.hop, 2).Addr())
			body := bytes.Repeat([]byte("0123456789abcdef"), 1<<17) // 2 MiB
			for _, rs := range lab.Servers {
				route(t, rs.Host, f.far, at(f.lan, 2).Addr())
				route(t, rs.Host, f.hop, at(f.lan, 2).Addr())
				serveBody(t, rs, body)
			}
			d := direct(t, lab, lab.Config(rotating()))
			for range lab.Servers {
				resp, err := client.HTTPClient(netns.HTTPOptions{Fresh: true, Timeout: patience}).Get("http://" + vipPort(lab) + "/")
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || !bytes.Equal(got, body) {
					t.Fatalf("%d of %d bytes arrived: %v", len(got), len(body), err)
				}
			}
			if n := status(t, d).Reasons["related"]; n < uint64(len(lab.Servers)) {
				t.Errorf("%d ICMP errors went to the servers, want one for each at least", n)
			}
		})
	}
}

func newSwitch(t *testing.T, name string) *netns.Switch {
	t.Helper()
	s, err := netns.NewSwitch(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// serveBody answers every request on rs with body.
func serveBody(t *testing.T, rs *netlab.Node, body []byte) {
	t.Helper()
	l, err := rs.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
}

// serveUDP answers every datagram that reaches the VIP on rs with what answer
// makes of it.
func serveUDP(t *testing.T, lab *network, rs *netlab.Node, answer func([]byte) []byte) {
	t.Helper()
	c, err := rs.ListenPacket("udp", vipPort(lab))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1<<16)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(answer(buf[:n]), from)
		}
	}()
	t.Cleanup(func() { c.Close(); <-done })
}

// dnsAnswer answers a query for an address with one that ends in n.
func dnsAnswer(n byte) func([]byte) []byte {
	return func(query []byte) []byte {
		var m dnsmessage.Message
		if m.Unpack(query) != nil || len(m.Questions) != 1 {
			return nil
		}
		m.Header.Response, m.Header.Authoritative, m.Additionals = true, true, nil
		if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
			m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1},
				Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, n}}}}
		}
		b, err := m.Pack()
		if err != nil {
			return nil
		}
		return b
	}
}

// keptOpen is a socket whose user cannot close it.
type keptOpen struct{ *net.UDPConn }

func (keptOpen) Close() error { return nil }

// A resolver that always asks from one port is bound to one server for as long
// as UDP entries live; one-packet scheduling spreads its queries.
func TestDNSWithOnePacketSchedulingIsSpread(t *testing.T) {
	t.Parallel()
	lab := newLab(t, netlab.Spec{Servers: weighted(1, 1, 1)})
	for i, rs := range lab.Servers {
		serveUDP(t, lab, rs, dnsAnswer(byte(i+1)))
	}
	client := lab.Clients[0]
	r := &net.Resolver{PreferGo: true}
	// ask sends queries from one port, and so from one socket: a child process that
	// was forked at the wrong moment keeps a closed one in use for an instant.
	ask := func(port uint16) map[string]int {
		c, err := client.DialFrom(t.Context(), "udp", netip.AddrPortFrom(client.Addr, port), vipPort(lab))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		r.Dial = func(context.Context, string, string) (net.Conn, error) { return keptOpen{c.(*net.UDPConn)}, nil }
		got := map[string]int{}
		for range 30 {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			addrs, err := r.LookupNetIP(ctx, "ip4", "www.example.")
			cancel()
			if err != nil || len(addrs) != 1 {
				t.Fatalf("look-up: %v, %v", addrs, err)
			}
			got[addrs[0].String()]++
		}
		return got
	}
	d := direct(t, lab, udpService(lab, ""))
	if got := ask(5353); len(got) != 1 {
		t.Fatalf("without ops one port was served by %v, want one server", got)
	}
	if err := d.Reload(t.Context(), udpService(lab, "ops")); err != nil {
		t.Fatal(err)
	}
	// What was known before ops is known still, until it expires.
	got := ask(5354)
	for i := range lab.Servers {
		if n := got[fmt.Sprintf("192.0.2.%d", i+1)]; n != 10 {
			t.Errorf("server %d answered %d of 30 queries, want 10: %v", i+1, n, got)
		}
	}
}
