package offload

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// A pair of ends, one for each family: a client's and a service's.
type ends struct{ client, vip netip.AddrPort }

var families = []ends{
	{netip.MustParseAddrPort("198.51.100.7:4711"), netip.MustParseAddrPort("192.0.2.1:80")},
	{netip.MustParseAddrPort("[2001:db8:7::7]:4711"), netip.MustParseAddrPort("[2001:db8::1]:80")},
}

var (
	serverMAC = frame.MAC{2, 0, 0, 0, 1, 1}
	outward   = dataplane.Link{Index: 1, MAC: frame.MAC{2, 0, 0, 0, 0, 2}, MTU: 1500}
)

// key is that of a connection of e.
func (e ends) key(proto frame.Proto) conntrack.Key {
	return conntrack.Key{Client: frame.AddrFrom(e.client.Addr()), Virtual: frame.AddrFrom(e.vip.Addr()),
		ClientPort: e.client.Port(), VirtualPort: e.vip.Port(), Proto: proto}
}

// frame is one of the connection.
func (e ends) frame(proto frame.Proto, flags string) []byte {
	if proto == frame.ProtoUDP {
		return build.UDP{IP: build.IP{TTL: 64}, Src: e.client, Dst: e.vip, Payload: make([]byte, 20)}.Bytes()
	}
	return build.TCP{IP: build.IP{TTL: 64}, Src: e.client, Dst: e.vip, Flags: flags}.Bytes()
}

// servers are those of the services of both families.
var servers = []frame.Addr{frame.AddrFrom4([4]byte{10, 0, 0, 1}), {0: 0xfd, 15: 1}}

// service is e's, of a protocol.
func (e ends) service(proto frame.Proto) dataplane.ServiceKey {
	return dataplane.ServiceKey{Proto: proto, Addr: frame.AddrFrom(e.vip.Addr()), Port: e.vip.Port()}
}

// newDirector makes a director with a service and a server for each family and protocol.
func newDirector(t *testing.T) *dataplane.Director {
	t.Helper()
	d, err := dataplane.New(dataplane.Config{Conns: conntrack.Config{Limit: conntrack.MinLimit, Secret: [16]byte{1}}, Tunables: dataplane.DefaultTunables()})
	if err != nil {
		t.Fatal(err)
	}
	d.SetVIPs([]frame.Addr{frame.AddrFrom(families[0].vip.Addr()), frame.AddrFrom(families[1].vip.Addr())})
	for i, e := range families {
		d.SetNeighbour(servers[i], serverMAC, outward)
		for _, proto := range []frame.Proto{frame.ProtoTCP, frame.ProtoUDP} {
			k := e.service(proto)
			if err := errors.Join(d.AddService(dataplane.ServiceConfig{Key: k, Scheduler: "rr"}), d.AddServer(k, dataplane.ServerConfig{Addr: servers[i], Port: k.Port, Weight: 1})); err != nil {
				t.Fatal(err)
			}
		}
	}
	return d
}

// core is such a director, with a connection to each server.
func core(t *testing.T) func([]byte) *dataplane.Packet {
	d := newDirector(t)
	s, b := d.NewScratch(0), dataplane.NewBatch()
	b.In = outward.Index
	process := func(f []byte) *dataplane.Packet {
		b.Packets = append(b.Packets[:0], dataplane.Packet{Data: f})
		d.Process(s, b, 1e9)
		return &b.Packets[0]
	}
	for _, e := range families {
		for _, proto := range []frame.Proto{frame.ProtoTCP, frame.ProtoUDP} {
			process(e.frame(proto, "S"))
			process(e.frame(proto, "A"))
		}
	}
	return process
}

// kernel is the program with those connections in its tables.
func kernel(t *testing.T, flags uint32) (*ebpf.Program, *tables) {
	tab, err := newTables(sizes{16, 4, 4})
	if isPermission(err) && os.Getenv("CI") != "true" {
		t.Skip(refusal(err))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tab.close() })
	spec := assemble(tab.fds(), mark)
	spec.Flags = flags
	p, err := ebpf.NewProgram(spec)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(func() { p.Close() })
	tab.setServer(1, dataplane.NextHop{MAC: serverMAC, From: outward.MAC, Link: outward.Index, MTU: outward.MTU, Plain: true}, false)
	slot := uint32(0)
	for _, e := range families {
		for _, proto := range []frame.Proto{frame.ProtoTCP, frame.ProtoUDP} {
			slot++
			tab.flow(slot).begin(1, loopback, Fast)
			if err := tab.put(e.key(proto), slot); err != nil {
				t.Fatal(err)
			}
		}
	}
	return p, tab
}

