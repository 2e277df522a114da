package dataplane_test

import (
	"net/netip"
	"testing"
	"time"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// synced is an established connection of the client's port to a port of the VIP, at
// server n, as a message tells of it.
func synced(port, to uint16, n byte) dataplane.Synced {
	return dataplane.Synced{Key: conntrack.Key{Client: frame.AddrFrom(clientIP), Virtual: vip, ClientPort: port, VirtualPort: to, Proto: frame.ProtoTCP},
		Server: serverAddr(n), Port: to, State: conntrack.Established, NoOutput: true, BySync: true}
}

// syncedTemplate is the client's template of a port of the VIP.
func syncedTemplate(to uint16, n byte, seconds uint32) dataplane.Synced {
	x := synced(0, to, n)
	x.Key.Template, x.State, x.Timeout, x.Inactive = true, conntrack.None, seconds, true
	return x
}

// take has the director take entries.
func (l *lab) take(all ...dataplane.Synced) dataplane.SyncTaken { return l.d.TakeSync(all, l.now) }

// taken checks what became of entries.
func (l *lab) taken(want dataplane.SyncTaken, all ...dataplane.Synced) {
	l.t.Helper()
	if got := l.take(all...); got != want {
		l.t.Fatalf("%+v, want %+v", got, want)
	}
}

// counted checks the counts of server n of the service of TCP port 80.
func (l *lab) counted(n byte, active, inactive, templates int) {
	l.t.Helper()
	if got := l.counts(tcpService(80), n); got != [3]int{active, inactive, templates} {
		l.t.Fatalf("server %d has %v active, inactive and persistent, want %v", n, got, [3]int{active, inactive, templates})
	}
}

// conn is the connection of the client's port; there must be one.
func (l *lab) conn(port uint16) dataplane.ConnStatus {
	l.t.Helper()
	for _, c := range l.d.Conns(l.now) {
		if c.Key.ClientPort == port && c.Expires > 10*time.Millisecond {
			return c
		}
	}
	l.t.Fatalf("no connection of port %d", port)
	return dataplane.ConnStatus{}
}

var (
	made     = dataplane.SyncTaken{Made: 1}
	updated  = dataplane.SyncTaken{Updated: 1}
	replaced = dataplane.SyncTaken{Replaced: 1}
	ignored  = dataplane.SyncTaken{Ignored: 1}
	refused  = dataplane.SyncTaken{Refused: 1}
)

func TestAConnectionGoesOnWhereAnotherDirectorHadIt(t *testing.T) {
	l := defaultLab(t)
	l.taken(made, synced(4000, 80, 1))
	if c := l.conn(4000); !c.BySync || c.State != "ESTABLISHED" || c.Expires != 900*time.Second || c.Port != 80 {
		t.Errorf("%+v", c)
	}
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, 1)
	l.counted(1, 1, 0, 0)
	l.expect(tcp(4000, 80, "FA"), dataplane.Hit, 1)
	l.counted(1, 0, 1, 0)
	l.pass(121 * time.Second)
	l.counted(1, 0, 0, 0)
}

func TestCountsGoByTheFlagAndNotByTheState(t *testing.T) {
	l := defaultLab(t)
	x := synced(4000, 80, 1)
	x.Inactive = true
	l.take(x)
	y := synced(4001, 80, 1)
	y.State = conntrack.FinWait
	l.take(y)
	l.counted(1, 1, 1, 0)
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, 1) // its state stays, and so does how it counts
	l.counted(1, 1, 1, 0)
	l.expect(tcp(4001, 80, "R"), dataplane.Hit, 1) // now the state decides
	l.counted(1, 0, 2, 0)
	l.expect(tcp(4000, 80, "FA"), dataplane.Hit, 1)
	l.counted(1, 0, 2, 0)
	l.pass(1000 * time.Second)
	l.counted(1, 0, 0, 0)
}

