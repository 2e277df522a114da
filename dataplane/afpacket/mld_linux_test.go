package afpacket

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

// reported are the solicited-node groups of an interface that the kernel reports by MLD.
func reported(t testing.TB, ifname string) []string {
	t.Helper()
	text, err := os.ReadFile("/proc/thread-self/net/igmp6")
	if err != nil {
		t.Fatal(err)
	}
	var groups []string
	for line := range strings.Lines(string(text)) {
		// Index, name, address, members, flags, timer.
		if f := strings.Fields(line); len(f) > 2 && f[1] == ifname && strings.HasPrefix(f[2], "ff0200000000000000000001ff") {
			groups = append(groups, strings.TrimPrefix(f[2], "ff0200000000000000000001ff"))
		}
	}
	slices.Sort(groups)
	return groups
}

// A switch that snoops forgot the VIPs after its querier's first round: only the packet
// socket was a member, and the kernel reported nothing.
func TestTheKernelReportsTheGroupsOfTheVIPs(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	before := reported(t, "d0")
	check := func(when string, want ...string) {
		t.Helper()
		want = append(slices.Clone(before), want...)
		slices.Sort(want)
		if got := reported(t, "d0"); !slices.Equal(got, want) {
			t.Errorf("%s: reported %q, want %q", when, got, want)
		}
	}
	set := func(p *NIC, vips ...string) {
		t.Helper()
		var all []netip.Addr
		for _, v := range vips {
			all = append(all, netip.MustParseAddr(v))
		}
		if err := p.SetVIPs(all); err != nil {
			t.Fatal(err)
		}
	}
	one := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{netip.MustParseAddr("2001:db8::12:3456")}})
	check("a VIP from the start", "123456")
	other := open(t, Config{Interface: l.d0})
	set(other, "2001:db8::12:3456", "2001:db8::ab:1", "10.0.0.1")
	check("two NICs", "123456", "ab0001")
	set(one)
	check("one has it no more", "123456", "ab0001")
	set(other, "2001:db8::ab:1")
	check("nor the other", "ab0001")
	set(one, "2001:db8::ab:2")
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	check("one is closed", "ab0002")
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	check("both are closed")
}

// A socket has room for a limited number of groups; a site may have more VIPs.
func TestMoreGroupsThanASocketHoldsAreReported(t *testing.T) {
	l := newLab(t)
	setFilterMemory(t, "8192")
	const many = 600
	var gs []group
	for i := range many {
		gs = append(gs, group{0x33, 0x33, 0xff, 0x77, byte(i >> 8), byte(i)})
	}
	before := len(reported(t, "d0"))
	var reports listeners
	defer reports.close()
	reports.join(l.d0.Index, gs)
	if n := len(reported(t, "d0")) - before; n != many || len(reports.fds) < 2 {
		t.Errorf("%d groups are reported by %d sockets, want %d by several", n, len(reports.fds), many)
	}
	reports.leave(l.d0.Index, gs[:many/2])
	if n := len(reported(t, "d0")) - before; n != many/2 {
		t.Errorf("%d groups are left, want %d", n, many/2)
	}
	reports.join(l.d0.Index, gs)
	if n := len(reported(t, "d0")) - before; n != many {
		t.Errorf("%d groups are reported once they are joined again, want %d", n, many)
	}
}

// Where an interface has no IPv6, or is gone, nothing is reported, and nothing fails.
func TestReportsAreBestEffort(t *testing.T) {
	var reports listeners
	gs := []group{{0x33, 0x33, 0xff, 1, 2, 3}}
	reports.join(1<<30, gs)
	reports.leave(1<<30, gs)
	if len(reports.at) != 0 {
		t.Errorf("joined %v on an interface that is not there", reports.at)
	}
	reports.close()
	if got, want := gs[0].solicitedNode(), netip.MustParseAddr("ff02::1:ff01:203").As16(); got != want || unix.IPV6_JOIN_GROUP != unix.IPV6_ADD_MEMBERSHIP {
		t.Errorf("the address of the group is %v, want %v", got, want)
	}
}
