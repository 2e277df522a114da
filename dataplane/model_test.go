package dataplane_test

import (
	"errors"
	"fmt"
	"math/rand"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/frametest"
)

// A match is a director beside a naive one.
type match struct {
	l     *lab
	m     *naive
	r     *rand.Rand
	steps []string
	last  []*packet // the latest few
}

func newMatch(t testing.TB, seed int64) *match {
	x := &match{l: newLab(t, unlimited, 1<<12), m: newNaive(), r: rand.New(rand.NewSource(seed))}
	x.l.now = 1e9 * seed
	x.m.now = x.l.now
	return x
}

func (x *match) note(format string, args ...any) {
	x.steps = append(x.steps, fmt.Sprintf(format, args...))
}

// keys are the services there may be.
var keys = []dataplane.ServiceKey{tcpService(80), tcpService(443), tcpService(21), tcpService(0),
	udpService(53), udpService(54), {Mark: 7}, {Mark: 260}}

func (x *match) packet() *packet {
	r := x.r
	src := netip.AddrFrom4([4]byte{198, 51, byte(100 + r.Intn(2)), byte(1 + r.Intn(2))})
	dst := vipIP
	if r.Intn(20) == 0 {
		dst = netip.MustParseAddr("203.0.113.1")
	}
	p := &packet{src: frame.AddrFrom(src), dst: frame.AddrFrom(dst), sport: uint16([]int{20, 1000, 1001, 1002}[r.Intn(4)]),
		ttl: 64, destinationVIP: dst == vipIP, client: src.String(), df: r.Intn(2) == 0}
	if r.Intn(8) == 0 {
		p.mark = []uint32{7, 260, 5}[r.Intn(3)]
	}
	if r.Intn(30) == 0 {
		p.ttl = 1
	}
	if p.tooLong = r.Intn(30) == 0; p.tooLong {
		p.payload = 1500
	}
	p.proto, p.dport = frame.ProtoTCP, []uint16{80, 80, 443, 21, 20, 8080, 81}[r.Intn(7)]
	p.flagLetters = []string{"S", "S", "S", "A", "A", "FA", "R", "SR", "SA", "", "PU"}[r.Intn(11)]
	if r.Intn(5) == 0 {
		p.proto, p.dport, p.flagLetters = frame.ProtoUDP, uint16(52+r.Intn(3)), ""
	}
	for i, c := range "FSRPAU" {
		if strings.ContainsRune(p.flagLetters, c) {
			p.flags |= 1 << i
		}
	}
	return p
}

func (p *packet) frame() []byte {
	src, dst := netip.AddrPortFrom(p.src.IP(), p.sport), netip.AddrPortFrom(p.dst.IP(), p.dport)
	if p.proto == frame.ProtoUDP {
		return frametest.UDP{Src: src, Dst: dst, SrcMAC: clientMAC, DstMAC: directorMAC, TTL: p.ttl, DF: p.df,
			Payload: make([]byte, p.payload)}.Bytes()
	}
	return frametest.TCP{Src: src, Dst: dst, SrcMAC: clientMAC, DstMAC: directorMAC, TTL: p.ttl, DF: p.df,
		Flags: p.flagLetters, Payload: make([]byte, p.payload)}.Bytes()
}

func (x *match) step() error {
	switch x.r.Intn(40) {
	case 0, 1:
		return x.edit()
	case 2, 3, 4:
		return x.pass(time.Duration(x.r.Intn(8000)) * time.Millisecond)
	case 5:
		return x.pass(time.Duration(x.r.Intn(300)) * time.Second)
	}
	p := x.packet()
	if n := len(x.last); n > 0 && x.r.Intn(2) == 0 { // one more of a connection
		q := *x.last[x.r.Intn(n)]
		if p.proto == q.proto {
			q.flags, q.flagLetters = p.flags, p.flagLetters
		}
		q.ttl, q.df, q.tooLong, q.payload = p.ttl, p.df, p.tooLong, p.payload
		p = &q
	}
	x.last = append(x.last, p)
	x.last = x.last[max(0, len(x.last)-10):]
	f := p.frame()
	x.note("%v mark %d: %s", time.Duration(x.m.now), p.mark, frametest.Describe(f))
	reason, server := x.m.decide(p)
	got := x.l.sendPacket(dataplane.Packet{Data: f, Mark: p.mark})
	if got.reason != reason || got.server != server {
		return fmt.Errorf("%s to server %d, the naive director says %s to %d", got.reason, got.server, reason, server)
	}
	return nil
}

