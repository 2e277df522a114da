package dataplane_test

import (
	"errors"
	"fmt"
	"math/rand"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
	"lvsdr/scheduler"
)

// A match is a director beside a naive one.
type match struct {
	l     *lab
	m     *naive
	r     *rand.Rand
	steps []string // what was done, if it is to be told
	tell  bool
	last  []*packet // the latest few that began or went on with a connection
	// workers are those of the director: any may get a packet, of whatever
	// connection.
	workers []*dataplane.Scratch
	// before, if not nil, is given each packet before it is processed; what it
	// returns, the result.
	before func(dataplane.Packet) func(result) error
}

func newMatch(t testing.TB, seed int64) *match {
	workers := 1 + 2*int(seed&1)
	until := int64(0)
	if seed%4 >= 2 { // it was just started
		until = 1e9*seed + 1000e9
	}
	x := &match{l: makeLabResuming(t, unlimited, workers<<12, workers, until), m: newNaive(), r: rand.New(rand.NewSource(seed))}
	x.m.resumeUntil = until
	for i := range workers {
		x.workers = append(x.workers, x.l.d.NewScratch(i))
	}
	x.l.now = 1e9 * seed
	x.m.now = x.l.now
	return x
}

func (x *match) note(format string, args ...any) {
	if x.tell {
		x.steps = append(x.steps, fmt.Sprintf(format, args...))
	}
}

// keys are the services there may be.
var keys = []dataplane.ServiceKey{tcpService(80), tcpService(443), tcpService(21), tcpService(0),
	udpService(53), udpService(54), on(vip, frame.ProtoSCTP, 80), {Mark: 7}, {Mark: 260},
	on(vip6, frame.ProtoTCP, 80), on(vip6, frame.ProtoTCP, 443), on(vip6, frame.ProtoTCP, 0), on(vip6, frame.ProtoUDP, 53),
	on(vip6, frame.ProtoSCTP, 80), {Mark: 7, IPv6: true}}

func (x *match) packet() *packet {
	r := x.r
	src := netip.AddrFrom4([4]byte{198, 51, byte(100 + r.Intn(2)), byte(1 + r.Intn(2))})
	dst, elsewhere := vipIP, netip.MustParseAddr("203.0.113.1")
	if r.Intn(5) < 2 {
		src = netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 2: 0x0d, 3: 0xb8, 5: 7, 7: byte(r.Intn(2)), 15: byte(1 + r.Intn(2))})
		dst, elsewhere = vip6IP, netip.MustParseAddr("2001:db8::2")
	}
	if r.Intn(20) == 0 {
		dst = elsewhere
	}
	p := &packet{src: frame.AddrFrom(src), dst: frame.AddrFrom(dst), sport: uint16([]int{20, 1000, 1001, 1002}[r.Intn(4)]),
		ttl: 64, destinationVIP: dst != elsewhere, df: r.Intn(2) == 0 || dst.Is6()}
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
	switch r.Intn(8) {
	case 0, 1:
		p.proto, p.dport, p.flagLetters = frame.ProtoUDP, uint16(52+r.Intn(3)), ""
	case 2:
		p.proto, p.dport, p.flagLetters = frame.ProtoSCTP, uint16(80+r.Intn(10)/9), ""
		p.chunk = []int{1, 1, 10, 10, 0, 3, 7, 8, 6, 14, -1}[r.Intn(11)]
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
		return build.UDP{Src: src, Dst: dst, IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, TTL: p.ttl, DF: p.df},
			Payload: make([]byte, p.payload)}.Bytes()
	}
	if p.proto == frame.ProtoSCTP {
		payload := make([]byte, 8+p.payload)
		if payload[0] = byte(p.chunk); p.chunk < 0 {
			payload = nil
		}
		return build.SCTP{Src: src, Dst: dst, IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, TTL: p.ttl, DF: p.df}, Payload: payload}.Bytes()
	}
	return build.TCP{Src: src, Dst: dst, IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, TTL: p.ttl, DF: p.df},
		Flags: p.flagLetters, Payload: make([]byte, p.payload)}.Bytes()
}