// again makes every flow of tab fast.
func again(tab *tables) {
	store64(tab.headMem, headBeat, math.MaxInt64) // always there
	for slot := uint32(1); slot <= 4; slot++ {
		tab.flow(slot).begin(1, loopback, Fast)
	}
}

// redirected is the result of the program for a frame it forwards, TC_ACT_REDIRECT.
const redirected = 7

// What the kernel forwards, the director would have forwarded as a hit, with the same
// bytes; all else the kernel leaves as it was.
func TestTheProgramForwardsAsTheDirectorDoes(t *testing.T) {
	process := core(t)
	prog, tab := kernel(t, 0)
	n := 3000
	if testing.Short() {
		n = 500
	}
	fast, left, err := differ(prog, tab, process, n)
	if err != nil {
		t.Fatal(err)
	}
	if fast < n/10 || left == 0 {
		t.Errorf("%d of %d frames by the kernel, %d hits left to the director: the test looks at too little", fast, n, left)
	}
}

// differ gives n odd frames to the program and the director. fast is how many the program
// forwards, and left how many hits it leaves; the error is the first difference.
func differ(prog *ebpf.Program, tab *tables, process func([]byte) *dataplane.Packet, n int) (fast, left int, err error) {
	r := rand.New(rand.NewSource(1))
	for range n {
		e := families[r.Intn(2)]
		proto := frame.ProtoTCP
		if r.Intn(4) == 0 {
			proto = frame.ProtoUDP
		}
		in := odd(r, e, proto)
		if len(in) < frame.EtherLen+frame.IPv6Len {
			continue // less than a test run of some kernels takes
		}
		p := *process(bytes.Clone(in))
		process(e.frame(frame.ProtoTCP, "S")) // so that the next finds the connections again
		process(e.frame(frame.ProtoTCP, "A"))
		again(tab)
		o := &ebpf.RunOptions{Data: bytes.Clone(in), DataOut: make([]byte, len(in)+256), Repeat: 1}
		ret, err := prog.Run(o)
		if err != nil {
			return 0, 0, err
		}
		switch hit := p.Verdict == dataplane.Forward && p.Reason == dataplane.Hit; {
		case ret == redirected && !hit:
			return 0, 0, fmt.Errorf("the kernel forwards %s\n% x\nthe director: %v, %v", frametest.Describe(in), in, p.Verdict, p.Reason)
		case ret == redirected && !bytes.Equal(o.DataOut, p.Data):
			return 0, 0, fmt.Errorf("%s\nin       % x\nkernel   % x\ndirector % x", frametest.Describe(in), in, o.DataOut, p.Data)
		case ret != redirected && !bytes.Equal(o.DataOut, in):
			return 0, 0, fmt.Errorf("the kernel leaves %s, but changes it\nin  % x\nout % x", frametest.Describe(in), in, o.DataOut)
		case ret == redirected:
			fast++
		case hit && plain(in) && of(in, e):
			return 0, 0, fmt.Errorf("the kernel leaves a plain segment: %s\n% x", frametest.Describe(in), in)
		case hit:
			left++
		}
	}
	return fast, left, nil
}

// plain says that a frame, which is a hit, is one that the kernel is there for.
func plain(f []byte) bool {
	h := frametest.Parse(f)
	return h.L3 == frame.EtherLen && !h.HasOptions() && !h.IsFragment() && int(h.End)-int(h.L3) <= outward.MTU &&
		int(h.L4) == frame.EtherLen+map[frame.Kind]int{frame.IPv4: frame.IPv4Len, frame.IPv6: frame.IPv6Len}[h.Kind] &&
		len(f) >= int(h.L4)+frame.TCPLen && (h.Proto == frame.ProtoUDP || h.Flags&(frame.FIN|frame.SYN|frame.RST|frame.ACK) == frame.ACK)
}

// of reports whether a frame is of e's connection: a flipped bit may have made it that of
// another one.
func of(f []byte, e ends) bool {
	h := frametest.Parse(f)
	return e.key(h.Proto) == conntrack.Key{Client: h.Src, Virtual: h.Dst, ClientPort: h.SrcPort, VirtualPort: h.DstPort, Proto: h.Proto}
}

