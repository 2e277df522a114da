package checks

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"lvsdr/control/api"
	"lvsdr/control/doctor/facts"
	"lvsdr/control/doctor/findings"
	"lvsdr/control/doctor/wire"
	"lvsdr/control/keepalived"
	"lvsdr/control/shield"
	"lvsdr/dataplane/frame"
)

// The site of these tests.
var (
	vip     = netip.MustParseAddr("192.168.1.100")
	vip6    = netip.MustParseAddr("fd00:1::100")
	self    = netip.MustParsePrefix("192.168.1.10/24")
	self6   = netip.MustParsePrefix("fd00:1::10/64")
	rs      = netip.MustParseAddr("192.168.1.11")
	rs6     = netip.MustParseAddr("fd00:1::11")
	selfMAC = frame.MAC{2, 0, 0, 0, 0xdd, 1}
	rsMAC   = frame.MAC{2, 0, 0, 0, 0x55, 1}
	newMAC  = frame.MAC{2, 0, 0, 0, 0x55, 9}
	other   = frame.MAC{2, 0, 0, 0, 0xdd, 2}
)

const port = 8080

var errDown = errors.New("network is down")

// A fakeNetwork answers as its fields say, without a network.
type fakeNetwork struct {
	claims  map[netip.Addr][]wire.Claim
	connect func(p wire.Probe, port uint16) wire.Outcome
	from    frame.MAC // of accepted connections; zero: whom they were sent to
	mss     int
	ping    func(p wire.Probe, size int) wire.Outcome
	pieces  bool      // long pings are answered in fragments
	pinged  frame.MAC // where pings to all are answered from
	asVIP   bool
	icmp    [2]uint8 // type and code of Unreachable
	traffic wire.Traffic
	sent    int
	fail    int // the number of the question that cannot be sent; 0: none
}

var _ Network = (*fakeNetwork)(nil)

// send counts a question.
func (n *fakeNetwork) send() error {
	n.sent++
	if n.sent == n.fail {
		return errDown
	}
	return nil
}

func (n *fakeNetwork) Owners(_ context.Context, _ *facts.Link, a netip.Addr) ([]wire.Claim, error) {
	return n.claims[a], n.send()
}

func (n *fakeNetwork) AsVIP(context.Context, *facts.Link, frame.MAC, netip.Addr, netip.Addr) (bool, error) {
	return n.asVIP, n.send()
}

func (n *fakeNetwork) Connect(_ context.Context, p wire.Probe, port uint16) (wire.Answer, error) {
	a := wire.Answer{Outcome: n.connect(p, port), From: p.MAC, Src: p.Dst, MSS: n.mss, Evidence: "a SYN and what came", Type: n.icmp[0], Code: n.icmp[1]}
	if n.from != (frame.MAC{}) {
		a.From = n.from
	}
	return a, n.send()
}

func (n *fakeNetwork) Ping(_ context.Context, p wire.Probe, size int) (wire.Answer, error) {
	a := wire.Answer{Outcome: n.ping(p, size), From: p.MAC, Src: p.Dst, Whole: !n.pieces || size == 0, Evidence: "a ping and what came", Type: n.icmp[0], Code: n.icmp[1]}
	if p.MAC[0]&1 != 0 {
		if a.Outcome, a.From = wire.Echoed, n.pinged; n.pinged == (frame.MAC{}) {
			a.Outcome = wire.Silence
		}
	}
	return a, n.send()
}

func (n *fakeNetwork) Traffic() wire.Traffic { return n.traffic }

// claim returns the claim of an ARP reply.
func claim(a netip.Addr, mac frame.MAC) wire.Claim {
	return wire.Claim{Link: "eth0", Addr: a, MAC: mac}
}

// well is a network on which all is well.
func well() *fakeNetwork {
	return &fakeNetwork{
		claims:  map[netip.Addr][]wire.Claim{rs: {claim(rs, rsMAC)}, rs6: {claim(rs6, rsMAC)}},
		connect: func(wire.Probe, uint16) wire.Outcome { return wire.Accepted },
		ping:    func(wire.Probe, int) wire.Outcome { return wire.Echoed },
		mss:     1460,
		traffic: wire.Traffic{Forwarded: 1},
		icmp:    [2]uint8{3, 0},
	}
}

