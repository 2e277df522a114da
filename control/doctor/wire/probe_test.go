package wire

import (
	"net/netip"
	"testing"

	"lvsdr/control/doctor/facts"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

var (
	ourMAC   = frame.MAC{2, 0, 0, 0, 0xdd, 1}
	rsMAC    = frame.MAC{2, 0, 0, 0, 0x55, 1}
	ours     = netip.MustParseAddr("192.168.1.10")
	vip4     = netip.MustParseAddr("192.168.1.100")
	rs4      = netip.MustParseAddr("192.168.1.11")
	ours6    = netip.MustParseAddr("fd00:1::10")
	vip6     = netip.MustParseAddr("fd00:1::100")
	eth0     = &facts.Link{Index: 2, Name: "eth0", MAC: ourMAC, MTU: 1500, Up: true}
	toVIP    = Probe{Link: eth0, MAC: rsMAC, Source: ours, Dst: vip4}
	toVIP6   = Probe{Link: eth0, MAC: rsMAC, Source: ours6, Dst: vip6}
	fromPort = uint16(40000)
)

// sight is a frame that came in.
func sight(f []byte) *captured {
	s := &captured{link: eth0, data: f}
	frame.Parse(f, &s.header)
	return s
}

func TestProbesAreWellFormed(t *testing.T) {
	for _, p := range []Probe{toVIP, toVIP6} {
		for name, f := range map[string][]byte{
			"a SYN":       p.segment("S", 40000, 80, 0),
			"a ping":      p.echo(7, 0),
			"a long ping": p.echo(7, 1500),
		} {
			s := sight(f)
			h := &s.header
			if h.Fault != frame.NoFault || !frame.L4ChecksumOK(f, h) || h.Src.IP() != p.Source || h.Dst.IP() != p.Dst ||
				h.TTL != shortTTL || !h.DF || frame.DstMAC(f) != rsMAC || frame.SrcMAC(f) != ourMAC {
				t.Errorf("%s to %s: %+v", name, p.Dst, h)
			}
			if name == "a long ping" && int(h.End)-int(h.L3) != 1500 {
				t.Errorf("%s to %s has %d bytes, want 1500", name, p.Dst, int(h.End)-int(h.L3))
			}
			if name == "a SYN" && maxSegment(f[h.L4:h.End]) != 1500-p.IPLen()-tcpLen {
				t.Errorf("%s to %s has MSS %d", name, p.Dst, maxSegment(f[h.L4:h.End]))
			}
		}
	}
}

func TestAnswersAreRead(t *testing.T) {
	from, to := netip.AddrPortFrom(ours, fromPort), netip.AddrPortFrom(vip4, 80)
	syn := toVIP.segment("S", fromPort, 80, 0)
	tcp := func(flags string, src, dst netip.AddrPort) []byte {
		return build.TCP{Src: src, Dst: dst, IP: build.IP{SrcMAC: rsMAC, DstMAC: ourMAC}, Flags: flags, TCPOptions: []byte{1, 1, 2, 4, 5, 180}}.Bytes()
	}
	icmp := func(typ, code uint8, about []byte) []byte {
		return build.ICMP{Src: rs4, Dst: ours, IP: build.IP{SrcMAC: rsMAC, DstMAC: ourMAC}, Type: typ, Code: code, Payload: build.Quote(about, 8)}.Bytes()
	}
	back := append([]byte(nil), syn...)
	frame.SetMACs(back, ourMAC, rsMAC)
	for _, c := range []struct {
		name string
		f    []byte
		want Outcome
	}{
		{"SYN with ACK", tcp("SA", to, from), Accepted},
		{"RST", tcp("RA", to, from), Refused},
		{"an ACK of something else", tcp("A", to, from), Silence},
		{"from another port", tcp("SA", netip.AddrPortFrom(vip4, 81), from), Silence},
		{"to another port", tcp("SA", to, netip.AddrPortFrom(ours, 1)), Silence},
		{"from the server's own address", tcp("SA", netip.AddrPortFrom(rs4, 80), from), Silence},
		{"port unreachable about the SYN", icmp(3, 3, syn), Unreachable},
		{"an ICMP error about something else", icmp(3, 3, tcp("S", netip.AddrPortFrom(ours, 1), to)), Silence},
		{"the SYN itself, from the server", back, Returned},
		{"the SYN itself, as we sent it", syn, Silence},
	} {
		a, ok := toVIP.answerTCP(sight(c.f), fromPort, 80)
		if a.Outcome != c.want || ok != (c.want != Silence) {
			t.Errorf("%s is read as %v, %v, want %v", c.name, a.Outcome, ok, c.want)
		}
		if c.want == Accepted && (a.MSS != 1460 || a.From != rsMAC || a.Src != vip4) {
			t.Errorf("%s: %+v", c.name, a)
		}
	}
}

func TestEchoRepliesAreRead(t *testing.T) {
	for _, p := range []Probe{toVIP, toVIP6} {
		request := sight(p.echo(7, 0))
		reply := frame.AppendEchoReply(nil, request.data, &request.header)
		if a, ok := p.answerEcho(sight(reply), 7); !ok || a.Outcome != Echoed || a.From != rsMAC || !a.Whole {
			t.Errorf("a reply from %s is read as %+v, %v", p.Dst, a, ok)
		}
		if _, ok := p.answerEcho(sight(reply), 8); ok {
			t.Errorf("a reply from %s to another request is taken", p.Dst)
		}
	}
}

// Whatever comes in, reading it does not panic, and nothing that is not about
// the probe is taken for its answer.
func FuzzAnswers(f *testing.F) {
	f.Add(toVIP.segment("S", 40000, 80, 0))
	f.Add(toVIP.echo(7, 0))
	f.Add(toVIP6.echo(7, 0))
	f.Add(build.TCP{Src: netip.AddrPortFrom(vip4, 80), Dst: netip.AddrPortFrom(ours, 40000), Flags: "SA", TCPOptions: []byte{2, 4, 5, 180}}.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		s := sight(b)
		for _, p := range []Probe{toVIP, toVIP6} {
			a, ok := p.answerTCP(s, fromPort, 80)
			e, ok2 := p.answerEcho(s, 7)
			if !ok && !ok2 {
				continue
			}
			if h := &s.header; h.Dst.IP() != p.Source && a.Outcome != Unreachable && e.Outcome != Unreachable && a.Outcome != Returned && e.Outcome != Returned {
				t.Fatalf("an answer to somebody else is taken: %+v %+v", a, e)
			}
			_ = describe(s)
		}
		newWatch([]netip.Addr{vip4, vip6}).add(s)
	})
}
