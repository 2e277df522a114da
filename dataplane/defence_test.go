package dataplane_test

import (
	"math/rand"
	"testing"

	"lvsdr/dataplane"
)

// The table of these tests has room for 256: it is nearly full with more than
// 240 entries, 15/16.
const (
	defended = 256
	strained = 240
)

// filled is a lab with n open connections on TCP port 80, and with a
// one-packet service on UDP port 55, whose datagrams are new connections that
// take no room.
func filled(t testing.TB, n int) *lab {
	l := newLab(t, unlimited, defended)
	l.service(tcpService(80), 0, 1)
	l.must(l.d.AddService(dataplane.ServiceConfig{Key: udpService(55), Scheduler: "rr", OnePacket: true}))
	l.add(udpService(55), 1, 1)
	for port := range uint16(n) {
		l.handshake(1000+port, 80)
	}
	return l
}

// atWork says in which modes a defence acts, beside so many entries.
func atWork(mode, entries int) bool { return mode == 3 || mode > 0 && entries > strained }

var fills = []int{0, 100, strained - 1, strained, strained + 1, strained + 8, defended - 1}

// secure_tcp: a SYN leads to SYNACK, which lasts twice as long as SYN_RECV.
func TestSecureTCPModes(t *testing.T) {
	for mode := range 4 {
		for _, n := range fills {
			l := filled(t, n)
			l.tune(func(v *dataplane.Tunables) { v.SecureTCP = mode })
			l.expect(tcp(500, 80, "S"), dataplane.Scheduled, 1)
			want := "SYN_RECV"
			if atWork(mode, n) {
				want = "SYNACK"
			}
			for _, c := range l.d.Conns(l.now) {
				if c.Key.ClientPort == 500 && c.State != want {
					t.Errorf("mode %d beside %d entries: %s, want %s", mode, n, c.State, want)
				}
			}
			l.expect(tcp(500, 80, "A"), dataplane.Hit, 1) // open in both cases
			if got := l.counts(tcpService(80), 1); got != [3]int{n + 1} {
				t.Errorf("mode %d beside %d entries: counts %v", mode, n, got)
			}
		}
	}
}

// drop_packet refuses one new connection of some: of am_droprate always, or the
// more the fuller the table, once it is nearly full. What is known goes on.
func TestDropPacketModes(t *testing.T) {
	for mode := range 4 {
		for _, n := range append(fills, defended) {
			for _, rate := range []int{1, 2, 7, 10} {
				l := filled(t, n)
				l.tune(func(v *dataplane.Tunables) { v.DropPacket, v.AMDropRate = mode, rate })
				every := 0 // one of so many; 0: none
				switch room := defended - strained; {
				case mode == 3:
					every = rate
				case atWork(mode, n):
					every = room / (n - strained)
				}
				for i := 1; i <= 60; i++ {
					want, server := dataplane.Scheduled, byte(1)
					if every > 0 && i%every == 0 {
						want, server = dataplane.Shed, 0
					}
					if r := l.send(udp(uint16(100+i), 55)); r.reason != want || r.server != server {
						t.Fatalf("mode %d, rate %d, beside %d entries: new connection %d was %s, want %s", mode, rate, n, i, r.reason, want)
					}
					if n > 0 {
						l.expect(tcp(1000+uint16(i%n), 80, "A"), dataplane.Hit, 1)
					}
				}
			}
		}
	}
}

// Packets that start no new connection are not shed, but answered as usual.
func TestDropPacketIsAboutNewConnections(t *testing.T) {
	l := filled(t, 1)
	l.tune(func(v *dataplane.Tunables) { v.DropPacket, v.AMDropRate = 3, 1 })
	for range 3 {
		l.expect(tcp(500, 80, "S"), dataplane.Shed, 0)
		l.expect(tcp(500, 80, "A"), dataplane.ResetNoConnection, 0)
		l.expect(tcp(500, 81, "S"), dataplane.ResetNoService, 0)
		l.expect(udp(500, 54), dataplane.UnreachableNoService, 0)
		l.expect(tcp(1000, 80, "PA"), dataplane.Hit, 1)
	}
}