// edit makes the same edit in both; both do it or both refuse.
func (x *match) edit() error {
	r, d, m := x.r, x.l.d, x.m
	k := keys[r.Intn(len(keys))]
	for tries := 0; tries < 4 && m.services[k] == nil; tries++ { // rather one that is there
		k = keys[r.Intn(len(keys))]
	}
	n := byte(1 + r.Intn(4))
	c := dataplane.ServerConfig{Addr: serverAddr(n), Port: k.Port, Weight: r.Intn(4)}
	if r.Intn(3) == 0 {
		c.Upper, c.Lower = r.Intn(6), r.Intn(4)
	}
	s := dataplane.ServiceConfig{Key: k, Scheduler: []string{"rr", "wrr"}[r.Intn(2)]}
	if r.Intn(2) == 0 || k.Port == 0 && k.Mark == 0 {
		s.Persistence = time.Duration(1+r.Intn(150)) * time.Second
		s.Mask = []frame.Addr{{}, frame.AddrFrom4([4]byte{255, 255, 255, 0}), frame.AddrFrom4([4]byte{255, 255, 0, 0})}[r.Intn(3)]
	}
	var err error
	var done bool
	switch op := r.Intn(16); op {
	case 0, 1:
		x.note("add service %+v", s)
		err, done = d.AddService(s), m.setService(s, true)
	case 2:
		x.note("edit service %+v", s)
		err, done = d.EditService(s), m.setService(s, false)
	case 3:
		if r.Intn(3) > 0 {
			return nil
		}
		x.note("delete service %+v", k)
		err, done = d.DelService(k, x.l.now), m.delService(k)
	case 4, 5, 6, 7, 8:
		x.note("add server %+v to %+v", c, k)
		err, done = d.AddServer(k, c), m.addServer(k, n, c)
	case 9, 10:
		x.note("edit server %+v of %+v", c, k)
		err, done = d.EditServer(k, c), m.editServer(k, n, c)
	case 11, 12:
		x.note("delete server %d of %+v", n, k)
		err, done = d.DelServer(k, c.Addr, c.Port, x.l.now), m.delServer(k, n)
	case 13, 14:
		mac := serverMAC(n)
		if m.deaf[n] = r.Intn(3) == 0; m.deaf[n] {
			mac = frame.MAC{}
		}
		x.note("server %d has MAC address %x", n, mac)
		d.SetNeighbour(c.Addr, mac, link)
		return nil
	default:
		x.l.tune(func(v *dataplane.Tunables) {
			v.ExpireNodestConn, v.ExpireQuiescentTemplate = r.Intn(3) == 0, r.Intn(3) == 0
			v.ConnReuseMode, v.SloppyTCP = r.Intn(4), r.Intn(3) == 0
		})
		m.tunables = d.Tunables()
		x.note("tunables %+v", m.tunables)
		return nil
	}
	if (err == nil) != done {
		return fmt.Errorf("the edit: %v, the naive director did it: %v", err, done)
	}
	return nil
}

// pass goes from one expiry to the next; both must agree when that is.
func (x *match) pass(d time.Duration) error {
	x.note("%v passes", d)
	end := x.l.now + int64(d)
	for {
		next, ok := x.l.d.NextExpiry(x.l.now)
		want := x.m.next()
		if ok != (want != 0) || ok && next != max(want, x.l.now) {
			return fmt.Errorf("NextExpiry = %d, %v, want %d", next, ok, want)
		}
		if !ok || next > end {
			break
		}
		x.sweep(next)
	}
	x.sweep(end)
	return x.compare()
}

