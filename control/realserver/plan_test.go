package realserver

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/dataplane/frame"
)

// A model is a host in memory, and its records.
type model struct {
	values  map[Item]string
	records map[netip.Addr][]change
}

func (m *model) get(i Item) string {
	switch v, ok := m.values[i]; {
	case ok:
		return v
	case i.Sysctl != "":
		return "0"
	}
	return Absent
}

// set keeps only what differs from a host where nothing is set, so that models
// can be compared.
func (m *model) set(i Item, value string) {
	delete(m.values, i)
	if m.get(i) != value {
		m.values[i] = value
	}
}

func (m *model) facts(ipv6 bool) facts {
	f := facts{rpFilterAll: m.get(conf4("all", "rp_filter")), acceptLocalAll: m.get(conf4("all", "accept_local"))}
	for i, v := range m.values {
		if i.Rule.Table == unix.RT_TABLE_LOCAL && i.Rule.IPv6 == ipv6 && v == Present {
			f.localRules = append(f.localRules, i.Rule)
		}
	}
	slices.SortFunc(f.localRules, func(a, b Rule) int { return a.Priority - b.Priority })
	return f
}

func (m *model) found(items []Item) map[Item]string {
	all := map[Item]string{}
	for _, i := range items {
		all[i] = m.get(i)
	}
	return all
}

func (m *model) others(vip netip.Addr) []change {
	var all []change
	for v, r := range m.records {
		if v != vip {
			all = append(all, r...)
		}
	}
	return all
}

func (m *model) start(o Options) (changed int, steps []step) {
	gs := goals(o, m.facts(o.VIP.Is6()))
	steps, m.records[o.VIP] = planStart(gs, m.found(itemsOf(gs)), m.records[o.VIP], m.others(o.VIP))
	for _, s := range steps {
		if s.result == Set {
			changed++
		}
	}
	return changed, steps
}

func (m *model) stop(vip netip.Addr) []step {
	var items []Item
	for _, c := range m.records[vip] {
		items = append(items, c.Item)
	}
	steps := planStop(m.records[vip], m.found(items), m.others(vip))
	delete(m.records, vip)
	return steps
}

// safe says what would be wrong with this host.
func (m *model) safe(t *testing.T) {
	t.Helper()
	for _, ipv6 := range []bool{false, true} {
		if len(m.facts(ipv6).localRules) == 0 {
			t.Fatalf("IPv6 %v: no rule leads to the table of local addresses", ipv6)
		}
	}
	for i, v := range m.values {
		if i.Address.IsValid() && i.Address.Addr().Is4() && v == Present && m.get(conf4("all", "arp_ignore")) == "0" {
			t.Fatalf("%s is there, and ARP requests for it are answered", i)
		}
		if i.On != "" && v == Present && !m.up(i.On) {
			t.Fatalf("%s is there, and the device is not", i)
		}
	}
}

// up reports whether a tunnel's device is up.
func (m *model) up(name string) bool {
	for i, v := range m.values {
		if i.Device.Name == name && v == Up {
			return true
		}
	}
	return false
}

// carry takes steps one by one; the host is safe after each.
func (m *model) carry(t *testing.T, steps []step) {
	t.Helper()
	for _, s := range steps {
		if s.result == Set {
			m.set(s.item, s.is)
			m.safe(t)
		}
	}
}

var (
	vipA = netip.MustParseAddr("192.168.1.100")
	vipB = netip.MustParseAddr("192.168.1.101")
	vip6 = netip.MustParseAddr("fd00:1::100")
	web  = Port{frame.ProtoTCP, 80}
	dns  = Port{frame.ProtoUDP, 53}
)

// someOptions are a start of one of three VIPs.
func someOptions(r *rand.Rand) Options {
	o := Options{VIP: []netip.Addr{vipA, vipB, vip6}[r.IntN(3)]}
	for _, p := range []Port{web, dns} {
		if r.IntN(2) == 0 {
			o.Balance = append(o.Balance, p)
		}
	}
	if len(o.Balance) > 0 {
		o.Interface, o.Source = "eth0", netip.MustParseAddr("192.168.1.11")
		if o.VIP.Is6() {
			o.Source = netip.MustParseAddr("fd00:1::11")
		}
	}
	for _, t := range []Tunnel{{Kind: KindIPIP}, {Kind: KindGRE}, {Kind: KindGUE, Port: 6080}, {Kind: KindIPIP, Local: netip.MustParseAddr("fd00:1::11")}} {
		if r.IntN(4) == 0 {
			o.Tunnels = append(o.Tunnels, t)
		}
	}
	return o
}