func TestTimeoutsOfMessages(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(x *dataplane.Synced)
		seconds time.Duration
	}{
		{"that of the state", func(x *dataplane.Synced) {}, 900},
		{"of SYN_RECV", func(x *dataplane.Synced) { x.State = conntrack.SynRecv }, 60},
		{"of LAST_ACK, which no packet leads to", func(x *dataplane.Synced) { x.State, x.Inactive = conntrack.LastAck, true }, 30},
		{"as told", func(x *dataplane.Synced) { x.Timeout = 77 }, 77},
		{"of UDP", func(x *dataplane.Synced) {
			x.Key.Proto, x.Key.VirtualPort, x.Port, x.State = frame.ProtoUDP, 53, 53, conntrack.None
		}, 300},
		{"of SCTP", func(x *dataplane.Synced) { x.Key.Proto, x.State = frame.ProtoSCTP, conntrack.SCTPShutdown }, 61},
		{"of a protocol without any", func(x *dataplane.Synced) { x.Key.Proto, x.State = frame.ProtoESP, conntrack.None }, 180},
		{"the longest there is", func(x *dataplane.Synced) { x.Timeout = 1<<32 - 1 }, 1 << 30 / 100},
	} {
		l := defaultLab(t)
		x := synced(4000, 80, 1)
		c.change(&x)
		l.taken(made, x)
		if got := l.conn(4000).Expires.Truncate(time.Second); got != c.seconds*time.Second {
			t.Errorf("%s: %v, want %v", c.name, got, c.seconds*time.Second)
		}
	}
}

func TestASecondMessageUpdatesAnEntry(t *testing.T) {
	l := defaultLab(t)
	l.take(synced(4000, 80, 1))
	l.pass(10 * time.Second)
	x := synced(4000, 80, 1)
	x.State, x.Inactive = conntrack.FinWait, true
	l.taken(updated, x)
	if c := l.conn(4000); c.State != "FIN_WAIT" || c.Expires != 120*time.Second {
		t.Errorf("%+v", c)
	}
	l.counted(1, 0, 1, 0)
	x.Server = serverAddr(2)
	l.taken(ignored, x) // the end of one that goes elsewhere here
	l.counted(1, 0, 1, 0)
	l.counted(2, 0, 0, 0)
	x.Inactive, x.State = false, conntrack.Established
	l.taken(replaced, x)
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, 2)
	l.counted(2, 1, 0, 0)
	l.counted(1, 0, 1, 0) // until the next tick, as in the kernel
	l.pass(time.Second)
	l.counted(1, 0, 0, 0)
}

func TestAMessageAboutTheDirectorsOwnConnection(t *testing.T) {
	l := defaultLab(t)
	n := l.send(tcp(4000, 80, "S")).server
	l.taken(updated, synced(4000, 80, n))
	if c := l.conn(4000); c.BySync || c.State != "ESTABLISHED" {
		t.Errorf("%+v", c)
	}
	other := 3 - n
	l.taken(replaced, synced(4000, 80, other))
	if c := l.conn(4000); !c.BySync {
		t.Errorf("%+v", c)
	}
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, other)
}