func (x *match) sweep(now int64) {
	x.l.now, x.m.now = now, now
	x.l.d.Sweep(now, x.l.d.Chunks())
	x.m.sweep(func(e *naiveEntry) bool {
		return slices.ContainsFunc(x.l.d.Conns(now), func(c dataplane.ConnStatus) bool {
			return c.Key == e.key && c.Invalid == e.invalid
		})
	})
}

// compare compares all that can be listed.
func (x *match) compare() error {
	listed := 0
	for _, s := range x.l.d.Services() {
		n := x.m.services[s.Config.Key]
		if n == nil || n.cfg != s.Config || n.conns != s.Traffic.Conns || len(n.list) != len(s.Servers) {
			return fmt.Errorf("service %+v, the naive director has %+v", s, n)
		}
		listed++
		for i, r := range s.Servers {
			d := n.list[i]
			a, in, t := x.m.count(d)
			want := fmt.Sprint(serverAddr(d.n), d.Weight, d.upper, d.lower, a, in, t, d.Overloaded, d.conns)
			got := fmt.Sprint(r.Config.Addr, r.Config.Weight, r.Config.Upper, r.Config.Lower, r.Active, r.Inactive,
				r.Persistent, r.Overloaded, r.Traffic.Conns)
			if got != want {
				return fmt.Errorf("server of %+v: %s, the naive director has %s", s.Config.Key, got, want)
			}
		}
	}
	if listed != len(x.m.services) {
		return errors.New("a service is missing")
	}
	var got, want []string
	for _, c := range x.l.d.Conns(x.l.now) {
		got = append(got, fmt.Sprint(c.Key, c.Server, c.State, c.Expires, c.Invalid))
	}
	for _, e := range x.m.entries {
		state := e.state
		if e.key.Proto == frame.ProtoUDP && !e.key.Template {
			want = append(want, fmt.Sprint(e.key, serverAddr(e.server.n), "UDP", x.m.left(e), e.invalid))
			continue
		}
		name := state.String()
		if e.key.Template && e.assured {
			name = "ASSURED"
		}
		want = append(want, fmt.Sprint(e.key, serverAddr(e.server.n), name, x.m.left(e), e.invalid))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("the table has\n%s\nthe naive director\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return nil
}

// Whatever the packets, edits and pauses, the director decides as the naive
// one, and holds the same services, servers, connections and templates.
func TestDirectorIsTheNaiveOne(t *testing.T) {
	const seeds, steps = 100, 1000
	reached := map[dataplane.Reason]uint64{}
	for seed := range int64(seeds) {
		x := newMatch(t, seed)
		for range 30 { // something to begin with
			if err := x.edit(); err != nil {
				t.Fatalf("seed %d: %v after\n%s", seed, err, strings.Join(x.steps, "\n"))
			}
		}
		for range steps {
			if err := x.step(); err != nil {
				t.Fatalf("seed %d: %v after\n%s", seed, err, strings.Join(x.steps, "\n"))
			}
		}
		for reason, n := range x.l.d.Counters() {
			reached[dataplane.Reason(reason)] += n
		}
	}
	for _, reason := range []dataplane.Reason{dataplane.Hit, dataplane.Scheduled, dataplane.Persistent, dataplane.ServerRemoved,
		dataplane.NoMAC, dataplane.UnreachableNoServer, dataplane.UnreachableNoService, dataplane.ResetNoConnection,
		dataplane.ResetNoService, dataplane.ResetIgnored, dataplane.TimeExceeded, dataplane.Fragmented,
		dataplane.FragmentationNeeded, dataplane.NotOurs} {
		if reached[reason] < 50 {
			t.Errorf("only %d frames were %s: the traffic does not try it", reached[reason], reason)
		}
	}
}
