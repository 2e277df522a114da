package dataplane_test

import (
	"testing"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// rescheduling is a default lab whose director sends a repeated SYN to another server
// if its own was removed.
func rescheduling(t testing.TB) *lab {
	l := defaultLab(t)
	l.tune(func(v *dataplane.Tunables) { v.RescheduleSYN = true })
	return l
}

// A client whose SYN is not answered, because the server was removed, repeats it. It
// gets another server, and the packets after it follow.
func TestARepeatedSYNLeavesARemovedServer(t *testing.T) {
	l := rescheduling(t)
	l.expect(tcp(4000, 80, "S"), dataplane.Scheduled, 2)
	l.remove(tcpService(80), 2)
	l.expect(tcp(4000, 80, "S"), dataplane.Scheduled, 1)
	l.expect(tcp(4000, 80, "S"), dataplane.Hit, 1)
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, 1)
	if got := l.counts(tcpService(80), 1); got != [3]int{1, 0, 0} {
		t.Errorf("the new server counts %v, want the connection", got)
	}
	l.pass(10 * time.Millisecond)
	if c := l.d.Conns(l.now); len(c) != 1 || c[0].Server != serverAddr(1) || c[0].State != "ESTABLISHED" {
		t.Errorf("after a tick the table has %+v, want the new connection alone", c)
	}
	l.add(tcpService(80), 2, 1)
	if got := l.counts(tcpService(80), 2); got != [3]int{} {
		t.Errorf("the server that came back counts %v, want nothing", got)
	}
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, 1)
}

// Nothing else of a removed server's connections changes.
func TestWhatOfARemovedServerIsScheduledAnew(t *testing.T) {
	for _, c := range []struct {
		name   string
		before []string // segments while the server was there
		flags  string   // of the segment after its removal
		off    bool
		want   dataplane.Reason
	}{
		{"the SYN of a connection that is not open", []string{"S"}, "S", false, dataplane.Scheduled},
		{"the third SYN", []string{"S", "S"}, "S", false, dataplane.Scheduled},
		{"a SYN with data", []string{"S"}, "SP", false, dataplane.Scheduled},
		{"the ACK of the handshake, which the server had answered", []string{"S"}, "A", false, dataplane.ServerRemoved},
		{"data", []string{"S", "A"}, "PA", false, dataplane.ServerRemoved},
		{"a SYN of an open connection", []string{"S", "A"}, "S", false, dataplane.ServerRemoved},
		{"a SYN with ACK", []string{"S"}, "SA", false, dataplane.ServerRemoved},
		{"a SYN with RST", []string{"S"}, "SR", false, dataplane.ServerRemoved},
		{"a RST", []string{"S"}, "R", false, dataplane.ServerRemoved},
		{"a FIN", []string{"S"}, "FA", false, dataplane.ServerRemoved},
		{"a SYN of a connection that is being closed", []string{"S", "A", "FA"}, "S", false, dataplane.ServerRemoved},
		{"a SYN of a closed connection, by conn_reuse_mode", []string{"S", "A", "U"}, "S", false, dataplane.Scheduled},
		{"a SYN, where it is switched off", []string{"S"}, "S", true, dataplane.ServerRemoved},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := rescheduling(t)
			if c.off {
				l.tune(func(v *dataplane.Tunables) { v.RescheduleSYN = false })
			}
			for _, flags := range c.before {
				if r := l.send(tcp(4000, 80, flags)); r.server != 2 {
					t.Fatalf("%s: %s to server %d, want 2", flags, r.reason, r.server)
				}
			}
			l.remove(tcpService(80), 2)
			server := byte(0)
			if c.want == dataplane.Scheduled {
				server = 1
			}
			l.expect(tcp(4000, 80, c.flags), c.want, server)
			if server == 0 { // the connection is the server's again when it comes back
				l.add(tcpService(80), 2, 1)
				l.expect(tcp(4000, 80, "A"), dataplane.Hit, 2)
			}
		})
	}
}

// With secure_tcp a connection that is not open is in SYNACK.
func TestARepeatedSYNLeavesARemovedServerUnderSecureTCP(t *testing.T) {
	l := rescheduling(t)
	l.tune(func(v *dataplane.Tunables) { v.SecureTCP = 3 })
	l.expect(tcp(4000, 80, "S"), dataplane.Scheduled, 2)
	l.remove(tcpService(80), 2)
	l.expect(tcp(4000, 80, "S"), dataplane.Scheduled, 1)
}

