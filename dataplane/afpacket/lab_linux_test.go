package afpacket

import (
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"lvsdr/bench/netns"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

func TestMain(m *testing.M) { os.Exit(netns.RunTests(m)) }

// A lab is a director between a client and a server:
//
//	c0 10.9.0.1 ──veth── d0 (this namespace) d1 ──veth── s0 10.9.0.2, lo 10.9.0.100
//
// The kernels speak no IPv6 on these interfaces unless addIPv6 is called, and
// none of their own accord even then, so that tests can count frames.
type lab struct {
	client, server *netns.Host
	c0, d0, d1, s0 *net.Interface
}

var (
	labClient = netip.MustParseAddr("10.9.0.1")
	labServer = netip.MustParseAddr("10.9.0.2")
	labVIP    = netip.MustParseAddr("10.9.0.100")

	labClient6 = netip.MustParseAddr("fd00:9::1")
	labServer6 = netip.MustParseAddr("fd00:9::2")
	labVIP6    = netip.MustParseAddr("fd00:9::1:100")
)

func newLab(t testing.TB) *lab {
	t.Helper()
	director := netns.NewTestHere(t, "director", netns.HostConfig{})
	l := &lab{client: netns.NewTestHost(t, "client", netns.HostConfig{}), server: netns.NewTestHost(t, "server", netns.HostConfig{})}
	for _, c := range []struct {
		near        string
		far         *netns.Host
		ifname      string
		addr        netip.Addr
		here, there **net.Interface
	}{
		{"d0", l.client, "c0", labClient, &l.d0, &l.c0},
		{"d1", l.server, "s0", labServer, &l.d1, &l.s0},
	} {
		at := netns.Cable{Ifname: c.ifname, Addrs: []netip.Prefix{netip.PrefixFrom(c.addr, 24)}}
		must(t, netns.Lay(t.Context(), director, netns.Cable{Ifname: c.near}, c.far, at))
		var err error
		*c.here, err = net.InterfaceByName(c.near)
		must(t, err)
		within(t, c.far, func() {
			*c.there, err = net.InterfaceByName(c.ifname)
			must(t, err)
		})
	}
	l.finds(t, labVIP, labClient)
	must(t, l.server.AddAddr("lo", netip.PrefixFrom(labVIP, 32)))
	return l
}

// finds tells the client and the server that vip and client are to be found at
// the director's interfaces.
func (l *lab) finds(t testing.TB, vip, client netip.Addr) {
	t.Helper()
	must(t, l.client.SetNeighbour("c0", vip, l.d0.HardwareAddr))
	must(t, l.server.SetNeighbour("s0", client, l.d1.HardwareAddr))
}

// addIPv6 gives client and server IPv6 addresses, beside their IPv4 ones.
func (l *lab) addIPv6(t testing.TB) {
	t.Helper()
	for ifname, h := range map[string]*netns.Host{"c0": l.client, "s0": l.server} {
		must(t, h.Sysctl("net.ipv6.conf."+ifname+".addr_gen_mode", "1")) // no link-local address to find and announce
		for _, at := range []string{"all", ifname} {
			must(t, h.Sysctl("net.ipv6.conf."+at+".disable_ipv6", "0"))
		}
	}
	must(t, l.client.AddAddr("c0", netip.PrefixFrom(labClient6, 64)))
	must(t, l.server.AddAddr("s0", netip.PrefixFrom(labServer6, 64)))
	must(t, l.server.AddAddr("lo", netip.PrefixFrom(labVIP6, 128)))
	l.finds(t, labVIP6, labClient6)
}

// within runs f on a thread in h.
func within(t testing.TB, h *netns.Host, f func()) {
	t.Helper()
	must(t, h.Do(func() error { f(); return nil }))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// awaitUp waits until the kernel's link watch has seen the carrier: until then
// frames are dropped silently by the noop queueing discipline.
func awaitUp(t testing.TB, name string) {
	t.Helper()
	netns.Eventually(t, name+" comes up", func() bool {
		link, err := netlink.LinkByName(name)
		return err == nil && link.Attrs().OperState == netlink.OperUp
	})
}

// open opens a NIC that ends with the test. A test that hangs is stopped.
func open(t testing.TB, cfg Config) *NIC {
	t.Helper()
	p, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	guard := time.AfterFunc(30*time.Second, p.Stop)
	t.Cleanup(func() {
		guard.Stop()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// openIn opens a NIC on ifi in h, to send with.
func openIn(t testing.TB, h *netns.Host, ifi *net.Interface, vips ...netip.Addr) (p *NIC) {
	t.Helper()
	within(t, h, func() {
		p = open(t, Config{Interface: ifi, VIPs: vips, Slots: 31})
	})
	return p
}

// frameTo is a UDP frame of size bytes from ifi to MAC dst and address to, its
// number in the payload and its source port.
func frameTo(ifi *net.Interface, dst net.HardwareAddr, to netip.Addr, number, size int) []byte {
	if to.Is6() {
		payload := make([]byte, max(size-62, 3))
		payload[0], payload[1], payload[2] = byte(number>>16), byte(number>>8), byte(number)
		return build.UDP{Src: netip.AddrPortFrom(labClient6, uint16(number)), Dst: netip.AddrPortFrom(to, 53),
			IP: build.IP{SrcMAC: frame.MAC(ifi.HardwareAddr), DstMAC: frame.MAC(dst)}, Payload: payload}.Bytes()
	}
	f := make([]byte, max(size, 60))
	copy(f, dst)
	copy(f[6:], ifi.HardwareAddr)
	f[12], f[13] = 8, 0
	ip := f[14:]
	ip[0], ip[8], ip[9] = 0x45, 64, 17
	ip[2], ip[3] = byte((len(f)-14)>>8), byte(len(f)-14)
	src, d := labClient.As4(), to.As4()
	copy(ip[12:], src[:])
	copy(ip[16:], d[:])
	sum := uint32(0)
	for i := 0; i < 20; i += 2 {
		sum += uint32(ip[i])<<8 | uint32(ip[i+1])
	}
	sum = sum&0xffff + sum>>16
	sum = ^(sum&0xffff + sum>>16)
	ip[10], ip[11] = byte(sum>>8), byte(sum)
	udp := ip[20:]
	udp[0], udp[1], udp[2], udp[3] = byte(number>>8), byte(number), 0, 53
	udp[4], udp[5] = byte((len(f)-34)>>8), byte(len(f)-34)
	udp[8], udp[9], udp[10] = byte(number>>16), byte(number>>8), byte(number)
	return f
}

// numberOf is the number of a frame made by frameTo; -1: another frame.
func numberOf(f []byte) int {
	if len(f) >= 65 && f[12] == 0x86 && f[13] == 0xdd && f[20] == 17 {
		return int(f[62])<<16 | int(f[63])<<8 | int(f[64])
	}
	if len(f) < 60 || f[12] != 8 || f[13] != 0 || f[23] != 17 {
		return -1
	}
	return int(f[42])<<16 | int(f[43])<<8 | int(f[44])
}

// transmit sends frames by ifi as frames of the NIC's own.
func transmit(t testing.TB, p *NIC, ifi *net.Interface, frames ...[]byte) {
	t.Helper()
	b := dataplane.NewBatch()
	for _, f := range frames {
		b.Replies = append(b.Replies, dataplane.Reply{Data: f, Out: int32(ifi.Index)})
	}
	if err := p.Send(b); err != nil {
		t.Fatal(err)
	}
}