func (x *match) step() error {
	x.l.scratch = x.workers[x.r.Intn(len(x.workers))]
	switch x.r.Intn(40) {
	case 0, 1:
		return x.edit()
	case 2, 3, 4:
		return x.pass(time.Duration(x.r.Intn(8000)) * time.Millisecond)
	case 5:
		return x.pass(time.Duration(x.r.Intn(300)) * time.Second)
	}
	p := x.packet()
	if n := len(x.last); n > 0 && x.r.Intn(3) > 0 { // one more of a connection
		q := *x.last[x.r.Intn(n)]
		if p.proto == q.proto {
			q.flags, q.flagLetters, q.chunk = p.flags, p.flagLetters, p.chunk
		}
		q.ttl, q.df, q.tooLong, q.payload = p.ttl, p.df || !q.dst.Is4(), p.tooLong, p.payload
		p = &q
	}
	if p.tooLong && p.chunk < 0 {
		p.chunk = 3 // something has to be in it
	}
	f := p.frame()
	if x.tell {
		x.note("%v mark %d: %s, chunk %d", time.Duration(x.m.now), p.mark, frametest.Describe(f), p.chunk)
	}
	after := func(result) error { return nil }
	if x.before != nil {
		after = x.before(dataplane.Packet{Data: f, Mark: p.mark})
	}
	reason, server := x.m.decide(p)
	got := x.l.sendPacket(dataplane.Packet{Data: f, Mark: p.mark})
	if err := after(got); err != nil {
		return err
	}
	if got.reason != reason || got.server != server {
		return fmt.Errorf("%s to server %d, the naive director says %s to %d", got.reason, got.server, reason, server)
	}
	if server != 0 {
		x.last = append(x.last, p)
		x.last = x.last[max(0, len(x.last)-20):]
	}
	return nil
}

// furnish makes most of the services, with some servers.
func (x *match) furnish() error {
	const addService, addServer = 0, 4
	for _, k := range keys {
		if x.r.Intn(4) == 0 {
			continue
		}
		if err := x.change(k, addService); err != nil {
			return err
		}
		for range 1 + x.r.Intn(5) {
			if err := x.change(k, addServer); err != nil {
				return err
			}
		}
	}
	return nil
}

// edit makes a random edit.
func (x *match) edit() error {
	op := x.r.Intn(17)
	k := keys[x.r.Intn(len(keys))]
	for tries := 0; tries < 4 && op > 1 && x.m.services[k] == nil; tries++ { // rather one that is there
		k = keys[x.r.Intn(len(keys))]
	}
	return x.change(k, op)
}

