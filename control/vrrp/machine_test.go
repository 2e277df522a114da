package vrrp_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/control/vrrp"
	"lvsdr/control/vrrp/vrrptest"
)

const segment = "eth0"

// router is an instance called V with this priority.
func router(priority uint8, change ...func(*vrrp.Instance)) vrrp.Instance {
	i := vrrp.Instance{
		Name: "V", Interface: segment, ID: 51, Version: 3, Priority: priority, Interval: time.Second, Preempt: true,
		Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.100")},
	}
	for _, f := range change {
		f(&i)
	}
	return i
}

func only(i vrrp.Instance) vrrp.Settings { return vrrp.Settings{Instances: []vrrp.Instance{i}} }

// at are the addresses of host n on its segments.
func at(n byte, segments ...string) map[string]netip.Addr {
	all := map[string]netip.Addr{}
	for k, s := range append([]string{segment}, segments...) {
		all[s] = netip.AddrFrom4([4]byte{10, byte(k), 0, n})
	}
	return all
}

// history are the changes of a node as one line.
func history(d *vrrptest.Node) string {
	var b strings.Builder
	for _, c := range d.Changes {
		name := c.Instance
		if c.Group != "" {
			name = "group " + c.Group
		}
		fmt.Fprintf(&b, "%v %s %v %d", c.At.Round(time.Millisecond), name, c.Role, c.Priority)
		if c.Cause != vrrp.RoleChanged {
			fmt.Fprintf(&b, " (%v)", c.Cause)
		}
		b.WriteString("; ")
	}
	return strings.TrimSuffix(b.String(), "; ")
}

func wantHistory(t *testing.T, d *vrrptest.Node, want string) {
	t.Helper()
	if got := history(d); got != want {
		t.Errorf("%s: %s\nwant %s", d.Name, got, want)
	}
}

// A backup waits three intervals and its skew: (256-priority)/256 of an interval, with version 2 of a second.
func TestABackupIsMasterWhenTheMasterIsDown(t *testing.T) {
	for _, tt := range []struct {
		name string
		i    vrrp.Instance
		want string
	}{
		{"version 3, one second", router(100), "0s V BACKUP 100; 3.609s V MASTER 100"},
		{"version 3, ten milliseconds", router(100, func(i *vrrp.Instance) { i.Interval = 10 * time.Millisecond }), "0s V BACKUP 100; 36ms V MASTER 100"},
		{"version 2, two seconds", router(100, func(i *vrrp.Instance) { i.Version, i.Interval = 2, 2*time.Second }), "0s V BACKUP 100; 6.609s V MASTER 100"},
		{"priority 254", router(254), "0s V BACKUP 254; 3.008s V MASTER 254"},
		{"five adverts", router(100, func(i *vrrp.Instance) { i.DownAdverts = 5 }), "0s V BACKUP 100; 5.609s V MASTER 100"},
		{"state MASTER changes nothing", router(100, func(i *vrrp.Instance) { i.StartMaster = true }), "0s V BACKUP 100; 3.609s V MASTER 100"},
		{"but for an owner", router(vrrp.Owner, func(i *vrrp.Instance) { i.StartMaster = true }), "0s V MASTER 255"},
		{"an owner that starts as a backup", router(vrrp.Owner), "0s V BACKUP 255; 3.004s V MASTER 255"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := vrrptest.New(1)
			d := n.Add("one", only(tt.i), at(1))
			n.Run(10 * time.Second)
			wantHistory(t, d, tt.want)
		})
	}
}

func TestInstancesWaitForTheStartupDelay(t *testing.T) {
	n := vrrptest.New(1)
	s := only(router(100))
	s.StartupDelay = 5 * time.Second
	d := n.Add("one", s, at(1))
	n.Run(10 * time.Second)
	wantHistory(t, d, "5s V BACKUP 100; 8.609s V MASTER 100")
}

// two is a net of two routers with these settings that has run for ten seconds.
func two(a, b vrrp.Instance) (n *vrrptest.Net, one, other *vrrptest.Node) {
	n = vrrptest.New(1)
	one, other = n.Add("one", only(a), at(1)), n.Add("other", only(b), at(2))
	n.Run(10 * time.Second)
	one.Changes, other.Changes = nil, nil
	return n, one, other
}

// roles are those of V.
func roles(nodes ...*vrrptest.Node) string {
	var all []string
	for _, d := range nodes {
		all = append(all, d.Role("V").String())
	}
	return strings.Join(all, " ")
}

