package hostnet

import (
	"net/netip"
	"slices"
	"testing"

	"lvsdr/dataplane/frame"
)

// No packet of another host comes from this host's addresses, nor from the first
// and the last address of its networks, where those are no hosts'.
func TestMartians(t *testing.T) {
	for _, c := range []struct {
		name  string
		addrs []Addr
		want  []string
	}{
		{"none", nil, nil},
		{"an address in a network", []Addr{{Prefix: netip.MustParsePrefix("192.168.1.10/24")}}, []string{"192.168.1.0", "192.168.1.10", "192.168.1.255"}},
		{"a network that ends in the middle", []Addr{{Prefix: netip.MustParsePrefix("10.1.130.7/22")}}, []string{"10.1.128.0", "10.1.130.7", "10.1.131.255"}},
		{"a network of two hosts", []Addr{{Prefix: netip.MustParsePrefix("10.0.0.2/31")}}, []string{"10.0.0.2"}},
		{"an address alone", []Addr{{Prefix: netip.MustParsePrefix("10.0.0.9/32")}}, []string{"10.0.0.9"}},
		{"two addresses of one network", []Addr{{Prefix: netip.MustParsePrefix("10.0.0.6/30")}, {Prefix: netip.MustParsePrefix("10.0.0.5/30")}},
			[]string{"10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7"}},
		{"IPv6 has no broadcast", []Addr{{Prefix: netip.MustParsePrefix("2001:db8::5/64")}, {Prefix: netip.MustParsePrefix("fe80::1/64")}},
			[]string{"2001:db8::5", "fe80::1"}},
		{"an address that is not certain yet", []Addr{{Prefix: netip.MustParsePrefix("2001:db8::5/64"), Tentative: true}}, nil},
		{"a deprecated one", []Addr{{Prefix: netip.MustParsePrefix("2001:db8::5/64"), Deprecated: true}}, []string{"2001:db8::5"}},
	} {
		s := &Snapshot{Addrs: c.addrs}
		want := []frame.Addr{}
		for _, a := range c.want {
			want = append(want, frame.AddrFrom(netip.MustParseAddr(a)))
		}
		if got := s.Martians(); !slices.Equal(got, want) || got == nil {
			t.Errorf("%s: %v, want %v", c.name, got, want)
		}
	}
}