// service is a service of TCP with one real server.
func service(vip, rs netip.Addr) *keepalived.VirtualServer {
	return &keepalived.VirtualServer{Addr: vip, Port: port, Protocol: frame.ProtoTCP,
		RealServers: []*keepalived.RealServer{{Addr: rs, Port: port, Weight: 1}}}
}

// An exam is an examination of a director's host: what is known, and the network.
type exam struct {
	*Director
	net     *fakeNetwork
	passive bool
}

// director is a director's host on which all is well.
func director(n *fakeNetwork) *exam { return directorOf(n, vip, rs, self) }

// director6 is the same in IPv6.
func director6(n *fakeNetwork) *exam {
	n.mss = 1440
	return directorOf(n, vip6, rs6, self6)
}

func directorOf(n *fakeNetwork, vip, rs netip.Addr, self netip.Prefix) *exam {
	link := facts.Link{Index: 2, Name: "eth0", MAC: selfMAC, MTU: 1500, Up: true, Addrs: []netip.Prefix{self}}
	return &exam{net: n, Director: &Director{
		Host: &facts.Host{Links: []facts.Link{link}, Sysctls: map[string]string{},
			Routes: map[netip.Addr]facts.Route{vip: {Ifindex: 2, Source: self.Addr()}, rs: {Ifindex: 2, Source: self.Addr()}},
			Guards: []shield.Guard{{VIP: vip, Interface: "eth0"}}},
		File:   "keepalived.conf",
		Config: &keepalived.Config{VirtualServers: []*keepalived.VirtualServer{service(vip, rs)}},
		Status: &api.Status{Active: true, Services: []api.Service{{ServiceConfig: api.ServiceConfig{ServiceKey: api.ServiceKey{Address: vip}}, Interface: "eth0",
			Servers: []api.Server{{ServerConfig: api.ServerConfig{Address: rs}, Up: true, MAC: rsMAC.String()}}}}},
	}}
}

// worst are the names of what is above Info, by severity.
func (x *exam) worst(t *testing.T) string {
	t.Helper()
	r, err := x.Examine(t.Context(), Asking{Network: x.net, Passive: x.passive}, nil)
	return worst(t, r, err)
}

// find is the first finding with a name.
func (x *exam) find(t *testing.T, name string) findings.Finding {
	t.Helper()
	r, err := x.Examine(t.Context(), Asking{Network: x.net, Passive: x.passive}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("there is no %s in %+v", name, r.Findings)
	return findings.Finding{}
}

// server is a real server on which all is well.
func server() *RealServer {
	return &RealServer{VIPs: []netip.Addr{vip}, Port: port, Host: &facts.Host{
		Links: []facts.Link{
			{Index: 1, Name: "lo", Up: true, Loopback: true, MTU: 65536, Addrs: []netip.Prefix{netip.PrefixFrom(vip, 32)}},
			{Index: 2, Name: "eth0", MAC: rsMAC, MTU: 1500, Up: true, Addrs: []netip.Prefix{netip.PrefixFrom(rs, 24)}},
		},
		Sysctls: map[string]string{"net.ipv4.conf.all.arp_ignore": "1", "net.ipv4.conf.all.arp_announce": "2",
			"net.ipv4.conf.all.rp_filter": "0", "net.ipv4.conf.eth0.rp_filter": "1"},
		Listeners: []facts.Listener{{Protocol: "tcp", At: netip.MustParseAddrPort("0.0.0.0:8080")}},
	}}
}

// worst are the names of what is above Info in a report, by severity.
func worst(t *testing.T, r *findings.Report, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range r.Findings {
		if f.Text == "" || f.About == "" || f.Severity > findings.Info && (len(f.Evidence) == 0 || f.Remedy == "") {
			t.Errorf("without text, evidence or remedy: %+v", f)
		}
		if f.Severity > findings.Info {
			names = append(names, f.Name)
		}
	}
	if r.ExitCode() != int(r.Worst) || (len(names) == 0) != (r.Worst == findings.Info) {
		t.Errorf("exit code %d, worst %v, with %v", r.ExitCode(), r.Worst, names)
	}
	return strings.Join(names, " ")
}
