package afpacket

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// A snooper is a switch that snoops MLD, between a querier and the director:
//
//	querier e0 ── switch ── d0 (this namespace)
//
// The switch forwards a solicitation to those ports only that reported its group in
// the last membershipTime; it has no IPv6 address and asks nothing by itself.
type snooper struct {
	d0, e0   *net.Interface
	querier  *NIC // sends alone
	director *NIC
	batch    *dataplane.Batch
	rounds   byte
}

const membershipTime = 30 // hundredths of a second; a report of the kernel takes one or two

var (
	querierAddr = netip.MustParseAddr("fe80::1") // the switch takes queries of link-local addresses only
	reporter    = netip.MustParseAddr("fe80::2")
	allNodes    = netip.MustParseAddr("ff02::1")
	stranger    = netip.MustParseAddr("2001:db8::57:1")
)

// newSnooper has the director hold vips.
func newSnooper(t testing.TB, vips ...netip.Addr) *snooper {
	t.Helper()
	here := netns.NewTestHere(t, "director", netns.HostConfig{IPv6: true})
	client := netns.NewTestHost(t, "client", netns.HostConfig{})
	sw, err := netns.NewSwitch("switch")
	must(t, err)
	t.Cleanup(func() { must(t, sw.Close()) })
	must(t, setMulticast(sw, map[int][]byte{
		nl.IFLA_BR_MCAST_MEMBERSHIP_INTVL: nl.Uint64Attr(membershipTime),
		nl.IFLA_BR_MCAST_SNOOPING:         {1},
	}))
	must(t, sw.Connect(t.Context(), here, netns.Cable{Ifname: "d0"}))
	must(t, sw.Connect(t.Context(), client, netns.Cable{Ifname: "e0"}))
	s := &snooper{batch: dataplane.NewBatch()}
	s.d0, err = net.InterfaceByName("d0")
	must(t, err)
	within(t, client, func() {
		s.e0, err = net.InterfaceByName("e0")
		must(t, err)
	})
	s.querier = openIn(t, client, s.e0)
	s.director = open(t, Config{Interface: s.d0, VIPs: vips, Neighbours6: true})
	return s
}

// setMulticast sets attributes of the bridge of sw (IFLA_BR_*).
func setMulticast(sw *netns.Switch, attrs map[int][]byte) error {
	return sw.Do(func() error {
		bridge, err := net.InterfaceByName(netns.BridgeName)
		if err != nil {
			return err
		}
		req := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_ACK)
		msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
		msg.Index = int32(bridge.Index)
		req.AddData(msg)
		info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
		info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated((&netlink.Bridge{}).Type()))
		data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
		for typ, value := range attrs {
			data.AddRtAttr(typ, value)
		}
		req.AddData(info)
		_, err = req.Execute(unix.NETLINK_ROUTE, 0)
		return err
	})
}

// mld is an MLD message from a port, with the hop limit 1 and the Router Alert option
// that RFC 3810 section 5 demands.
func mld(from *net.Interface, src, dst netip.Addr, typ uint8, body []byte) []byte {
	to := dst.As16()
	return build.ICMP{Src: src, Dst: dst, Type: typ, Rest: [4]byte(body), Payload: body[4:], IP: build.IP{
		SrcMAC: frame.MAC(from.HardwareAddr), DstMAC: frame.MAC{0x33, 0x33, to[12], to[13], to[14], to[15]},
		TTL: 1, Ext: []build.Ext{build.HopByHop(5, 2, 0, 0, 1, 0)}}}.Bytes()
}

// query asks which groups have members, to be answered within a millisecond (RFC 3810
// section 5.1), and waits for the answer: the kernel has groups of its own to report,
// and a query that comes before it answers the last one puts the answer off.
func (s *snooper) query(t testing.TB) {
	t.Helper()
	body := make([]byte, 24)
	body[1], body[20] = 1, 2 // maximum response code, robustness
	before := reports(t)
	transmit(t, s.querier, s.e0, mld(s.e0, querierAddr, allNodes, 130, body))
	netns.Eventually(t, "the query is answered", func() bool { return reports(t) != before })
}