// someHost is a host before the first start.
func someHost(r *rand.Rand) *model {
	m := &model{values: map[Item]string{}, records: map[netip.Addr][]change{}}
	for _, ipv6 := range []bool{false, true} {
		switch r.IntN(3) {
		case 0: // somebody has moved it already
			m.set(Item{Rule: Rule{IPv6: ipv6, Priority: 100, Table: unix.RT_TABLE_LOCAL, Owner: 3}}, Present)
		default:
			m.set(Item{Rule: Rule{IPv6: ipv6, Table: unix.RT_TABLE_LOCAL, Owner: unix.RTPROT_KERNEL}}, Present)
		}
	}
	for _, i := range []Item{conf4("all", "arp_ignore"), conf4("lo", "arp_announce"), conf4("all", "rp_filter"), conf4("eth0", "rp_filter")} {
		m.set(i, []string{"0", "1", "2"}[r.IntN(3)])
	}
	m.set(conf4("all", "accept_local"), []string{"0", "1"}[r.IntN(2)])
	for _, t := range []Tunnel{{Kind: KindIPIP}, {Kind: KindGRE}} {
		m.set(Item{Device: t.device(vipA)}, []string{Absent, Down, Up}[r.IntN(3)])
		m.set(conf4(t.device(vipA).Name, "rp_filter"), []string{"0", "1", "2"}[r.IntN(3)])
	}
	if r.IntN(3) == 0 && m.get(conf4("all", "arp_ignore")) != "0" {
		m.set(Item{Address: netip.PrefixFrom(vipA, 32)}, Present)
	}
	return m
}

// Whatever was started and stopped in whatever order, the last stop leaves the
// host as the first start found it; a second start changes nothing; and at no
// moment between is there a host that answers for the VIP or finds no local
// address.
func TestAllStopsTogetherUndoAllStarts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		m := someHost(r)
		before := maps.Clone(m.values)
		for range 1 + r.IntN(6) {
			o := someOptions(r)
			if r.IntN(3) == 0 {
				m.carry(t, m.stop(o.VIP))
				continue
			}
			_, steps := m.start(o)
			m.carry(t, steps)
			if n, steps := m.start(o); n != 0 {
				t.Fatalf("a second start changes %d things: %+v", n, steps)
			}
		}
		for _, vip := range []netip.Addr{vipB, vip6, vipA} {
			m.carry(t, m.stop(vip))
		}
		if !maps.Equal(m.values, before) {
			t.Fatalf("before: %v\nafter: %v", before, m.values)
		}
	}
}

func TestStopLeavesAloneWhatSomebodyElseChanged(t *testing.T) {
	m := someHost(rand.New(rand.NewPCG(1, 1)))
	announce := conf4("all", "arp_announce")
	_, steps := m.start(Options{VIP: vipB})
	m.carry(t, steps)
	m.set(announce, "1")
	steps = m.stop(vipB)
	m.carry(t, steps)
	k := slices.IndexFunc(steps, func(s step) bool { return s.item == announce })
	if k < 0 || steps[k].result != LeftAlone || m.get(announce) != "1" {
		t.Errorf("%+v", steps)
	}
}

// The record stays that of the first start, also where a later one has to set
// something once more.
func TestALaterStartDoesNotChangeWhatTheFirstFound(t *testing.T) {
	m := someHost(rand.New(rand.NewPCG(1, 1)))
	announce := conf4("lo", "arp_announce")
	m.set(announce, "0")
	_, steps := m.start(Options{VIP: vipB})
	m.carry(t, steps)
	first := slices.Clone(m.records[vipB])
	m.set(announce, "1")
	n, steps := m.start(Options{VIP: vipB})
	m.carry(t, steps)
	if n != 1 || !slices.Equal(m.records[vipB], first) {
		t.Errorf("%d changes, record %+v; want 1, %+v", n, m.records[vipB], first)
	}
	m.carry(t, m.stop(vipB))
	if v := m.get(announce); v != "0" {
		t.Errorf("after stop it is %s, want 0", v)
	}
}

func TestWhatAnotherVIPNeedsIsKeptUntilTheLastStop(t *testing.T) {
	m := &model{values: map[Item]string{{Rule: Rule{Table: unix.RT_TABLE_LOCAL, Owner: unix.RTPROT_KERNEL}}: Present,
		{Rule: Rule{IPv6: true, Table: unix.RT_TABLE_LOCAL, Owner: unix.RTPROT_KERNEL}}: Present}, records: map[netip.Addr][]change{}}
	for _, vip := range []netip.Addr{vipA, vipB} {
		_, steps := m.start(Options{VIP: vip})
		m.carry(t, steps)
	}
	ignore := conf4("all", "arp_ignore")
	for _, c := range []struct {
		vip    netip.Addr
		result Result
		left   string
	}{{vipA, Kept, "1"}, {vipB, Set, "0"}} {
		steps := m.stop(c.vip)
		m.carry(t, steps)
		k := slices.IndexFunc(steps, func(s step) bool { return s.item == ignore })
		if steps[k].result != c.result || m.get(ignore) != c.left {
			t.Errorf("stop %s: %s, and arp_ignore is %s; want %s, %s", c.vip, steps[k].result, m.get(ignore), c.result, c.left)
		}
	}
}