func TestWhoIsMaster(t *testing.T) {
	for _, tt := range []struct {
		name string
		a, b vrrp.Instance
		want string
	}{
		{"the higher priority", router(150), router(100), "MASTER BACKUP"},
		{"the higher address of equal ones, when both are heard at once", router(100), router(100), "MASTER BACKUP"},
		{"the owner", router(254), router(vrrp.Owner, func(i *vrrp.Instance) { i.StartMaster = true }), "BACKUP MASTER"},
		{"both, where versions differ", router(150), router(100, func(i *vrrp.Instance) { i.Version = 2 }), "MASTER MASTER"},
		{"both, where the password differs", router(150, v2, pass("a")), router(100, v2, pass("b")), "MASTER MASTER"},
		{"one, where it is the same", router(150, v2, pass("a")), router(100, v2, pass("a")), "MASTER BACKUP"},
		{"both, where intervals of version 2 differ", router(150, v2), router(100, v2, func(i *vrrp.Instance) { i.Interval = 2 * time.Second }), "MASTER MASTER"},
		{"one, where those of version 3 do", router(150), router(100, func(i *vrrp.Instance) { i.Interval = 100 * time.Millisecond }), "MASTER BACKUP"},
		{"one, where addresses differ", router(150), router(100, func(i *vrrp.Instance) { i.Addresses = nil }), "MASTER BACKUP"},
		{"both, where they differ and version 2 is strict", router(150, v2), router(100, v2, func(i *vrrp.Instance) { i.Addresses, i.Strict = nil, true }), "MASTER MASTER"},
		{"one, where the sender owns them", router(vrrp.Owner, v2), router(100, v2, func(i *vrrp.Instance) { i.Addresses, i.Strict = nil, true }), "MASTER BACKUP"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, one, other := two(tt.a, tt.b)
			if tt.name == "the higher address of equal ones, when both are heard at once" {
				// The first one stays: an advert of the same priority is accepted. Which one it is does not matter.
				if got := roles(one, other); got != "MASTER BACKUP" && got != "BACKUP MASTER" {
					t.Errorf("%s, want one master", got)
				}
				return
			}
			if got := roles(one, other); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func v2(i *vrrp.Instance) { i.Version = 2 }

func pass(s string) func(*vrrp.Instance) { return func(i *vrrp.Instance) { i.Password = s } }

func stays(i *vrrp.Instance) { i.Preempt = false }

func TestAMasterOfHigherPriorityReturns(t *testing.T) {
	for _, tt := range []struct {
		name   string
		higher vrrp.Instance
		want   string // its history from its return at 0 s on
	}{
		{"it preempts", router(150), "0s V BACKUP 150; 3.414s V MASTER 150"},
		{"after a delay", router(150, func(i *vrrp.Instance) { i.PreemptDelay = 10 * time.Second }), "0s V BACKUP 150; 12.439s V MASTER 150"},
		{"it stays a backup", router(150, stays), "0s V BACKUP 150"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, one, other := two(tt.higher, router(100))
			one.Kill()
			n.Run(10 * time.Second)
			if got := roles(one, other); got != "STOP MASTER" {
				t.Fatalf("after it was killed: %s", got)
			}
			back := n.Now()
			one.Revive(only(tt.higher), at(1))
			n.Run(30 * time.Second)
			for k := range one.Changes {
				one.Changes[k].At -= back
			}
			if got := history(one); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if masters := n.Masters("V"); len(masters) != 1 {
				t.Errorf("masters %v", masters)
			}
		})
	}
}

func TestAStoppedMasterSaysSo(t *testing.T) {
	n, one, other := two(router(150), router(100))
	one.Do((*vrrp.Machine).Close)
	n.Run(time.Second)
	if took := other.Changes[0].At - 10*time.Second; other.Role("V") != vrrp.Master || took > 612*time.Millisecond {
		t.Errorf("%v after %v, want MASTER after the skew of 609 ms", other.Role("V"), took)
	}
	wantHistory(t, one, "10s V STOP 150")
	if out, _ := one.Machine.Take(); len(out) != 0 {
		t.Errorf("%d packets more", len(out))
	}
}

// A partition makes two masters. When it heals, the lower one gives way and the other announces its addresses again.
func TestAHealedPartitionHasOneMaster(t *testing.T) {
	n, one, other := two(router(150), router(100))
	n.Cut(one, other, segment)
	n.Run(10 * time.Second)
	if got := roles(one, other); got != "MASTER MASTER" {
		t.Fatalf("parted: %s", got)
	}
	n.Heal()
	n.Run(1100 * time.Millisecond)
	if got := roles(one, other); got != "MASTER BACKUP" {
		t.Errorf("healed: %s", got)
	}
	announces := func(c vrrptest.Timed) bool { return c.Cause == vrrp.LowerPriority }
	if !slices.ContainsFunc(one.Changes, announces) && other.Changes[len(other.Changes)-1].Role != vrrp.Backup {
		t.Errorf("one: %s; other: %s", history(one), history(other))
	}
}

// Equal masters, as after a partition, are told apart by their addresses.
func TestOfEqualMastersTheHigherAddressStays(t *testing.T) {
	n, one, other := two(router(100), router(100))
	n.Cut(one, other, segment)
	n.Run(10 * time.Second)
	n.Heal()
	n.Run(2 * time.Second)
	if got := roles(one, other); got != "BACKUP MASTER" {
		t.Errorf("%s, want the one at 10.0.0.2", got)
	}
}

// Whatever a lower master sends, the answers and the announcements are bounded.
func TestAnswersToAFloodOfLowerAdvertsAreBounded(t *testing.T) {
	for _, priority := range []uint8{0, 50} {
		n, one, _ := two(router(150), router(100))
		before := n.Packets
		src := netip.MustParseAddr("10.0.0.77")
		group := netip.MustParseAddr("224.0.0.18")
		a := vrrp.Advert{Version: 3, ID: 51, Priority: priority, Interval: time.Second}
		b := a.Append(nil, src, group, group)
		for range 1000 {
			one.Do(func(m *vrrp.Machine, now int64) {
				m.Receive(now, vrrp.Packet{Interface: segment, Src: src, Dst: group, TTL: 255, Payload: b})
			})
			n.Run(time.Millisecond)
		}
		if sent := n.Packets - before; sent > 6 || len(one.Changes) > 5 {
			t.Errorf("priority %d: %d packets and %d changes in a second, want an answer each 250 ms", priority, sent, len(one.Changes))
		}
	}
}

func TestAMasterThatIsLateMayGiveWay(t *testing.T) {
	late := router(150, func(i *vrrp.Instance) { i.LateBackup = 50 })
	n, one, other := two(late, router(100))
	one.Kill() // it hangs
	n.Run(5 * time.Second)
	m := one.Machine
	m.Tick(int64(n.Now()))
	out, changes := m.Take()
	if len(out) != 1 || out[0].Payload[2] != 50 || len(changes) != 1 || changes[0].Role != vrrp.Backup || other.Role("V") != vrrp.Master {
		t.Errorf("%d packets, changes %v, the other %v", len(out), changes, other.Role("V"))
	}
}

// hears is how the machine of a backup with priority 100 takes a packet.
func hears(t *testing.T, i vrrp.Instance, change func(*vrrp.Advert, *vrrp.Packet)) vrrp.Reason {
	t.Helper()
	m := vrrp.NewMachine()
	m.Source(1, segment, false, netip.MustParseAddr("10.0.0.1"))
	m.Set(1, only(i))
	a := vrrp.Advert{Version: i.Version, ID: 51, Priority: 150, Interval: i.Interval, Addresses: i.Addresses}
	p := vrrp.Packet{Interface: segment, Src: netip.MustParseAddr("10.0.0.2"), Dst: netip.MustParseAddr("224.0.0.18"), TTL: 255}
	change(&a, &p)
	group := netip.MustParseAddr("224.0.0.18")
	if p.Payload == nil {
		p.Payload = a.Append(nil, p.Src, p.Dst, group)
	}
	why := m.Receive(2, p)
	var counted uint64
	st := m.States()[0].Stats
	for r := vrrp.Accepted; r < vrrp.Reasons; r++ {
		counted += st.Received[r] + m.Unknown()[r]
	}
	if counted != 1 || st.Received[why]+m.Unknown()[why] != 1 {
		t.Errorf("%v is counted as %v, %v", why, st.Received, m.Unknown())
	}
	return why
}

func TestEachRefusedPacketHasItsReason(t *testing.T) {
	plain := router(100)
	peers := router(100, func(i *vrrp.Instance) {
		i.Peers = []vrrp.Peer{{Addr: netip.MustParseAddr("10.0.0.2"), MinTTL: 254, MaxTTL: 255}, {Addr: netip.MustParseAddr("10.0.0.3")}}
	})
	checked := peers
	checked.PeersOnly = true
	secret := router(100, v2, pass("secret"))
	own := netip.MustParseAddr("10.0.0.1")
	unicast := func(_ *vrrp.Advert, p *vrrp.Packet) { p.Dst = own }
	for _, tt := range []struct {
		name   string
		i      vrrp.Instance
		change func(*vrrp.Advert, *vrrp.Packet)
		want   vrrp.Reason
	}{
		{"a good one", plain, func(*vrrp.Advert, *vrrp.Packet) {}, vrrp.Accepted},
		{"too short to have a router", plain, func(_ *vrrp.Advert, p *vrrp.Packet) { p.Payload = []byte{0x31, 51} }, vrrp.Short},
		{"of another router", plain, func(a *vrrp.Advert, _ *vrrp.Packet) { a.ID = 52 }, vrrp.UnknownRouter},
		{"on another interface", plain, func(_ *vrrp.Advert, p *vrrp.Packet) { p.Interface = "eth1" }, vrrp.UnknownRouter},
		{"from itself", plain, func(_ *vrrp.Advert, p *vrrp.Packet) { p.Src = own }, vrrp.Looped},
		{"by unicast to one without peers", plain, unicast, vrrp.WrongWay},
		{"by multicast to one with peers", peers, func(*vrrp.Advert, *vrrp.Packet) {}, vrrp.WrongWay},
		{"from a router away", plain, func(_ *vrrp.Advert, p *vrrp.Packet) { p.TTL = 254 }, vrrp.BadTTL},
		{"a peer, one away", peers, func(_ *vrrp.Advert, p *vrrp.Packet) { p.Dst, p.TTL = own, 254 }, vrrp.Accepted},
		{"a peer, two away", peers, func(_ *vrrp.Advert, p *vrrp.Packet) { p.Dst, p.TTL = own, 253 }, vrrp.BadTTL},
		{"a peer of which any TTL is good", peers, func(_ *vrrp.Advert, p *vrrp.Packet) { p.Dst, p.TTL, p.Src = own, 3, netip.MustParseAddr("10.0.0.3") }, vrrp.Accepted},
		{"no peer", peers, func(_ *vrrp.Advert, p *vrrp.Packet) { p.Dst, p.Src = own, netip.MustParseAddr("10.0.0.4") }, vrrp.Accepted},
		{"no peer, where that is checked", checked, func(_ *vrrp.Advert, p *vrrp.Packet) { p.Dst, p.Src = own, netip.MustParseAddr("10.0.0.4") }, vrrp.NotPeer},
		{"a peer, where that is checked", checked, unicast, vrrp.Accepted},
		{"of another version", plain, func(a *vrrp.Advert, _ *vrrp.Packet) { a.Version = 2 }, vrrp.WrongVersion},
		{"without a password", secret, func(*vrrp.Advert, *vrrp.Packet) {}, vrrp.WrongAuth},
		{"with AH", secret, func(a *vrrp.Advert, _ *vrrp.Packet) { a.Auth = vrrp.AuthHeader }, vrrp.WrongAuth},
		{"with a password that is not wanted", router(100, v2), func(a *vrrp.Advert, _ *vrrp.Packet) { a.Auth = vrrp.AuthPassword }, vrrp.WrongAuth},
		{"with another password", secret, func(a *vrrp.Advert, _ *vrrp.Packet) {
			a.Auth, a.Password = vrrp.AuthPassword, [8]byte{'s', 'e', 'c', 'r', 'e', 't', '2'}
		}, vrrp.WrongPassword},
		{"with the password", secret, func(a *vrrp.Advert, _ *vrrp.Packet) {
			a.Auth, a.Password = vrrp.AuthPassword, [8]byte{'s', 'e', 'c', 'r', 'e', 't'}
		}, vrrp.Accepted},
		{"without an interval", plain, func(a *vrrp.Advert, _ *vrrp.Packet) { a.Interval = 0 }, vrrp.WrongInterval},
		{"with another interval of version 2", router(100, v2), func(a *vrrp.Advert, _ *vrrp.Packet) { a.Interval = 3 * time.Second }, vrrp.WrongInterval},
		{"with another interval of version 3", plain, func(a *vrrp.Advert, _ *vrrp.Packet) { a.Interval = 3 * time.Second }, vrrp.Accepted},
		{"with a wrong checksum", plain, func(a *vrrp.Advert, p *vrrp.Packet) {
			p.Payload = a.Append(nil, p.Src, p.Dst, p.Dst)
			p.Payload[7]++
		}, vrrp.BadChecksum},
		{"while it is in fault", router(100, func(i *vrrp.Instance) { i.IPv6 = true }), func(_ *vrrp.Advert, p *vrrp.Packet) {
			p.Src, p.Dst = netip.MustParseAddr("fe80::2"), netip.MustParseAddr("ff02::12")
		}, vrrp.NotListening},
		{"to an owner that ignores", router(vrrp.Owner, func(i *vrrp.Instance) { i.StartMaster, i.OwnerIgnores = true, true }), func(*vrrp.Advert, *vrrp.Packet) {}, vrrp.OwnerIgnores},
		{"with other addresses, strictly", router(100, v2, func(i *vrrp.Instance) { i.Strict = true }), func(a *vrrp.Advert, _ *vrrp.Packet) { a.Addresses = nil }, vrrp.WrongAddresses},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := hears(t, tt.i, tt.change); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}