// reports is how many reports the kernel of this namespace sent, as text.
func reports(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("/proc/thread-self/net/snmp6")
	must(t, err)
	_, rest, found := strings.Cut(string(text), "Icmp6OutMLDv2Reports")
	count, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
	if !found {
		t.Fatal("snmp6 does not count the reports of MLD")
	}
	return count
}

// reportOnce reports the group of a from the director's port, by hand (RFC 2710).
func (s *snooper) reportOnce(t testing.TB, a netip.Addr) {
	g := netip.AddrFrom16(solicitedGroups([]netip.Addr{a})[0].solicitedNode())
	transmit(t, s.director, s.d0, mld(s.d0, reporter, g, 131, append(make([]byte, 4), g.AsSlice()...)))
}

// solicitation asks for a; unicast, it is to pass whatever the switch knows.
func (s *snooper) solicitation(a netip.Addr, unicast bool) []byte {
	g := solicitedGroups([]netip.Addr{a})[0]
	m := build.ICMP{Src: querierAddr, Dst: netip.AddrFrom16(g.solicitedNode()), Type: 135, Payload: append(a.AsSlice(), s.rounds),
		IP: build.IP{SrcMAC: frame.MAC(s.e0.HardwareAddr), DstMAC: frame.MAC(g), TTL: 255}}
	if unicast {
		m.Dst, m.DstMAC = a, frame.MAC(s.d0.HardwareAddr)
	}
	return m.Bytes()
}

// arrive queries and says of which of as solicitations pass the switch after that.
func (s *snooper) arrive(t testing.TB, as ...netip.Addr) (passed []bool) {
	t.Helper()
	s.rounds++
	s.query(t)
	last := s.solicitation(as[0], true)
	var sent [][]byte
	for _, a := range as {
		sent = append(sent, s.solicitation(a, false))
	}
	transmit(t, s.querier, s.e0, append(sent, last)...)
	got := collect(t, s.director, s.batch, func(f []byte) bool { return bytes.Equal(f, last) })
	for _, f := range sent {
		passed = append(passed, slices.ContainsFunc(got, func(g []byte) bool { return bytes.Equal(f, g) }))
	}
	return passed
}

// A VIP of IPv6 once vanished behind a switch that snoops after the querier's first
// round: its group was never reported. A group that is reported once shows that the
// switch forgets, and when.
func TestSolicitationsPassASwitchThatSnoops(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	vips := []netip.Addr{netip.MustParseAddr("2001:db8::12:3456"), netip.MustParseAddr("2001:db8::ab:1")}
	s := newSnooper(t, vips[0])
	netns.Eventually(t, "the switch keeps back a group without a report", func() bool { return !s.arrive(t, stranger)[0] })
	netns.Eventually(t, "the solicitation for a VIP from the start passes", func() bool { return s.arrive(t, vips[0])[0] })
	must(t, s.director.SetVIPs(vips))
	netns.Eventually(t, "that for a VIP which came later passes", func() bool { return s.arrive(t, vips[1])[0] })
	for range 2 {
		s.reportOnce(t, stranger)
		netns.Eventually(t, "what was reported passes", func() bool { return s.arrive(t, stranger)[0] })
		netns.Eventually(t, "what was reported once is forgotten", func() bool {
			passed := s.arrive(t, stranger, vips[0], vips[1])
			if !passed[1] || !passed[2] {
				t.Fatalf("the switch forgot a VIP that the kernel should report: %v pass", passed[1:])
			}
			return !passed[0]
		})
	}
	must(t, s.director.SetVIPs(vips[1:]))
	netns.Eventually(t, "a VIP that is gone is forgotten", func() bool { return !s.arrive(t, vips[0])[0] })
	if !s.arrive(t, vips[1])[0] {
		t.Error("the other one is forgotten with it")
	}
}
