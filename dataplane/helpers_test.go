package dataplane_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"testing"
	"time"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// The network of all tests: clients behind clientMAC on interface 1, servers
// 10.0.0.n, which are also fd00::n, with MAC address 02:00:00:00:01:n on
// interface 2.
var (
	clientIP    = netip.MustParseAddr("198.51.100.7")
	vipIP       = netip.MustParseAddr("192.0.2.1")
	vip         = frame.AddrFrom(vipIP)
	client6IP   = netip.MustParseAddr("2001:db8:7::7")
	vip6IP      = netip.MustParseAddr("2001:db8::1")
	vip6        = frame.AddrFrom(vip6IP)
	clientMAC   = frame.MAC{2, 0, 0, 0, 0, 7}
	directorMAC = frame.MAC{2, 0, 0, 0, 0, 1}
	link        = dataplane.Link{Index: 2, MAC: frame.MAC{2, 0, 0, 0, 0, 2}, MTU: 1500}
)

const clientSide = 1

func serverAddr(n byte) frame.Addr  { return frame.AddrFrom4([4]byte{10, 0, 0, n}) }
func serverAddr6(n byte) frame.Addr { return frame.Addr{0: 0xfd, 15: n} }
func serverMAC(n byte) frame.MAC    { return frame.MAC{2, 0, 0, 0, 1, n} }

func tcpService(port uint16) dataplane.ServiceKey {
	return dataplane.ServiceKey{Proto: frame.ProtoTCP, Addr: vip, Port: port}
}

func udpService(port uint16) dataplane.ServiceKey {
	return dataplane.ServiceKey{Proto: frame.ProtoUDP, Addr: vip, Port: port}
}

// on is the service of protocol and port on the VIP of either family.
func on(v frame.Addr, proto frame.Proto, port uint16) dataplane.ServiceKey {
	return dataplane.ServiceKey{Proto: proto, Addr: v, Port: port}
}

// serverOf is the address of server n in service k.
func serverOf(k dataplane.ServiceKey, n byte) frame.Addr {
	if k.IPv6 || k.Mark == 0 && !k.Addr.Is4() {
		return serverAddr6(n)
	}
	return serverAddr(n)
}

// unlimited answers everything.
var unlimited = dataplane.Limits{Resets: 1e9, ICMP: 1e9, Echoes: 1e9, Source: 1e9}

// A lab is a director with one worker on a clock that the test sets. Every
// frame it is given is checked against the laws of forwarding and answering, and
// in the end the counters must add up.
type lab struct {
	t       testing.TB
	d       *dataplane.Director
	scratch *dataplane.Scratch
	batch   *dataplane.Batch
	now     int64
	frames  *uint64
	// pieces are the fragments of the datagram that is being sent, copies; see
	// wholeOf.
	pieces [][]byte
}

func newLab(t testing.TB, limits dataplane.Limits, entries int) *lab {
	l := makeLab(t, limits, entries, 1)
	t.Cleanup(l.checkCounters)
	return l
}

// makeLab is newLab for those who hold many one after the other, and call
// checkCounters themselves. Its director is one for as many workers.
func makeLab(t testing.TB, limits dataplane.Limits, entries, workers int) *lab {
	return makeLabResuming(t, limits, entries, workers, 0)
}

// makeLabResuming is makeLab with a director that resumes connections until then.
func makeLabResuming(t testing.TB, limits dataplane.Limits, entries, workers int, until int64) *lab {
	return makeLabOf(t, dataplane.Config{Conns: conntrack.Config{Limit: entries, Secret: [16]byte{1}}, Workers: workers,
		Tunables: dataplane.DefaultTunables(), Limits: limits, ResumeUntil: until})
}

func makeLabOf(t testing.TB, config dataplane.Config) *lab {
	d, err := dataplane.New(config)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, d: d, scratch: d.NewScratch(0), batch: dataplane.NewBatch(), frames: new(uint64)}
	l.batch.In = clientSide
	d.SetVIPs([]frame.Addr{vip, vip6})
	for n := byte(1); n <= 9; n++ {
		l.neighbour(n, serverMAC(n), link)
	}
	return l
}