func TestTemplatesOfMessages(t *testing.T) {
	l := newLab(t, unlimited, 1<<12)
	l.service(tcpService(80), 300*time.Second, 1, 2)
	l.service(dataplane.ServiceKey{Mark: 77}, 100*time.Second, 1, 2)
	mark := dataplane.Synced{Key: conntrack.Key{Client: frame.AddrFrom(clientIP), Virtual: frame.AddrFrom4([4]byte{0, 0, 0, 77}), Template: true},
		Server: serverAddr(2), Mark: 77, Timeout: 100}
	for _, n := range []byte{1, 2} {
		l.taken(dataplane.SyncTaken{Made: 2}, syncedTemplate(80, n, 300), mark)
		l.expect(tcp(4000, 80, "S"), dataplane.Persistent, n)
		marked := tcp(4001, 99, "S")
		if r := l.sendPacket(dataplane.Packet{Data: marked, Mark: 77}); r.reason != dataplane.Persistent || r.server != 2 {
			t.Errorf("%s to %d, want the server of the mark's template", r.reason, r.server)
		}
		l.counted(n, 1, 0, 1)
		l.pass(1000 * time.Second)
		l.counted(n, 0, 0, 0)
	}
	// A second message about one does not change its server.
	l.take(syncedTemplate(80, 1, 300))
	l.taken(updated, syncedTemplate(80, 2, 500))
	l.expect(tcp(4002, 80, "S"), dataplane.Persistent, 1)
	// A template of a server that is not there serves nobody.
	l.pass(1000 * time.Second)
	l.take(syncedTemplate(80, 7, 300))
	if r := l.send(tcp(4003, 80, "S")); r.reason != dataplane.Scheduled {
		t.Errorf("%s by a template whose server is in no service", r.reason)
	}
}

func TestAServerThatIsInNoService(t *testing.T) {
	l := defaultLab(t)
	l.taken(dataplane.SyncTaken{Made: 3}, synced(4000, 80, 7), synced(4001, 8080, 8), synced(4002, 80, 40))
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, 7)
	l.expect(tcp(4001, 8080, "A"), dataplane.Hit, 8) // nor is there a service
	l.expect(tcp(4002, 80, "A"), dataplane.NoMAC, 0) // nobody knows how to get there
	if got := len(l.d.Strangers()); got != 3 {
		t.Errorf("%d servers in no service, want 3", got)
	}
	if got := l.d.Removed(); len(got) != 0 {
		t.Errorf("%+v are listed as removed servers", got)
	}
	// A server that comes later gets the connection by the next message, not by packets.
	l.add(tcpService(80), 7, 1)
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, 7)
	l.counted(7, 0, 0, 0)
	l.taken(updated, synced(4000, 80, 7))
	l.counted(7, 1, 0, 0)
	l.expect(tcp(4000, 80, "FA"), dataplane.Hit, 7)
	l.counted(7, 0, 1, 0)
	// They are forgotten some time after their last entry.
	l.pass(30 * time.Minute)
	if got := l.d.Strangers(); len(got) != 0 {
		t.Errorf("still known: %v", got)
	}
}

// expire_nodest_conn is about servers that were removed, and a quiesced one's weight.
func TestExpireNodestConnLeavesStrangersAlone(t *testing.T) {
	l := defaultLab(t)
	l.tune(func(v *dataplane.Tunables) { v.ExpireNodestConn, v.RescheduleSYN = true, true })
	x := synced(4000, 80, 7)
	x.State = conntrack.SynRecv
	l.take(x)
	l.expect(tcp(4000, 80, "S"), dataplane.Hit, 7)
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, 7)
	l.take(synced(4001, 80, 1))
	l.remove(tcpService(80), 1)
	l.expect(tcp(4001, 80, "A"), dataplane.ResetNoConnection, 0)
}

// Where a message says that both halves are seen, the client that closes first makes
// CLOSE_WAIT of ESTABLISHED.
func TestAStrangerBothHalvesOfWhichAreSeen(t *testing.T) {
	l := defaultLab(t)
	x := synced(4000, 80, 7)
	x.NoOutput = false
	l.take(x, synced(4001, 80, 7))
	l.expect(tcp(4000, 80, "FA"), dataplane.Hit, 7)
	l.expect(tcp(4001, 80, "FA"), dataplane.Hit, 7)
	if a, b := l.conn(4000).State, l.conn(4001).State; a != "CLOSE_WAIT" || b != "FIN_WAIT" {
		t.Errorf("%s and %s, want CLOSE_WAIT and FIN_WAIT", a, b)
	}
}