// change makes the same edit of service k in both; both do it or both refuse.
func (x *match) change(k dataplane.ServiceKey, op int) error {
	r, d, m := x.r, x.l.d, x.m
	n := byte(1 + r.Intn(4))
	c := dataplane.ServerConfig{Addr: serverOf(k, n), Port: k.Port, Weight: r.Intn(4)}
	if r.Intn(3) == 0 {
		c.Upper, c.Lower = r.Intn(6), r.Intn(4)
	}
	s := dataplane.ServiceConfig{Key: k, Scheduler: deterministic[r.Intn(len(deterministic))],
		Flags: []scheduler.Flags{0, 0, scheduler.Fallback, scheduler.HashPort, scheduler.Fallback | scheduler.HashPort}[r.Intn(5)]}
	if k.Mark != 0 || k.Proto == frame.ProtoUDP {
		s.OnePacket = r.Intn(3) == 0
	}
	if r.Intn(2) == 0 || k.Port == 0 && k.Mark == 0 {
		s.Persistence = time.Duration(1+r.Intn(150)) * time.Second
		s.Mask = []frame.Addr{{}, frame.AddrFrom4([4]byte{255, 255, 255, 0}), frame.AddrFrom4([4]byte{255, 255, 0, 0})}[r.Intn(3)]
		if !c.Addr.Is4() && s.Mask != (frame.Addr{}) {
			s.Mask = frame.Addr{255, 255, 255, 255, 255, 255, 255, 255}
		}
	}
	var err error
	var done bool
	switch op {
	case 0, 1:
		x.note("add service %+v", s)
		err, done = d.AddService(s), m.setService(s, true)
	case 2:
		x.note("edit service %+v", s)
		err, done = d.EditService(s), m.setService(s, false)
	case 3:
		if r.Intn(4) > 0 {
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
	case 11, 12, 16:
		x.note("delete server %d of %+v", n, k)
		err, done = d.DelServer(k, c.Addr, c.Port, x.l.now), m.delServer(k, n)
	case 13, 14:
		mac := serverMAC(n)
		if m.deaf[n] = r.Intn(3) == 0; m.deaf[n] {
			mac = frame.MAC{}
		}
		x.note("server %d has MAC address %x", n, mac)
		x.l.neighbour(n, mac, link)
		return nil
	default:
		x.l.tune(func(v *dataplane.Tunables) {
			v.ExpireNodestConn, v.ExpireQuiescentTemplate = r.Intn(3) == 0, r.Intn(3) == 0
			v.ConnReuseMode, v.SloppyTCP, v.SloppySCTP = r.Intn(4), r.Intn(3) == 0, r.Intn(3) == 0
			v.RescheduleSYN = r.Intn(2) == 0
			v.SecureTCP, v.DropPacket, v.AMDropRate = r.Intn(4), r.Intn(4), 2+r.Intn(20)
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

// A tally holds the listed counts of a server.
type tally struct {
	config                       dataplane.ServerConfig
	active, inactive, persistent int
	overloaded                   bool
	conns                        uint64
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
			want := tally{dataplane.ServerConfig{Addr: serverOf(d.key, d.n), Port: d.key.Port, Weight: d.Weight, Upper: d.upper,
				Lower: d.lower}, a, in, t, d.Overloaded, d.conns}
			got := tally{r.Config, r.Active, r.Inactive, r.Persistent, r.Overloaded, r.Traffic.Conns}
			if got != want {
				return fmt.Errorf("server of %+v: %+v, the naive director has %+v", s.Config.Key, got, want)
			}
		}
	}
	if listed != len(x.m.services) {
		return errors.New("a service is missing")
	}
	conns := x.l.d.Conns(x.l.now)
	more := map[dataplane.ConnStatus]int{} // in the table than in the naive one
	for _, c := range conns {
		more[c]++
	}
	for _, e := range x.m.entries {
		more[x.m.status(e)]--
	}
	for c, n := range more {
		if n != 0 {
			return fmt.Errorf("%+v is %d times more in the table than with the naive director", c, n)
		}
	}
	return nil
}

// status is e as it should be listed.
func (m *naive) status(e *naiveEntry) dataplane.ConnStatus {
	name := e.stateName()
	if e.key.Template {
		name = "NONE"
		if e.assured {
			name = "ASSURED"
		}
	}
	return dataplane.ConnStatus{Key: e.key, Server: serverOf(e.server.key, e.server.n), Port: e.server.key.Port, State: name, Expires: m.left(e), Invalid: e.invalid}
}

// seedVar is the environment variable with which one seed of
// TestDirectorIsTheNaiveOne is played again alone.
const seedVar = "LVSDR_MODEL_SEED"

// replay says how to play a seed again.
func replay(t testing.TB, seed int64) string {
	return fmt.Sprintf("to see each step: %s=%d go test -run '^%s$' ./dataplane", seedVar, seed, t.Name())
}

// playModel plays one seed, of so many packets, edits and pauses, and adds up
// the reasons met.
func playModel(t testing.TB, seed int64, steps int, tell bool, reached *dataplane.Counters) error {
	x := newMatch(t, seed)
	x.tell = tell
	ended := false
	defer func() {
		if !ended { // by a law of lab.send
			t.Errorf("that was with seed %d\n%s", seed, replay(t, seed))
		}
	}()
	err := func() error {
		if err := x.furnish(); err != nil {
			return err
		}
		for *x.l.frames < uint64(steps) {
			if err := x.step(); err != nil {
				return err
			}
		}
		return nil
	}()
	ended = true
	x.l.checkCounters()
	for reason, n := range x.l.d.Counters() {
		reached[reason] += n
	}
	if err != nil && tell {
		err = fmt.Errorf("%w, after\n%s", err, strings.Join(x.steps, "\n"))
	}
	return err
}

// Whatever the packets, edits and pauses, the director decides as the naive
// one, and holds the same services, servers, connections and templates.
func TestDirectorIsTheNaiveOne(t *testing.T) {
	const packets = 2500 // of each seed
	var reached dataplane.Counters
	if s := os.Getenv(seedVar); s != "" {
		seed, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if err := playModel(t, seed, packets, true, &reached); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		return
	}
	seeds := long(int64(40), 400)
	if raceEnabled || testing.Short() {
		seeds = 20
	}
	var mu sync.Mutex // guards reached
	var all sync.WaitGroup
	workers := int64(runtime.GOMAXPROCS(0))
	for w := range workers {
		all.Add(1)
		go func() {
			defer all.Done()
			var mine dataplane.Counters
			for seed := w; seed < seeds && !t.Failed(); seed += workers {
				if err := playModel(t, seed, packets, false, &mine); err != nil {
					t.Errorf("seed %d: %v\n%s", seed, err, replay(t, seed))
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for r, n := range mine {
				reached[r] += n
			}
		}()
	}
	all.Wait()
	for _, reason := range []dataplane.Reason{dataplane.Hit, dataplane.Scheduled, dataplane.Resumed, dataplane.Persistent, dataplane.ServerRemoved,
		dataplane.NoMAC, dataplane.UnreachableNoServer, dataplane.UnreachableNoService, dataplane.ResetNoConnection,
		dataplane.ResetNoService, dataplane.ResetIgnored, dataplane.TimeExceeded, dataplane.Fragmented,
		dataplane.FragmentationNeeded, dataplane.NotOurs, dataplane.Shed, dataplane.ProtocolIgnored} {
		if reached[reason] < uint64(seeds)*2 {
			t.Errorf("only %d frames were %s: the traffic does not try it", reached[reason], reason)
		}
	}
}
