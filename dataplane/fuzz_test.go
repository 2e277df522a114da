package dataplane_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/frametest"
)

// FuzzProcess gives any bytes as a frame, twice, to a director with services
// and connections. The laws are those of lab.send: a frame that is not
// forwarded is unchanged, one that is differs in MAC addresses, TTL and header
// checksum alone, only single hosts are answered and rightly, and every frame
// is counted once. The mark and the flags of the packet are fuzzed too.
func FuzzProcess(f *testing.F) {
	for _, c := range fates() {
		f.Add(c.packet.Data, c.packet.Mark, c.packet.GSOSize, c.packet.Partial)
	}
	f.Fuzz(func(t *testing.T, b []byte, mark uint32, gso uint16, partial bool) {
		l := defaultLab(t)
		l.service(dataplane.ServiceKey{Mark: 7}, time.Minute, 3)
		l.service(tcpService(0), time.Minute, 3)
		l.service(tcpService(21), time.Minute, 4)
		l.handshake(4000, 80)
		l.send(udp(4000, 53))
		in := bytes.Clone(b)
		first := l.sendPacket(dataplane.Packet{Data: b, Mark: mark, GSOSize: gso, Partial: partial})
		again := l.sendPacket(dataplane.Packet{Data: in, Mark: mark, GSOSize: gso, Partial: partial})
		h := frametest.Parse(in)
		// A reset may close the connection, so that a SYN in it begins
		// another; a fragment overlaps itself.
		if h.Flags&frame.RST == 0 && !h.IsFragment() && first.verdict == dataplane.Forward && (again.verdict != dataplane.Forward || again.server != first.server) {
			t.Fatalf("%s: forwarded to server %d, and then %s to %d", frametest.Describe(in),
				first.server, again.reason, again.server)
		}
		sum := 0
		for _, s := range l.d.Services() {
			for _, r := range s.Servers {
				sum += r.Active + r.Inactive + r.Persistent
			}
		}
		if n, _, _ := l.d.TableUse(); n != sum {
			t.Fatalf("the servers count %d entries, the table has %d", sum, n)
		}
	})
}

// FuzzConversation takes four bytes a step: a frame of a small world, an edit
// or a pause. The law: after every step the servers' counts are what the table
// holds, besides the laws of lab.send.
func FuzzConversation(f *testing.F) {
	f.Add([]byte("\x00\x00\x01\x02\x00\x00\x01\x10\x01\x02\x03\x04\x80\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l := furnish(newLab(t, unlimited, 256))
		flags := []string{"S", "A", "FA", "R", "SA", "", "SR", "SF"}
		for b = b[:min(len(b), 1<<10)]; len(b) >= 4; b = b[4:] {
			n := 1 + b[1]%3
			k := []dataplane.ServiceKey{tcpService(80), tcpService(443), udpService(53)}[b[2]%3]
			c := dataplane.ServerConfig{Addr: serverAddr(n), Port: k.Port, Weight: int(b[3] % 4), Upper: int(b[3] >> 4)}
			switch b[0] % 16 {
			case 0:
				l.now += int64(binary.BigEndian.Uint16(b[2:])) * 10e6
			case 1:
				_ = l.d.AddServer(k, c) // refused where there is one
			case 2:
				_ = l.d.DelServer(k, c.Addr, c.Port, l.now)
			case 3:
				_ = l.d.EditServer(k, c)
			case 4:
				l.tune(func(v *dataplane.Tunables) {
					*v = dataplane.Tunables{ExpireNodestConn: b[1]&1 != 0, ExpireQuiescentTemplate: b[1]&2 != 0,
						ConnReuseMode: int(b[2] % 4), SloppyTCP: b[1]&4 != 0, RescheduleSYN: b[1]&8 != 0}
				})
			case 5:
				l.d.Sweep(l.now, 1)
			case 6:
				l.send(udp(uint16(b[1]%8), 53))
			default:
				l.send(tcp(uint16(b[1]%8), k.Port, flags[b[3]%8]))
			}
			if err := holds(l.d, l.now); err != nil {
				t.Fatal(err)
			}
		}
	})
}