func TestICMPErrorsOfStrangers(t *testing.T) {
	l := defaultLab(t)
	l.take(synced(4000, 80, 7))
	l.expect(icmpAbout(4000, 80), dataplane.Related, 7)
	if got := l.counts(tcpService(80), 1); got != [3]int{} {
		t.Errorf("%v", got)
	}
}

func TestThresholdsAndWeightsDoNotStopMessages(t *testing.T) {
	l := defaultLab(t)
	l.must(l.d.EditServer(tcpService(80), dataplane.ServerConfig{Addr: serverAddr(1), Port: 80, Weight: 1, Upper: 2}))
	l.weight(tcpService(80), 2, 0)
	for port := range uint16(4) {
		l.taken(dataplane.SyncTaken{Made: 2}, synced(5000+port, 80, 1), synced(6000+port, 80, 2))
	}
	l.counted(1, 4, 0, 0)
	l.counted(2, 4, 0, 0)
	l.expect(tcp(4000, 80, "S"), dataplane.UnreachableNoServer, 0) // but new connections notice
}

func TestAWaitingBackupTakesNoPackets(t *testing.T) {
	l := defaultLab(t)
	l.take(synced(4000, 80, 1), synced(4001, 80, 1))
	l.d.SetBackup(true)
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, 1) // backup_only is 0
	l.tune(func(v *dataplane.Tunables) { v.BackupOnly = true })
	l.expect(tcp(4001, 80, "A"), dataplane.ResetNoService, 0)
	l.expect(tcp(4002, 80, "S"), dataplane.ResetNoService, 0)
	l.expect(udp(4000, 53), dataplane.UnreachableNoService, 0)
	l.expect(icmpAbout(4000, 80), dataplane.ICMPIgnored, 0)
	l.taken(made, synced(4005, 80, 2)) // it goes on listening
	l.d.SetBackup(false)
	// The reset passed by the connection, as one of the server's.
	if c := l.conn(4001); c.State != "CLOSE" {
		t.Errorf("%+v", c)
	}
	l.expect(tcp(4001, 80, "A"), dataplane.Hit, 1)
	l.expect(tcp(4005, 80, "A"), dataplane.Hit, 2)
	l.expect(tcp(4002, 80, "S"), dataplane.Scheduled, 2)
}

// A flood of entries leaves 1/16 of the table to the director's own connections, none
// of which goes for it.
func TestAFloodOfEntriesPushesNothingOut(t *testing.T) {
	const limit = 1 << 10
	l := furnish(newLab(t, unlimited, limit))
	for port := range uint16(100) {
		l.handshake(1024+port, 80)
	}
	var sum dataplane.SyncTaken
	for n := range 3 * limit {
		x := synced(2000+uint16(n), 80, 1)
		x.Key.Client = frame.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 1})
		got := l.take(x)
		sum.Made, sum.Refused = sum.Made+got.Made, sum.Refused+got.Refused
	}
	entries, room, evicted := l.d.TableUse()
	if evicted != 0 || entries > room-room/16 || sum.Made+sum.Refused != 3*limit || sum.Made < limit/2 {
		t.Errorf("%d entries of %d, %d evicted, %+v", entries, room, evicted, sum)
	}
	for port := range uint16(100) {
		if r := l.send(tcp(1024+port, 80, "A")); r.reason != dataplane.Hit {
			t.Fatalf("a connection from before the flood: %s", r.reason)
		}
	}
	// New ones find room, and where the table is full entries of others go for them.
	for port := range uint16(limit / 2) {
		if r := l.send(tcp(20000+port, 80, "S")); r.reason != dataplane.Scheduled {
			t.Fatalf("new connection %d: %s", port, r.reason)
		}
		l.expect(tcp(20000+port, 80, "A"), dataplane.Hit, l.batchServer())
	}
}

// batchServer is the server of the last frame.
func (l *lab) batchServer() byte { return l.batch.Packets[0].Data[5] }