// The client of a persistent service gets a new template with the new server.
func TestARepeatedSYNOfAPersistentClientLeavesARemovedServer(t *testing.T) {
	l := rescheduling(t)
	k := tcpService(443)
	l.expect(tcp(4000, 443, "S"), dataplane.Scheduled, 2)
	l.remove(k, 2)
	l.expect(tcp(4000, 443, "S"), dataplane.Scheduled, 1)
	l.expect(tcp(4001, 443, "S"), dataplane.Persistent, 1)
	if got := l.counts(k, 1); got != [3]int{2, 0, 1} {
		t.Errorf("the new server counts %v, want two connections and a template", got)
	}
}

// Where no server is left the SYN is answered like any other, and the connection waits for
// its server.
func TestARepeatedSYNWithoutAnyServerKeepsItsConnection(t *testing.T) {
	l := rescheduling(t)
	l.expect(tcp(4000, 80, "S"), dataplane.Scheduled, 2)
	l.remove(tcpService(80), 1)
	l.remove(tcpService(80), 2)
	for range 2 {
		l.expect(tcp(4000, 80, "S"), dataplane.UnreachableNoServer, 0)
	}
	l.add(tcpService(80), 2, 1)
	l.expect(tcp(4000, 80, "S"), dataplane.Hit, 2)
	if got := l.counts(tcpService(80), 2); got != [3]int{1, 0, 0} {
		t.Errorf("the server counts %v, want one connection", got)
	}
}

// A server that is quiesced is not removed: it serves what it was given.
func TestARepeatedSYNStaysAtAQuiescedServer(t *testing.T) {
	l := rescheduling(t)
	l.expect(tcp(4000, 80, "S"), dataplane.Scheduled, 2)
	l.weight(tcpService(80), 2, 0)
	l.expect(tcp(4000, 80, "S"), dataplane.Hit, 2)
}

// Explain says so before it happens, and changes nothing.
func TestExplainForetellsTheOtherServer(t *testing.T) {
	l := rescheduling(t)
	l.expect(tcp(4000, 80, "S"), dataplane.Scheduled, 2)
	l.remove(tcpService(80), 2)
	for range 2 {
		x, err := l.d.Explain(dataplane.Packet{Data: tcp(4000, 80, "S")}, l.now)
		if err != nil || x.Reason != dataplane.Scheduled || x.Server == nil || x.Server.Config.Addr != serverAddr(1) || !x.Conn.Removed {
			t.Fatalf("%+v, %v, want server 1 and a connection whose server was removed", x, err)
		}
	}
	l.expect(tcp(4000, 80, "S"), dataplane.Scheduled, 1)
}

// Several workers, any of which may get the repeated SYN, agree.
func TestARepeatedSYNThatAnotherWorkerGets(t *testing.T) {
	l := furnish(makeLab(t, unlimited, 3<<12, 3))
	l.tune(func(v *dataplane.Tunables) { v.RescheduleSYN = true })
	workers := []*dataplane.Scratch{l.scratch, l.d.NewScratch(1), l.d.NewScratch(2)}
	l.expect(tcp(4000, 80, "S"), dataplane.Scheduled, 2)
	l.remove(tcpService(80), 2)
	l.scratch = workers[1]
	l.expect(tcp(4000, 80, "S"), dataplane.Scheduled, 1)
	l.scratch = workers[2]
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, 1)
	l.pass(10 * time.Millisecond)
	if c := l.d.Conns(l.now); len(c) != 1 {
		t.Errorf("the table has %+v, want one connection", c)
	}
}

// SCTP and UDP have no SYN: their packets wait for the server to come back.
func TestOnlyTCPIsRescheduled(t *testing.T) {
	l := rescheduling(t)
	k := on(vip, frame.ProtoSCTP, 9000)
	l.service(k, 0, 1, 2)
	for _, c := range []struct {
		key dataplane.ServiceKey
		f   func() []byte
	}{
		{udpService(53), func() []byte { return udp(4000, 53) }},
		{k, func() []byte { return sctp(clientIP, 4000, frame.SCTPInit) }},
	} {
		l.expect(c.f(), dataplane.Scheduled, 2)
		l.remove(c.key, 2)
		l.expect(c.f(), dataplane.ServerRemoved, 0)
	}
}

// Packets that are dropped do not keep the entries of a removed server: a sender that
// never stops is served again when its entry would have ended without them.
func TestDroppedPacketsDoNotKeepTheConnectionOfARemovedServer(t *testing.T) {
	l := rescheduling(t)
	l.expect(udp(4000, 53), dataplane.Scheduled, 2)
	l.remove(udpService(53), 2)
	for range 299 {
		l.pass(time.Second)
		l.expect(udp(4000, 53), dataplane.ServerRemoved, 0)
	}
	l.pass(time.Second)
	l.expect(udp(4000, 53), dataplane.Scheduled, 1)
}