// drop_entry: Defend takes half-open connections, or does nothing at all.
func TestDropEntryModes(t *testing.T) {
	for mode := range 4 {
		for _, n := range fills {
			l := filled(t, n)
			l.tune(func(v *dataplane.Tunables) { v.DropEntry = mode })
			half := min(defended-n, 20)
			entries := n + half
			for port := range uint16(half) {
				l.expect(tcp(500+port, 80, "S"), dataplane.Scheduled, 1)
			}
			r := rand.New(rand.NewSource(int64(n)))
			gone := 0
			for range 400 {
				gone += l.d.Defend(l.now, r.Uint64)
			}
			left, _, evicted := l.d.TableUse()
			switch {
			case !atWork(mode, entries) && (gone > 0 || left != entries):
				t.Errorf("mode %d beside %d entries: %d went", mode, entries, gone)
			case mode == 3 && gone != half, atWork(mode, entries) && mode < 3 && gone < min(half, entries-strained):
				t.Errorf("mode %d beside %d entries: %d went of %d half-open ones", mode, entries, gone, half)
			case mode < 3 && atWork(mode, entries) && left > max(n, strained), left != entries-gone, evicted != uint64(gone):
				t.Errorf("mode %d beside %d entries: %d went, %d are left, %d evicted", mode, entries, gone, left, evicted)
			}
			for port := range uint16(n) { // none of the open ones
				l.expect(tcp(1000+port, 80, "A"), dataplane.Hit, 1)
			}
			if got := l.counts(tcpService(80), 1); got != [3]int{left} {
				t.Errorf("mode %d beside %d entries: counts %v, the table has %d", mode, entries, got, left)
			}
		}
	}
}

// The defences are off by default, and the table alone defends itself: open
// connections stay, others make room.
func TestWithoutDefences(t *testing.T) {
	l := filled(t, defended-6)
	for port := range uint16(100) {
		l.expect(tcp(500+port, 80, "S"), dataplane.Scheduled, 1)
		if n := l.d.Defend(l.now, func() uint64 { return uint64(port) << 57 }); n != 0 {
			t.Fatalf("%d went", n)
		}
	}
	for port := range uint16(defended - 6) {
		l.expect(tcp(1000+port, 80, "A"), dataplane.Hit, 1)
	}
	if n, _, evicted := l.d.TableUse(); n != defended || evicted != 94 {
		t.Errorf("%d entries, %d evicted, want 256 and 94", n, evicted)
	}
}

// UDP makes room where nothing cheaper is within reach, and is scheduled anew
// with its next packet.
func TestUDPMakesRoom(t *testing.T) {
	l := furnish(newLab(t, unlimited, defended))
	for port := range uint16(defended) {
		l.expect(udp(1000+port, 53), dataplane.Scheduled, byte(2-port%2))
	}
	l.expect(tcp(500, 80, "S"), dataplane.Scheduled, 2)
	l.expect(tcp(500, 80, "A"), dataplane.Hit, 2)
	known, anew := 0, 0
	for port := range uint16(defended) {
		switch r := l.send(udp(1000+port, 53)); r.reason {
		case dataplane.Hit:
			known++
		case dataplane.Scheduled:
			anew++
		default:
			t.Fatalf("%s", r.reason)
		}
	}
	if n, _, evicted := l.d.TableUse(); n != defended || anew == 0 || evicted != uint64(1+anew) || known+anew != defended {
		t.Errorf("%d entries, %d evicted; %d flows were known and %d new", n, evicted, known, anew)
	}
	l.expect(tcp(500, 80, "A"), dataplane.Hit, 2)
	if got := l.server(udpService(53), 1); got.Config.Addr != serverAddr(1) || got.Active != 0 {
		t.Errorf("%+v", got)
	}
}
