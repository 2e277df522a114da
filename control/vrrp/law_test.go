package vrrp_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"lvsdr/control/vrrp"
	"lvsdr/control/vrrp/vrrptest"
)

// lan is a net of so many routers with random priorities and intervals, of which some are in a sync group over two
// segments.
func lan(seed uint64, nodes int, change func(*vrrp.Instance)) (*vrrptest.Net, []*vrrptest.Node, []vrrp.Settings) {
	r := rand.New(rand.NewPCG(seed, 7))
	n := vrrptest.New(seed)
	version := uint8(2 + r.IntN(2))
	interval := time.Second
	if version == 3 {
		interval = []time.Duration{10, 50, 250, 1000}[r.IntN(4)] * time.Millisecond
	}
	n.Delay = interval / 50
	var all []*vrrptest.Node
	var settings []vrrp.Settings
	for k := range nodes {
		i := router(uint8(1+r.IntN(254)), func(i *vrrp.Instance) { i.Version, i.Interval = version, interval }, change)
		w := i
		w.Name, w.ID, w.Interface = "W", 52, "eth1"
		s := vrrp.Settings{Instances: []vrrp.Instance{i, w}, Groups: []vrrp.Group{{Name: "G", Members: []string{"V", "W"}}}}
		settings = append(settings, s)
		all = append(all, n.Add(fmt.Sprint("n", k), s, at(byte(k+1), "eth1")))
	}
	return n, all, settings
}

// longest is the longest master-down interval that lan's routers have, and the time of a packet.
func longest(s vrrp.Settings) time.Duration {
	i := s.Instances[0]
	skew := i.Interval
	if i.Version == 2 {
		skew = time.Second
	}
	return 3*i.Interval + skew + i.Interval/20
}

// settled fails unless there is exactly one master of each instance, the same node.
func settled(t *testing.T, n *vrrptest.Net, when string) string {
	t.Helper()
	v, w := n.Masters("V"), n.Masters("W")
	if len(v) != 1 || !slices.Equal(v, w) {
		t.Fatalf("%s: masters %v and %v, want one", when, v, w)
	}
	return v[0]
}

// watchGroups fails as soon as members of a group have different roles.
func watchGroups(t *testing.T, n *vrrptest.Net, nodes *[]*vrrptest.Node) {
	t.Helper()
	n.After = func() {
		for _, d := range *nodes {
			if v, w := d.Role("V"), d.Role("W"); v != w {
				t.Fatalf("%v: %s is %v and %v", n.Now(), d.Name, v, w)
			}
		}
	}
}

// Whatever the priorities, there is one master after the longest master-down interval and one more, also after the
// master died, with each packet lost with a chance of one in twenty; and the members of a group never part.
func TestThereIsOneMasterInTheEnd(t *testing.T) {
	for seed := range uint64(60) {
		n, nodes, settings := lan(seed, 2+int(seed%5), func(*vrrp.Instance) {})
		watchGroups(t, n, &nodes)
		patience := longest(settings[0])
		n.Run(2 * patience)
		name := settled(t, n, fmt.Sprint("seed ", seed, " at the start"))
		for k, d := range nodes {
			if d.Name != name {
				continue
			}
			d.Kill()
			n.Run(patience)
			settled(t, n, fmt.Sprint("seed ", seed, " after the master died"))
			d.Revive(settings[k], at(byte(k+1), "eth1"))
		}
		n.Run(2 * patience)
		settled(t, n, fmt.Sprint("seed ", seed, " after it came back"))
	}
}

// The master dies: the first of the others is master within its own master-down interval.
func TestADeadMasterIsReplacedWithinTheMasterDownInterval(t *testing.T) {
	for seed := range uint64(40) {
		n, nodes, settings := lan(seed, 3, func(*vrrp.Instance) {})
		n.Run(2 * longest(settings[0]))
		name := settled(t, n, "start")
		for _, d := range nodes {
			if d.Name == name {
				d.Kill()
			}
		}
		died := n.Now()
		for len(n.Masters("V")) == 0 && n.Now() < died+time.Minute {
			n.Run(time.Millisecond)
		}
		if took := n.Now() - died; took > longest(settings[0]) {
			t.Errorf("seed %d: a master after %v, want %v at most", seed, took, longest(settings[0]))
		}
	}
}

