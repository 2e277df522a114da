package control

import (
	"testing"
	"time"

	"lvsdr/arp"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane/frame"
)

// Addresses on other interfaces than the instance's are announced from time to time, and
// interfaces of a group share their least time between two announcements.
func TestHowAddressesOfAnInstanceAreAnnounced(t *testing.T) {
	const s = time.Second
	v := &keepalived.VRRP{Global: keepalived.VRRPGlobal{GARPInterval: 1, GNAInterval: 2},
		GARPGroups: []keepalived.GARPGroup{{GARPInterval: 3, Interfaces: []string{"eth7"}}, {GARPInterval: 4, GNAInterval: 5, Interfaces: []string{"eth0", "eth1"}}}}
	garp := keepalived.GARP{Delay: 5 * s, Repeat: 5, RefreshRepeat: 3, Extra: 100 * s}
	all, often := garp, garp
	all.ExtraAll, often.Refresh = true, 60*s
	base := arp.Elected{Rounds: 5, Delay: 5 * s, EveryRounds: 3, Interval: 1}
	six, extra, refreshed, first, second, second6 := base, base, base, base, base, base
	six.Interval = 2
	extra.Every, extra.EveryRounds = 100*s, 1
	refreshed.Every = 60 * s
	first.Interval, first.Queue = 3, -1
	second.Interval, second.Queue = 4, -2
	second6.Interval, second6.Queue = 5, -2
	own, virtual := frame.MAC{2}, frame.MAC{2, 1}
	for _, c := range []struct {
		law  string
		garp keepalived.GARP
		vip  string
		link string
		mac  frame.MAC
		want arp.Elected
	}{
		{"the instance's own interface", all, vip, "eth5", own, base},
		{"IPv6", garp, "fd00::1", "eth5", own, six},
		{"another interface, without the virtual MAC", garp, vip, "eth6", own, base},
		{"another interface, with the virtual MAC", garp, vip, "eth6", virtual, extra},
		{"another interface, where all are announced", all, vip, "eth6", own, extra},
		{"another interface, where refreshes are more frequent", often, vip, "eth6", virtual, refreshed},
		{"an interface that is a group", garp, vip, "eth7", own, first},
		{"an interface of a group", garp, vip, "eth0", own, second},
		{"another interface of it", garp, vip, "eth1", own, second},
		{"IPv6 on an interface of a group", garp, "fd00::1", "eth1", own, second6},
	} {
		i := &keepalived.Instance{Interface: "eth5", GARP: c.garp}
		if got := announcedBy(i, v, ip(c.vip), c.link, c.mac != own); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.law, got, c.want)
		}
	}
	if got := announcedBy(nil, v, ip(vip), "eth0", true); got != (arp.Elected{}) {
		t.Errorf("without an instance: %+v", got)
	}
}