// odd is a frame of e's connection, or nearly.
func odd(r *rand.Rand, e ends, proto frame.Proto) []byte {
	ip := build.IP{TTL: uint8(1 + r.Intn(255)), DF: r.Intn(2) == 0, Pad: r.Intn(2) == 0, ID: uint16(r.Intn(1 << 16))}
	if r.Intn(6) == 0 {
		ip.TTL = uint8(r.Intn(3))
	}
	if r.Intn(8) == 0 {
		if e.vip.Addr().Is4() {
			ip.Options = []byte{1, 1, 1, 1}
		} else {
			ip.Ext = []build.Ext{build.HopByHop(1, 4, 0, 0, 0, 0)}
		}
	}
	if r.Intn(10) == 0 {
		ip.VLAN = uint16(1 + r.Intn(4094))
	}
	payload := make([]byte, r.Intn(1+r.Intn(1600)))
	if r.Intn(20) == 0 {
		payload = make([]byte, outward.MTU-80+r.Intn(60)) // about as long as the link takes
	}
	wrong := r.Intn(8) == 0 && ip.Options == nil && ip.Ext == nil && ip.VLAN == 0 // the length in TCP's or UDP's header
	if wrong {
		payload = payload[:min(len(payload), r.Intn(40))]
	}
	var f []byte
	if proto == frame.ProtoTCP {
		f = build.TCP{IP: ip, Src: e.client, Dst: e.vip, Payload: payload, Flags: someFlags(r), TCPOptions: make([]byte, 4*r.Intn(3))}.Bytes()
	} else {
		f = build.UDP{IP: ip, Src: e.client, Dst: e.vip, Payload: payload}.Bytes()
	}
	if len(payload) > 64 && r.Intn(6) == 0 && ip.Ext == nil {
		f = build.Fragment(f, 24)[r.Intn(2)]
	}
	if wrong {
		l4 := frame.EtherLen + frame.IPv4Len
		if !e.vip.Addr().Is4() {
			l4 = frame.EtherLen + frame.IPv6Len
		}
		if proto == frame.ProtoTCP {
			f[l4+12] = byte(r.Intn(16) << 4)
		} else {
			f[l4+5] = byte(r.Intn(80))
		}
	}
	if r.Intn(3) == 0 {
		for range 1 + r.Intn(3) {
			f[12+r.Intn(min(len(f)-12, 62))] ^= 1 << r.Intn(8)
		}
		if r.Intn(2) == 0 {
			build.FixHeaderSum(f)
		}
	}
	if r.Intn(24) == 0 {
		f[frame.EtherLen] ^= 1 << r.Intn(8) // version and length of the header
		build.FixHeaderSum(f)
	}
	if r.Intn(12) == 0 {
		f = f[:14+r.Intn(len(f)-13)]
	}
	clear(f[:6]) // the address of lo, which a test run takes frames to
	return f
}

// someFlags are often those of a plain segment.
func someFlags(r *rand.Rand) (flags string) {
	if r.Intn(2) == 0 {
		return "A"
	}
	for _, c := range "SAFRPU" {
		if r.Intn(3) == 0 || c == 'A' && r.Intn(3) > 0 {
			flags += string(c)
		}
	}
	return flags
}

// The program is for kernels
// that allow no unaligned access, too.
func TestTheProgramKeepsToAlignedAccess(t *testing.T) {
	const strictAlignment = 1 // BPF_F_STRICT_ALIGNMENT, <linux/bpf.h>
	kernel(t, strictAlignment)
}

// A flow whose frames that were passed up have all been sent becomes fast, and not
// before; one that an odd segment closed stays closed.
func TestAFlowIsHandedOverInOrder(t *testing.T) {
	prog, tab := kernel(t, 0)
	if err := handsOver(prog, tab); err != nil {
		t.Error(err)
	}
}

// handsOver tells what the program does wrong with pending flows.
func handsOver(prog *ebpf.Program, tab *tables) error {
	for i, e := range families {
		slot := uint32(1 + 2*i) // of TCP
		flow := tab.flow(slot)
		step := func(flags string, want bool, what string) error {
			f := e.frame(frame.ProtoTCP, flags)
			clear(f[:6])
			ret, err := prog.Run(&ebpf.RunOptions{Data: f, DataOut: make([]byte, len(f)+256), Repeat: 1})
			if err == nil && (ret == redirected) != want {
				err = fmt.Errorf("%v: forwarded: %t, want %t: %s", e.vip, ret == redirected, want, what)
			}
			return err
		}
		flow.begin(1, loopback, Pending)
		flow.setPunted(1)
		for range 3 {
			if err := step("A", false, "a frame of a pending flow"); err != nil {
				return err
			}
		}
		flow.ack(3)
		err := step("A", false, "a frame is on its way")
		flow.ack(5)
		err = errors.Join(err, step("A", true, "none is on its way"), step("A", true, "a fast flow"),
			step("FA", false, "a FIN"), step("A", false, "behind a FIN"))
		if flow.state() != Closed {
			err = errors.Join(err, fmt.Errorf("the state is %d behind a FIN", flow.state()))
		}
		flow.begin(1, loopback, Closed)
		err = errors.Join(err, step("A", false, "a closed flow of which none is on its way"))
		flow.begin(1, loopback, Fast)
		flow.setPunted(5)
		err = errors.Join(err, step("A", true, "a flow that was forced, of which frames are on their way"))
		flow.begin(1, loopback+1, Fast)
		if err = errors.Join(err, step("A", false, "a flow of another interface")); err != nil {
			return err
		}
		tab.setServer(2, dataplane.NextHop{MAC: serverMAC, From: outward.MAC, Link: outward.Index, MTU: outward.MTU}, false)
		flow.begin(2, loopback, Fast)
		if err := step("A", false, "a server that is off"); err != nil {
			return err
		}
	}
	return nil
}