// defaultLab has a service of two servers on TCP port 80 and UDP port 53, and
// a persistent one on TCP port 443. All use rr.
func defaultLab(t testing.TB) *lab { return furnish(newLab(t, unlimited, 1<<12)) }

func furnish(l *lab) *lab {
	l.service(tcpService(80), 0, 1, 2)
	l.service(udpService(53), 0, 1, 2)
	l.service(tcpService(443), 120*time.Second, 1, 2)
	return l
}

// neighbour says how both addresses of server n are reached.
func (l *lab) neighbour(n byte, mac frame.MAC, link dataplane.Link) {
	l.d.SetNeighbour(serverAddr(n), mac, link)
	l.d.SetNeighbour(serverAddr6(n), mac, link)
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// service adds a service of servers of weight 1; the last of them is the
// first to be chosen.
func (l *lab) service(k dataplane.ServiceKey, persistence time.Duration, servers ...byte) {
	l.t.Helper()
	l.must(l.d.AddService(dataplane.ServiceConfig{Key: k, Scheduler: "rr", Persistence: persistence}))
	for _, n := range servers {
		l.add(k, n, 1)
	}
}

func (l *lab) add(k dataplane.ServiceKey, n byte, weight int) {
	l.t.Helper()
	l.must(l.d.AddServer(k, dataplane.ServerConfig{Addr: serverOf(k, n), Port: k.Port, Weight: weight}))
}

func (l *lab) weight(k dataplane.ServiceKey, n byte, weight int) {
	l.t.Helper()
	l.must(l.d.EditServer(k, dataplane.ServerConfig{Addr: serverOf(k, n), Port: k.Port, Weight: weight}))
}

func (l *lab) remove(k dataplane.ServiceKey, n byte) {
	l.t.Helper()
	l.must(l.d.DelServer(k, serverOf(k, n), k.Port, l.now))
}

func (l *lab) tune(change func(*dataplane.Tunables)) {
	v := l.d.Tunables()
	change(&v)
	l.d.SetTunables(v)
}

// pass lets time pass, from one expiry to the next, as a director that never
// is late.
func (l *lab) pass(d time.Duration) {
	end := l.now + int64(d)
	for {
		next, ok := l.d.NextExpiry(l.now)
		if !ok || next > end {
			break
		}
		l.now = next
		l.d.Sweep(l.now, l.d.Chunks())
	}
	l.now = end
	l.d.Sweep(l.now, l.d.Chunks())
}

// A result is the outcome for one frame.
type result struct {
	verdict dataplane.Verdict
	reason  dataplane.Reason
	server  byte   // n of the server a forwarded frame went to
	data    []byte // the frame afterwards
	reply   []byte // a copy of the answer
	// sent are copies of what left beside a forwarded frame (fragments that
	// were kept), or of the fragments of one that was too long.
	sent [][]byte
}

func (l *lab) send(f []byte) result {
	l.t.Helper()
	return l.sendPacket(dataplane.Packet{Data: f})
}

// sendPacket processes one frame as a batch of one.
func (l *lab) sendPacket(p dataplane.Packet) result {
	l.t.Helper()
	in := bytes.Clone(p.Data)
	l.batch.Packets = append(l.batch.Packets[:0], p)
	l.d.Process(l.scratch, l.batch, l.now)
	*l.frames++
	got := &l.batch.Packets[0]
	r := result{verdict: got.Verdict, reason: got.Reason, data: got.Data}
	whole := in
	if h := frametest.Parse(in); h.IsFragment() {
		if l.pieces = append(l.pieces, in); r.verdict == dataplane.Answer {
			whole = wholeOf(l.pieces, h)
		}
	}
	if err := lawOfVerdict(in, whole, got, l.batch.Replies); err != nil {
		l.t.Fatalf("%s: %s, %s: %v", frametest.Describe(in), r.verdict, r.reason, err)
	}
	if r.verdict == dataplane.Forward {
		r.server = got.Data[5]
		if mac := frame.DstMAC(got.Data); mac != serverMAC(r.server) || got.Out != link.Index || frame.SrcMAC(got.Data) != link.MAC {
			l.t.Fatalf("forwarded to %x from %x by interface %d, which is no server's", mac, frame.SrcMAC(got.Data), got.Out)
		}
	}
	if r.verdict == dataplane.Forward || r.reason == dataplane.Fragmented || r.reason == dataplane.Reassembled {
		for _, p := range l.batch.Replies {
			if p.Out != link.Index {
				l.t.Fatalf("%s left by interface %d, which is not the servers'", frametest.Describe(p.Data), p.Out)
			}
			r.sent = append(r.sent, bytes.Clone(p.Data))
		}
	}
	if r.verdict == dataplane.Answer {
		r.reply = bytes.Clone(l.batch.Replies[0].Data)
	}
	return r
}

// expect sends f, for reason, to server (0: none).
func (l *lab) expect(f []byte, reason dataplane.Reason, server byte) result {
	l.t.Helper()
	r := l.send(f)
	if r.reason != reason || r.server != server {
		l.t.Fatalf("at %v: %s: %s to server %d, want %s to %d", time.Duration(l.now), frametest.Describe(f),
			r.reason, r.server, reason, server)
	}
	return r
}

// checkCounters: every frame is counted once.
func (l *lab) checkCounters() {
	var sum uint64
	for _, n := range l.d.Counters() {
		sum += n
	}
	if sum != *l.frames {
		l.t.Errorf("the counters add up to %d of %d frames: %v", sum, *l.frames, l.d.Counters().Map())
	}
}

// tcp is a segment from the client's port to a port of the VIP.
func tcp(port, to uint16, flags string) []byte { return tcpFrom(clientIP, port, to, flags) }

func tcpFrom(src netip.Addr, port, to uint16, flags string) []byte {
	return build.TCP{Src: netip.AddrPortFrom(src, port), Dst: netip.AddrPortFrom(vipIP, to),
		IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC}, Flags: flags, Seq: 1000, Ack: 2000}.Bytes()
}

