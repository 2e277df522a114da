package scenario

import (
	"net/netip"
	"strings"
	"testing"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// TestOutSaysWhatLeft: of a packet in a tunnel, one that is damaged, one that is cut, and
// an error with what it quotes.
func TestOutSaysWhatLeft(t *testing.T) {
	at, to := netip.MustParseAddrPort("10.1.0.1:2000"), netip.MustParseAddrPort("10.0.0.1:80")
	tcp := build.TCP{Src: at, Dst: to, Flags: "FA", IP: build.IP{ID: 7, DF: true, TTL: 9, TOS: 16}, Payload: make([]byte, 40)}
	damaged := tcp
	damaged.BadSum = true
	enclosed := func(c frame.OuterConfig, f []byte) []byte {
		c.Src, c.Dst = frame.AddrFrom(ownServer4), frame.AddrFrom(netip.MustParseAddr("10.2.0.11"))
		o := frame.NewOuter(c)
		out := make([]byte, frame.EtherLen+o.Len())
		out[12] = 8
		o.Put(out[frame.EtherLen:], &frame.Enclosed{Packet: f[frame.EtherLen:], Kind: frame.IPv4, ID: 99, Port: 40000})
		return append(out, f[frame.EtherLen:]...)
	}
	const inner = `"src":"10.1.0.1","dst":"10.0.0.1","proto":"tcp","ttl":9,"tos":16,"id":"same","df":true,"len":80,"ip_sum":"ok","sport":2000,"dport":80,"flags":"FA"`
	for name, c := range map[string]struct {
		f    []byte
		want string
	}{
		"a segment":           {tcp.Bytes(), `{` + inner + `,"sum":"ok"`},
		"a damaged one":       {damaged.Bytes(), `{` + inner + `,"sum":"bad"`},
		"in IPIP":             {enclosed(frame.OuterConfig{}, tcp.Bytes()), `{"src":"100.65.0.1","dst":"10.2.0.11","proto":"ipip","ttl":9,"tos":16,"id":"other","len":100,"ip_sum":"ok","inner":{` + inner + `,"sum":"ok"}`},
		"in GRE":              {enclosed(frame.OuterConfig{Encapsulation: frame.GRE}, tcp.Bytes()), `"proto":"gre","ttl":9,"tos":16,"id":"other","len":104,"ip_sum":"ok","tun":"00000800","inner":{` + inner},
		"in GRE, a checksum":  {enclosed(frame.OuterConfig{Encapsulation: frame.GRE, Sum: true}, tcp.Bytes()), `"len":108,"ip_sum":"ok","sum":"ok","tun":"80000800`},
		"in GUE":              {enclosed(frame.OuterConfig{Encapsulation: frame.GUE, Port: 6080}, tcp.Bytes()), `"proto":"gue","ttl":9,"tos":16,"id":"other","len":112,"ip_sum":"ok","sport":40000,"dport":6080,"sum":"none","tun":"00040000","inner":{` + inner},
		"to no tunnel's port": {enclosed(frame.OuterConfig{Encapsulation: frame.GUE, Port: 53}, tcp.Bytes()), `"proto":"udp"`},
		"the first fragment":  {build.Fragment(tcp.Bytes(), 24)[0], `"frag":"0+","len":44,"ip_sum":"ok","sport":2000,"dport":80,"flags":"FA","hex"`},
		"the second fragment": {build.Fragment(tcp.Bytes(), 24)[1], `"frag":"24","len":56,"ip_sum":"ok","hex"`},
		"an error": {build.ICMP{Src: to.Addr(), Dst: at.Addr(), Type: 3, Code: 4, Rest: [4]byte{2: 5, 3: 20}, IP: build.IP{ID: 7}, Payload: build.Quote(tcp.Bytes(), 20)}.Bytes(),
			`"sum":"ok","icmp_type":3,"icmp_code":4,"icmp_mtu":1300,"inner":{` + inner + `}`},
		"an error of IPv6": {build.ICMP{Src: netip.MustParseAddr("2001:db8::1"), Dst: netip.MustParseAddr("2001:db8::2"), Type: 2, Rest: [4]byte{2: 5, 3: 20},
			Payload: make([]byte, 40)}.Bytes(), `"proto":"icmp6","ttl":64,"len":88,"sum":"ok","icmp_type":2,"icmp_mtu":1300,"hex"`},
	} {
		d := decoder{id: 7, ports: map[uint16]bool{6080: true}}
		if got := text(d.frame(c.f)); !strings.Contains(got, c.want) {
			t.Errorf("%s:\n%s\nhas no\n%s", name, got, c.want)
		}
	}
}

// TestWhatIsShortIsDecodedAsFarAsItGoes: nothing that is cut anywhere makes the decoder
// fail.
func TestWhatIsShortIsDecodedAsFarAsItGoes(t *testing.T) {
	at, to := netip.MustParseAddrPort("[2001:db8::7]:2000"), netip.MustParseAddrPort("[2001:db8::1]:80")
	f := build.TCP{Src: at, Dst: to, Flags: "S"}.Bytes()
	for _, c := range []frame.OuterConfig{{}, {Encapsulation: frame.GRE, Sum: true}, {Encapsulation: frame.GUE, Port: 6080}} {
		c.Src, c.Dst = frame.AddrFrom(ownServer6), frame.AddrFrom(netip.MustParseAddr("fd00::2"))
		o := frame.NewOuter(c)
		out := make([]byte, frame.EtherLen+o.Len())
		o.Put(out[frame.EtherLen:], &frame.Enclosed{Packet: f[frame.EtherLen:], Kind: frame.IPv6})
		out = append(out, f[frame.EtherLen:]...)
		d := decoder{ports: map[uint16]bool{6080: true}}
		for n := frame.EtherLen; n <= len(out); n++ {
			if got := d.frame(out[:n]); n >= frame.EtherLen+frame.IPv6Len && got.Len != len(out)-frame.EtherLen {
				t.Fatalf("%+v, cut at %d: %s", c, n, text(got))
			}
		}
	}
}