// Servers that are in no service are no more than some thousands, whatever messages say.
func TestAFloodOfServers(t *testing.T) {
	l := furnish(newLab(t, unlimited, 1<<14))
	var sum dataplane.SyncTaken
	for n := range 6000 {
		x := synced(uint16(1024+n), 80, 1)
		x.Server = frame.AddrFrom4([4]byte{172, 16, byte(n >> 8), byte(n)})
		got := l.take(x)
		sum.Made, sum.Refused = sum.Made+got.Made, sum.Refused+got.Refused
	}
	if sum.Made != 1<<12 || sum.Refused != 6000-1<<12 || len(l.d.Strangers()) != 1<<12 {
		t.Errorf("%+v, %d servers", sum, len(l.d.Strangers()))
	}
	l.taken(made, synced(1000, 80, 1)) // servers of services are not concerned
	x := synced(1001, 80, 1)
	x.Server = frame.AddrFrom4([4]byte{224, 0, 0, 1})
	l.pass(time.Hour)
	l.taken(refused, x) // no server at all
	l.taken(made, synced(1002, 80, 40))
}

// Explain says of a stranger's connection where it goes.
func TestExplainAStranger(t *testing.T) {
	l := defaultLab(t)
	l.take(synced(4000, 80, 7))
	x, err := l.d.Explain(dataplane.Packet{Data: tcp(4000, 80, "A")}, l.now)
	if err != nil || x.Reason != dataplane.Hit || x.Conn == nil || x.Conn.Removed || !x.Conn.BySync || x.Conn.Server != serverAddr(7) {
		t.Errorf("%+v, %+v, %v", x, x.Conn, err)
	}
}

// Entries of IPv6 find IPv6 services, and a mark's template that of its family.
func TestIPv6Messages(t *testing.T) {
	l := newLab(t, unlimited, 1<<12)
	k := on(vip6, frame.ProtoTCP, 80)
	m := dataplane.ServiceKey{Mark: 6, IPv6: true}
	l.service(k, 0, 1, 2)
	l.service(m, 100*time.Second, 1, 2)
	x := synced(4000, 80, 1)
	x.Key.Client, x.Key.Virtual, x.Server = frame.AddrFrom(client6IP), vip6, serverAddr6(1)
	tmpl := dataplane.Synced{Key: conntrack.Key{Client: x.Key.Client, Virtual: frame.Addr{3: 6}, Template: true}, Server: serverAddr6(2), Mark: 6, Timeout: 100}
	l.taken(dataplane.SyncTaken{Made: 2}, x, tmpl)
	if a, b := l.counts(k, 1), l.counts(m, 2); a != [3]int{1, 0, 0} || b != [3]int{0, 0, 1} {
		t.Errorf("%v and %v", a, b)
	}
	four := tmpl // the same mark of IPv4 is no service
	four.Key.Client, four.Key.Virtual, four.Server = frame.AddrFrom(clientIP), frame.AddrFrom4([4]byte{3: 6}), serverAddr(2)
	l.taken(made, four)
	if b := l.counts(m, 2); b != [3]int{0, 0, 1} || len(l.d.Strangers()) != 1 {
		t.Errorf("%v, %v", b, l.d.Strangers())
	}
}

// icmpAbout is an ICMP error about what the VIP's port sent to the client's.
func icmpAbout(port, to uint16) []byte {
	quoted := build.TCP{Src: netip.AddrPortFrom(vipIP, to), Dst: netip.AddrPortFrom(clientIP, port), Flags: "A"}.Bytes()
	return icmp(build.ICMP{Type: 3, Code: 4, Payload: build.Quote(quoted, 8)}).Data
}

// tcp6 is tcp of IPv6.
func tcp6(port, to uint16, flags string) []byte {
	return build.TCP{Src: netip.AddrPortFrom(client6IP, port), Dst: netip.AddrPortFrom(vip6IP, to),
		IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC}, Flags: flags, Seq: 1000, Ack: 2000}.Bytes()
}
