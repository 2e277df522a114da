package wire

import (
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"

	"lvsdr/bench/netns"
	"lvsdr/control/doctor/facts"
	"lvsdr/dataplane/frame"
)

func TestMain(m *testing.M) { os.Exit(netns.RunTests(m)) }

// A kernelFamily is the addresses of one family in TestAKernelAnswersAProber.
type kernelFamily struct {
	name                string
	self, rs, vip, none netip.Addr // none is an address that no host has
}

// A kernelLab is a director and a real server with a kernel of its own, at mac.
type kernelLab struct {
	director *netns.Host
	mac      frame.MAC
}

func newKernelLab(t *testing.T, f kernelFamily) kernelLab {
	t.Helper()
	director := netns.NewTestHost(t, "director", netns.HostConfig{IPv6: true})
	rs := netns.NewTestHost(t, "rs", netns.HostConfig{IPv6: true})
	at := func(a netip.Addr) netns.Cable {
		bits := 24
		if a.Is6() {
			bits = 64
		}
		return netns.Cable{Ifname: "eth0", Addrs: []netip.Prefix{netip.PrefixFrom(a, bits)}}
	}
	err := errors.Join(
		netns.Lay(t.Context(), director, at(f.self), rs, at(f.rs)),
		rs.Sysctl("net.ipv4.conf.all.arp_ignore", "1"),
		rs.AddAddr("lo", netip.PrefixFrom(f.vip, f.vip.BitLen())))
	if err != nil {
		t.Fatal(err)
	}
	l, err := rs.Listen("tcp", "[::]:80")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	server, err := rs.Netlink().LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	return kernelLab{director, frame.MAC(server.Attrs().HardwareAddr)}
}

// TestAKernelAnswersAProber asks a real server with a kernel of its own. What is not answered
// takes a second: each kind of question has a lab of its own, so that they are asked at a time.
func TestAKernelAnswersAProber(t *testing.T) {
	t.Parallel()
	at := netip.MustParseAddr
	for _, f := range []kernelFamily{
		{"IPv4", at("192.168.1.10"), at("192.168.1.11"), at("192.168.1.100"), at("192.168.1.101")},
		{"IPv6", at("fd00:1::10"), at("fd00:1::11"), at("fd00:1::100"), at("fd00:1::101")},
	} {
		for kind, ask := range map[string]question{"who has": f.askWhoHas, "connect and ping": f.askToAnswer, "as the VIP": f.askAsVIP} {
			t.Run(f.name+", "+kind, func(t *testing.T) {
				t.Parallel()
				l := newKernelLab(t, f)
				err := l.director.Do(func() error {
					host, err := facts.Read([]netip.Addr{f.rs})
					if err != nil {
						return err
					}
					eth0 := host.Named("eth0")
					p, err := Open([]*facts.Link{eth0}, []netip.Addr{f.vip, f.none}, []netip.Addr{f.rs}, time.Second)
					if err != nil {
						return err
					}
					defer p.Close()
					ask(t, p, eth0, l.mac)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// A question compares the answers of a real server at mac with what they should be.
type question func(t *testing.T, p *Prober, eth0 *facts.Link, mac frame.MAC)

func (f kernelFamily) askWhoHas(t *testing.T, p *Prober, eth0 *facts.Link, mac frame.MAC) {
	for a, want := range map[netip.Addr]int{f.rs: 1, f.vip: 0} {
		if claims, err := p.Owners(t.Context(), eth0, a); err != nil || len(claims) != want || want == 1 && claims[0].MAC != mac {
			t.Errorf("who has %v: %v, %v", a, claims, err)
		}
	}
}

func (f kernelFamily) askToAnswer(t *testing.T, p *Prober, eth0 *facts.Link, mac frame.MAC) {
	to := func(a netip.Addr) Probe { return Probe{Link: eth0, MAC: mac, Source: f.self, Dst: a} }
	for _, a := range []netip.Addr{f.rs, f.vip} {
		for port, want := range map[uint16]Outcome{80: Accepted, 81: Refused} {
			if got, err := p.Connect(t.Context(), to(a), port); err != nil || got.Outcome != want || got.From != mac {
				t.Errorf("connect to port %d of %v: %+v, %v", port, a, got, err)
			}
		}
		if got, err := p.Ping(t.Context(), to(a), eth0.MTU); err != nil || got.Outcome != Echoed || !got.Whole {
			t.Errorf("ping %v: %+v, %v", a, got, err)
		}
	}
}

func (f kernelFamily) askAsVIP(t *testing.T, p *Prober, eth0 *facts.Link, mac frame.MAC) {
	for vip, want := range map[netip.Addr]bool{f.vip: false, f.none: true} {
		if got, err := p.AsVIP(t.Context(), eth0, mac, f.rs, vip); err != nil || got != want {
			t.Errorf("answers in the name of %v: %v, %v", vip, got, err)
		}
	}
}