// What goes up keeps its bytes; its type and mark say that it is the director's.
func TestTheShieldKeepsFramesFromTheStack(t *testing.T) {
	prog, tab := kernel(t, 0)
	other := ends{families[0].client, netip.MustParseAddrPort("192.0.2.2:80")}
	vips := []netip.Addr{families[0].vip.Addr(), families[1].vip.Addr()}
	if err := errors.Join(tab.setVIPs(loopback, nil, vips), tab.setVIPs(loopback+1, nil, []netip.Addr{other.vip.Addr()})); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		of   ends
		mark uint32
	}{{families[0], mark}, {families[1], mark}, {other, 0}} {
		f := c.of.frame(frame.ProtoTCP, "S")
		clear(f[:6])
		before := bytes.Clone(f)
		o := &ebpf.RunOptions{Data: f, DataOut: make([]byte, len(f)+256), Repeat: 1, Context: make([]byte, skbContext), ContextOut: make([]byte, skbContext)}
		ret, err := prog.Run(o)
		if err != nil {
			t.Fatal(err)
		}
		out := o.ContextOut.([]byte)
		if got := binary.NativeEndian.Uint32(out[skbMark:]); ret == redirected || got != c.mark || !bytes.Equal(o.DataOut, before) {
			t.Errorf("%v: returned %d, mark %#x, want %#x", c.of.vip, ret, got, c.mark)
		}
	}
	if err := errors.Join(tab.setVIPs(loopback, vips, nil), tab.setVIPs(loopback+1, []netip.Addr{other.vip.Addr()}, nil)); err != nil {
		t.Fatal(err)
	}
	if n := count(tab.vips); n != 0 {
		t.Errorf("%d addresses are left", n)
	}
}

// mark is that of the tests.
const mark = 0x1234

// loopback is the index of the interface that a test run has frames come in by.
const loopback = 1

// skbContext is the size of struct __sk_buff.
const skbContext = 192

func count(m *ebpf.Map) (n int) {
	var k [vipSize]byte
	var v [1]byte
	for it := m.Iterate(); it.Next(&k, &v); {
		n++
	}
	return n
}

// The counts of a server are packets and bytes of IP, and the clock is the flow's time.
func TestTheProgramCountsAndKeepsTheTime(t *testing.T) {
	prog, tab := kernel(t, 0)
	const now = int64(time.Hour)
	before := time.Now()
	if err := tab.setClock(now); err != nil {
		t.Fatal(err)
	}
	f := families[0].frame(frame.ProtoTCP, "A")
	clear(f[:6])
	for range 3 {
		if _, err := prog.Run(&ebpf.RunOptions{Data: bytes.Clone(f), DataOut: make([]byte, 512), Repeat: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := tab.total(1), (conntrack.Load{Packets: 3, Bytes: 3 * 40}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	if last := tab.flow(1).last(); last < now-tickLength() || last > now+int64(time.Since(before))+tickLength() {
		t.Errorf("used last at %d, want %d", last, now)
	}
	tab.setServer(1, dataplane.NextHop{}, false)
	if ret, err := prog.Run(&ebpf.RunOptions{Data: bytes.Clone(f), DataOut: make([]byte, 512), Repeat: 1}); err != nil || ret == redirected {
		t.Errorf("forwarded to a server that is off: %d, %v", ret, err)
	}
}

// Without a director the kernel forwards for a while, and not for ever.
func TestTheKernelForwardsForAWhileWithoutADirector(t *testing.T) {
	prog, tab := kernel(t, 0)
	if err := falls(prog, tab); err != nil {
		t.Error(err)
	}
}