func udp(port, to uint16) []byte {
	return build.UDP{Src: netip.AddrPortFrom(clientIP, port), Dst: netip.AddrPortFrom(vipIP, to),
		IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC}, Payload: []byte("query")}.Bytes()
}

// server is the status of server n in service k.
func (l *lab) server(k dataplane.ServiceKey, n byte) dataplane.ServerStatus {
	l.t.Helper()
	for _, s := range l.d.Services() {
		for _, r := range s.Servers {
			if s.Config.Key == k && r.Config.Addr == serverOf(k, n) {
				return r
			}
		}
	}
	l.t.Fatalf("no server %d in %v", n, k)
	return dataplane.ServerStatus{}
}

// counts are the active and inactive connections and templates of server n.
func (l *lab) counts(k dataplane.ServiceKey, n byte) [3]int {
	l.t.Helper()
	s := l.server(k, n)
	return [3]int{s.Active, s.Inactive, s.Persistent}
}

// handshake opens a connection and says which server took it.
func (l *lab) handshake(port, to uint16) byte {
	l.t.Helper()
	r := l.send(tcp(port, to, "S"))
	if r.verdict != dataplane.Forward {
		l.t.Fatalf("a SYN to port %d: %s", to, r.reason)
	}
	l.expect(tcp(port, to, "A"), dataplane.Hit, r.server)
	return r.server
}

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }

// deterministic are the schedulers that choose without chance.
var deterministic = []string{"rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "ovf", "sh", "dh", "mh", "lblc", "lblcr"}

// long is much where the environment has LVSDR_LONG=1, as in a step of its own of
// .ci/run, and less where it has not.
func long[T any](less, much T) T {
	if os.Getenv("LVSDR_LONG") != "" {
		return much
	}
	return less
}

// raced is few under the race detector, and plain otherwise. It is for random
// cases of one goroutine, of which the detector only repeats what the plain run
// finds in all of them.
func raced[T any](few, plain T) T {
	if raceEnabled {
		return few
	}
	return plain
}
