package inspect

import (
	"net/netip"
	"testing"

	"lvsdr/dataplane/frame"
)

func TestGranularityNamesTheClientsThatAreOne(t *testing.T) {
	for _, test := range []struct{ client, mask, want string }{
		{"10.1.2.3", "", "10.1.2.3/32"},
		{"10.1.2.3", "255.255.255.0", "10.1.2.0/24"},
		{"10.1.2.3", "255.255.254.0", "10.1.2.0/23"},
		{"10.1.2.3", "255.0.255.0", "10.0.2.0 mask 255.0.255.0"},
		{"10.1.2.3", "0.255.0.0", "0.1.0.0 mask 0.255.0.0"},
		{"10.1.2.3", "255.255.255.255", "10.1.2.3/32"},
		{"2001:db8::7", "", "2001:db8::7/128"},
		{"2001:db8::7", "ffff:ffff::", "2001:db8::/32"},
	} {
		var mask frame.Addr
		if test.mask != "" {
			mask = frame.AddrFrom(netip.MustParseAddr(test.mask))
		}
		if got := granularity(netip.MustParseAddr(test.client), mask); got != test.want {
			t.Errorf("%s under %q: %s, want %s", test.client, test.mask, got, test.want)
		}
	}
}