// With nopreempt a master that lives stays, whoever comes and goes, and while one packet in ten is lost.
func TestWithoutPreemptionALivingMasterStays(t *testing.T) {
	for seed := range uint64(30) {
		n, nodes, settings := lan(seed, 4, stays)
		n.Run(2 * longest(settings[0]))
		name := settled(t, n, "start")
		r := rand.New(rand.NewPCG(seed, 9))
		for range 10 {
			k := r.IntN(len(nodes))
			if nodes[k].Name == name {
				continue
			}
			nodes[k].Kill()
			n.Run(time.Duration(r.IntN(5)) * settings[0].Instances[0].Interval)
			nodes[k].Revive(settings[k], at(byte(k+1), "eth1"))
			n.Run(time.Duration(r.IntN(5)) * settings[0].Instances[0].Interval)
		}
		if again := settled(t, n, fmt.Sprint("seed ", seed, " in the end")); again != name {
			t.Errorf("seed %d: the master changed from %s to %s", seed, name, again)
		}
		for _, d := range nodes {
			if d.Name == name && len(d.Changes) > 8 {
				t.Errorf("seed %d: the master flapped: %s", seed, history(d))
			}
		}
	}
}

// Partitions come and go, packets are lost: when all is well again, there is one master.
func TestOneMasterRemainsAfterPartitionsAndLoss(t *testing.T) {
	for seed := range uint64(40) {
		n, nodes, settings := lan(seed, 2+int(seed%4), func(*vrrp.Instance) {})
		watchGroups(t, n, &nodes)
		r := rand.New(rand.NewPCG(seed, 11))
		interval := settings[0].Instances[0].Interval
		n.Loss = 0.3
		for range 20 {
			a, b := nodes[r.IntN(len(nodes))], nodes[r.IntN(len(nodes))]
			n.Cut(a, b, []string{segment, "eth1"}[r.IntN(2)])
			n.Run(time.Duration(r.IntN(4)) * interval)
			if r.IntN(3) == 0 {
				n.Heal()
			}
		}
		n.Heal()
		n.Loss = 0
		n.Run(3 * longest(settings[0]))
		settled(t, n, fmt.Sprint("seed ", seed))
	}
}

// Random settings, trackers, sources and packets: no call panics, a timer that has run out does not run out at the same
// moment again, and the roles are possible.
func FuzzMachine(f *testing.F) {
	f.Add(uint64(1), uint16(100))
	f.Add(uint64(2), uint16(1000))
	f.Fuzz(func(t *testing.T, seed uint64, steps uint16) {
		r := rand.New(rand.NewPCG(seed, 1))
		m, now := vrrp.NewMachine(), int64(1)
		for range steps % 2000 {
			now += r.Int64N(int64(time.Second))
			step(r, m, now)
			out, _ := m.Take()
			for _, p := range out {
				if !p.Src.IsValid() || len(p.Payload) < 8 {
					t.Fatalf("sends %+v", p)
				}
			}
			m.Tick(now)
			if at, ok := m.Wake(); ok && at <= now {
				t.Fatalf("a timer at %d has run out at %d, behind Tick", at, now)
			}
			for _, s := range m.States() {
				if s.Role == vrrp.Master && s.Faults > 0 || s.Role == vrrp.Stopped || s.Priority == 0 {
					t.Fatalf("state %+v", s)
				}
			}
		}
	})
}

// step does one thing of those that a machine may be told.
func step(r *rand.Rand, m *vrrp.Machine, now int64) {
	tracker := vrrp.Tracker{Kind: "track_script", Name: fmt.Sprint(r.IntN(3))}
	switch r.IntN(6) {
	case 0:
		var s vrrp.Settings
		for k := range r.IntN(4) {
			i := router(uint8(1+r.IntN(255)), func(i *vrrp.Instance) {
				i.Name, i.ID = fmt.Sprint(k), uint8(50+k)
				i.Version, i.Preempt, i.StartMaster = uint8(2+r.IntN(2)), r.IntN(2) == 0, r.IntN(2) == 0
				i.Tracks = []vrrp.Track{{Tracker: tracker, Weight: r.IntN(61) - 30, Reverse: r.IntN(2) == 0}}
			})
			s.Instances = append(s.Instances, i)
		}
		if r.IntN(2) == 0 {
			s.Groups = []vrrp.Group{{Name: "G", Members: []string{"0", "1", "9"}, Tracks: []vrrp.Track{{Tracker: tracker}}}}
		}
		m.Set(now, s)
	case 1:
		m.Track(now, vrrp.Tracked{Tracker: tracker, Up: r.IntN(2) == 0, Value: r.IntN(10)})
	case 2:
		a := netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(4))})
		if r.IntN(4) == 0 {
			a = netip.Addr{}
		}
		m.Source(now, segment, false, a)
	default:
		group := netip.MustParseAddr("224.0.0.18")
		a := vrrp.Advert{Version: uint8(2 + r.IntN(2)), ID: uint8(50 + r.IntN(4)), Priority: uint8(r.Uint32()), Interval: time.Second}
		p := vrrp.Packet{Interface: segment, Src: netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(6))}), Dst: group, TTL: 255}
		p.Payload = a.Append(nil, p.Src, p.Dst, group)
		if r.IntN(4) == 0 {
			p.Payload[r.IntN(len(p.Payload))]++
		}
		m.Receive(now, p)
	}
}
