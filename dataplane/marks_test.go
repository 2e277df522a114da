package dataplane_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

var markedVIP = vip

// markSlow is the mark of a packet by the definition: that of the one rule that is about
// it.
func markSlow(rules []dataplane.MarkRule, addr frame.Addr, proto frame.Proto, port uint16) uint32 {
	for _, r := range rules {
		if r.Addr == addr && r.Proto == proto && r.First <= port && port <= r.Last {
			return r.Mark
		}
	}
	return 0
}

// A service by mark gets exactly the packets that a rule gives its mark, whatever the
// rules are; all others are of no service.
func TestARuleGivesItsPacketsAMark(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		l := newLab(t, unlimited, 1<<12)
		l.service(dataplane.ServiceKey{Mark: 1}, 0, 1)
		l.service(dataplane.ServiceKey{Mark: 2}, 0, 2)
		var rules []dataplane.MarkRule
		for port := uint16(1 + r.IntN(20)); port < 1000; {
			last := port + uint16(r.IntN(30))
			rules = append(rules, dataplane.MarkRule{Mark: 1 + r.Uint32N(3), Proto: []frame.Proto{frame.ProtoTCP, frame.ProtoUDP}[r.IntN(2)],
				Addr: markedVIP, First: port, Last: last})
			port = last + uint16(1+r.IntN(40))
		}
		r.Shuffle(len(rules), func(i, k int) { rules[i], rules[k] = rules[k], rules[i] })
		l.d.SetMarks(rules)
		for range 100 {
			port := uint16(r.IntN(1100))
			want := byte(markSlow(rules, markedVIP, frame.ProtoTCP, port))
			if want > 2 {
				want = 0 // the mark of no service
			}
			if got := l.send(tcp(uint16(1024+r.IntN(60000)), port, "S")); got.reason == dataplane.Scheduled && got.server != want || got.reason == dataplane.ResetNoService && want != 0 {
				t.Fatalf("port %d: %s to %d, want %d by %v", port, got.reason, got.server, want, rules)
			}
		}
	}
}

// The point of marks: several ports are one service, and a client has one server for all
// of them.
func TestPortsOfOneMarkShareTheirTemplate(t *testing.T) {
	l := newLab(t, unlimited, 1<<12)
	k := dataplane.ServiceKey{Mark: 7}
	l.service(k, time.Minute, 1, 2)
	l.d.SetMarks([]dataplane.MarkRule{{7, frame.ProtoTCP, markedVIP, 80, 80}, {7, frame.ProtoTCP, markedVIP, 443, 443}, {7, frame.ProtoUDP, markedVIP, 443, 443}})
	l.expect(tcp(4000, 80, "S"), dataplane.Scheduled, 2)
	l.expect(tcp(4001, 443, "S"), dataplane.Persistent, 2)
	l.expect(udp(4002, 443), dataplane.Persistent, 2)
	l.expect(tcp(4003, 81, "S"), dataplane.ResetNoService, 0)
	if r := l.expect(tcp(4001, 443, "A"), dataplane.Hit, 2); be16(r.data[36:]) != 443 {
		t.Errorf("the packet's port became %d", be16(r.data[36:]))
	}
	if got := l.counts(k, 2); got[2] != 1 {
		t.Errorf("counts %v, want one template", got)
	}
}

func TestWhichMarkCounts(t *testing.T) {
	fresh := func() *lab {
		l := newLab(t, unlimited, 1<<12)
		l.service(dataplane.ServiceKey{Mark: 7}, 0, 1)
		l.service(dataplane.ServiceKey{Mark: 8}, 0, 2)
		l.service(tcpService(80), 0, 3)
		l.d.SetMarks([]dataplane.MarkRule{{7, frame.ProtoTCP, markedVIP, 80, 80}, {9, frame.ProtoTCP, markedVIP, 81, 81}})
		return l
	}
	for _, tt := range []struct {
		name   string
		packet dataplane.Packet
		change func(*lab)
		reason dataplane.Reason
		server byte
	}{
		{"a rule's goes before the service of the port", dataplane.Packet{Data: tcp(4000, 80, "S")}, nil, dataplane.Scheduled, 1},
		{"the NIC's goes before a rule's", dataplane.Packet{Data: tcp(4000, 80, "S"), Mark: 8}, nil, dataplane.Scheduled, 2},
		{"that of no service is as none", dataplane.Packet{Data: tcp(4000, 81, "S")}, nil, dataplane.ResetNoService, 0},
		{"without rules there is none", dataplane.Packet{Data: tcp(4000, 80, "S")}, func(l *lab) { l.d.SetMarks(nil) }, dataplane.Scheduled, 3},
		{"a rule of another protocol gives none", dataplane.Packet{Data: tcp(4000, 80, "S")}, func(l *lab) {
			l.d.SetMarks([]dataplane.MarkRule{{7, frame.ProtoUDP, markedVIP, 80, 80}})
		}, dataplane.Scheduled, 3},
		{"a rule of another address gives none", dataplane.Packet{Data: tcp(4000, 80, "S")}, func(l *lab) {
			l.d.SetMarks([]dataplane.MarkRule{{7, frame.ProtoTCP, serverAddr(9), 0, 65535}})
		}, dataplane.Scheduled, 3},
		{"every port has both ends", dataplane.Packet{Data: tcp(4000, 65535, "S")}, func(l *lab) {
			l.d.SetMarks([]dataplane.MarkRule{{7, frame.ProtoTCP, markedVIP, 0, 65535}})
		}, dataplane.Scheduled, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := fresh()
			if tt.change != nil {
				tt.change(l)
			}
			x, err := l.d.Explain(tt.packet, l.now)
			if err != nil || x.Reason != tt.reason {
				t.Errorf("explained as %v, %v", x, err)
			}
			if r := l.sendPacket(tt.packet); r.reason != tt.reason || r.server != tt.server {
				t.Errorf("%s to %d, want %s to %d", r.reason, r.server, tt.reason, tt.server)
			}
		})
	}
}

// A connection stays with its server when its mark goes.
func TestAConnectionOutlivesItsMark(t *testing.T) {
	l := newLab(t, unlimited, 1<<12)
	l.service(dataplane.ServiceKey{Mark: 7}, 0, 1)
	l.d.SetMarks([]dataplane.MarkRule{{7, frame.ProtoTCP, markedVIP, 80, 80}})
	l.handshake(4000, 80)
	l.d.SetMarks(nil)
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, 1)
	l.expect(tcp(4001, 80, "S"), dataplane.ResetNoService, 0)
}

func TestMarkingDoesNotAllocate(t *testing.T) {
	l := newLab(t, unlimited, 1<<12)
	l.service(dataplane.ServiceKey{Mark: 7}, 0, 1)
	l.d.SetMarks([]dataplane.MarkRule{{7, frame.ProtoTCP, markedVIP, 80, 90}})
	batch, f := dataplane.NewBatch(), tcp(4000, 91, "R")
	if n := testing.AllocsPerRun(100, func() {
		batch.Packets = append(batch.Packets[:0], dataplane.Packet{Data: f})
		l.d.Process(l.scratch, batch, l.now)
		*l.frames++
	}); n != 0 {
		t.Errorf("%v allocations for a packet", n)
	}
}
