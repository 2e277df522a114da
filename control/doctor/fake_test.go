package doctor_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"lvsdr/control/api"
	"lvsdr/control/doctor"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane/frame"
)

// The site of these tests.
var (
	vip     = netip.MustParseAddr("192.168.1.100")
	self    = netip.MustParsePrefix("192.168.1.10/24")
	rs      = netip.MustParseAddr("192.168.1.11")
	selfMAC = frame.MAC{2, 0, 0, 0, 0xdd, 1}
	rsMAC   = frame.MAC{2, 0, 0, 0, 0x55, 1}
	newMAC  = frame.MAC{2, 0, 0, 0, 0x55, 9}
	other   = frame.MAC{2, 0, 0, 0, 0xdd, 2}
)

const port = 8080

// A network answers as its fields say, without a network.
type network struct {
	claims  map[netip.Addr][]doctor.Claim
	connect func(p doctor.Probe, port uint16) doctor.Outcome
	from    frame.MAC // of accepted connections; zero: whom they were sent to
	mss     int
	ping    func(p doctor.Probe, size int) doctor.Outcome
	pinged  frame.MAC // where pings to all are answered from
	asVIP   bool
	icmp    uint8 // code of Unreachable
	traffic doctor.Traffic
	sent    int
}

var _ doctor.Net = (*network)(nil)

func (n *network) Who(_ context.Context, _ *doctor.Link, a netip.Addr) ([]doctor.Claim, error) {
	n.sent++
	return n.claims[a], nil
}

func (n *network) AsVIP(context.Context, *doctor.Link, frame.MAC, netip.Addr, netip.Addr) (bool, error) {
	n.sent++
	return n.asVIP, nil
}

func (n *network) Connect(_ context.Context, p doctor.Probe, port uint16) (doctor.Answer, error) {
	n.sent++
	a := doctor.Answer{Outcome: n.connect(p, port), From: p.MAC, MSS: n.mss, Evidence: "a SYN and what came", Type: 3, Code: n.icmp}
	if n.from != (frame.MAC{}) {
		a.From = n.from
	}
	return a, nil
}

func (n *network) Ping(_ context.Context, p doctor.Probe, size int) (doctor.Answer, error) {
	n.sent++
	a := doctor.Answer{Outcome: n.ping(p, size), From: p.MAC, Whole: true, Evidence: "a ping and what came", Type: 3, Code: n.icmp}
	if p.MAC[0] == 0xff {
		if a.Outcome, a.From = doctor.Echoed, n.pinged; n.pinged == (frame.MAC{}) {
			a.Outcome = doctor.Silence
		}
	}
	return a, nil
}

func (n *network) Traffic() doctor.Traffic { return n.traffic }

// well is a network on which all is well.
func well() *network {
	return &network{
		claims:  map[netip.Addr][]doctor.Claim{rs: {{MAC: rsMAC, Evidence: "an ARP reply"}}},
		connect: func(doctor.Probe, uint16) doctor.Outcome { return doctor.Accepted },
		ping:    func(doctor.Probe, int) doctor.Outcome { return doctor.Echoed },
		mss:     1460,
		traffic: doctor.Traffic{Forwarded: 1},
	}
}

// director is an examination of a director's host on which all is well.
func director(n *network) *doctor.Exam {
	link := doctor.Link{Index: 2, Name: "eth0", MAC: selfMAC, MTU: 1500, Up: true, Addrs: []netip.Prefix{self}}
	return &doctor.Exam{
		Host: &doctor.Host{Links: []doctor.Link{link}, Sysctls: map[string]string{},
			Routes: map[netip.Addr]doctor.Route{vip: {Ifindex: 2, Source: self.Addr()}, rs: {Ifindex: 2, Source: self.Addr()}},
			Guards: []doctor.Guard{{VIP: vip, Interface: "eth0"}}},
		Net:  n,
		File: "keepalived.conf",
		Config: &keepalived.Config{VirtualServers: []*keepalived.VirtualServer{{Addr: vip, Port: port, Protocol: frame.ProtoTCP,
			RealServers: []*keepalived.RealServer{{Addr: rs, Port: port, Weight: 1}}}}},
		Status: &api.Status{Active: true, Services: []api.Service{{ServiceConfig: api.ServiceConfig{ServiceKey: api.ServiceKey{Address: vip}}, Interface: "eth0",
			Servers: []api.Server{{ServerConfig: api.ServerConfig{Address: rs}, Up: true, MAC: rsMAC.String()}}}}},
	}
}

// server is an examination of a real server on which all is well.
func server() *doctor.Exam {
	return &doctor.Exam{VIPs: []netip.Addr{vip}, Port: port, Host: &doctor.Host{
		Links: []doctor.Link{
			{Index: 1, Name: "lo", Up: true, Loopback: true, MTU: 65536, Addrs: []netip.Prefix{netip.PrefixFrom(vip, 32)}},
			{Index: 2, Name: "eth0", MAC: rsMAC, MTU: 1500, Up: true, Addrs: []netip.Prefix{netip.PrefixFrom(rs, 24)}},
		},
		Sysctls: map[string]string{"net.ipv4.conf.all.arp_ignore": "1", "net.ipv4.conf.all.arp_announce": "2",
			"net.ipv4.conf.all.rp_filter": "0", "net.ipv4.conf.eth0.rp_filter": "1"},
		Listeners: []doctor.Listener{{Protocol: "tcp", At: netip.MustParseAddrPort("0.0.0.0:8080")}},
	}}
}

// worst are the names of what is above Info, sorted by severity, joined.
func worst(t *testing.T, x *doctor.Exam, checks []doctor.Check) string {
	t.Helper()
	r, err := doctor.Run(t.Context(), x, "host", checks, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range r.Findings {
		if f.Text == "" || f.About == "" || f.Severity > doctor.Info && (len(f.Evidence) == 0 || f.Remedy == "") {
			t.Errorf("without text, evidence or remedy: %+v", f)
		}
		if f.Severity > doctor.Info {
			names = append(names, f.Name)
		}
	}
	if r.ExitCode() != int(r.Worst) || (len(names) == 0) != (r.Worst == doctor.Info) {
		t.Errorf("exit code %d, worst %v, with %v", r.ExitCode(), r.Worst, names)
	}
	return strings.Join(names, " ")
}
