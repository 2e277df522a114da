package ipvsadm

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lvsdr/control/api"
)

// atonSlow states inet_aton(3) as its manual reads: a.b.c.d, a.b.c with c of 16
// bits, a.b with b of 24, and a of 32; each number as in C.
func atonSlow(s string) (netip.Addr, bool) {
	words := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(blanks, r) })
	if len(words) == 0 || strings.IndexAny(s, blanks) == 0 {
		return netip.Addr{}, false
	}
	parts := strings.Split(words[0], ".")
	most := map[int][]uint64{1: {1<<32 - 1}, 2: {255, 1<<24 - 1}, 3: {255, 255, 1<<16 - 1}, 4: {255, 255, 255, 255}}[len(parts)]
	if most == nil {
		return netip.Addr{}, false
	}
	value := uint64(0)
	for i, p := range parts {
		for _, c := range strings.ToLower(p) {
			if !strings.ContainsRune("0123456789abcdefx", c) {
				return netip.Addr{}, false
			}
		}
		if p = strings.ToLower(p); strings.ContainsAny(p, "bo") && !strings.HasPrefix(p, "0x") || len(p) > 1 && p[0] == '0' && p[1] == 'b' {
			return netip.Addr{}, false
		}
		n, err := strconv.ParseUint(p, 0, 64) // C's prefixes
		if err != nil || n > most[i] {
			return netip.Addr{}, false
		}
		if i < len(parts)-1 {
			value += n << (24 - 8*i)
		} else {
			value += n
		}
	}
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}), true
}

func TestAddressesAreReadAsTheCLibraryDoes(t *testing.T) {
	for s, want := range map[string]string{
		"10.0.0.1": "10.0.0.1", "1.2.3": "1.2.0.3", "1.2": "1.0.0.2", "24": "0.0.0.24", "0xa.010.1": "10.8.0.1", "0X7f.1": "127.0.0.1",
		"4294967295": "255.255.255.255", "037777777777": "255.255.255.255", "0": "0.0.0.0", "00": "0.0.0.0", "1.2.3.4 x": "1.2.3.4", "1.2.3.4\t": "1.2.3.4",
		"1.16777215": "1.255.255.255", "1.2.65535": "1.2.255.255",
	} {
		a, ok := aton(s)
		if !ok || a.String() != want {
			t.Errorf("%q: %v, %v, want %s", s, a, ok, want)
		}
		if slow, ok := atonSlow(s); !ok || slow != a {
			t.Errorf("%q: the slow reference says %v, %v", s, slow, ok)
		}
	}
	random := rand.New(rand.NewPCG(1, 1))
	pieces := []string{"0", "1", "10", "255", "256", "65535", "65536", "0x", "0xff", "0x1ff", "08", "017", "16777216", "4294967296", ".", ".", ".", "", " ", "a", "+1", "-1"}
	for range 20000 {
		s := ""
		for range 1 + random.IntN(7) {
			s += pieces[random.IntN(len(pieces))]
		}
		a, ok := aton(s)
		b, slow := atonSlow(s)
		if ok != slow || ok && a != b {
			t.Fatalf("%q: %v, %v; the slow reference says %v, %v", s, a, ok, b, slow)
		}
	}
}

// Every address in its usual form is read as itself, and whatever is read is the
// same when it is written and read again.
func FuzzAton(f *testing.F) {
	for _, s := range []string{"10.0.0.1", "1.2.3", "0x7f.1", "037777777777", "256.1", "1..2", " 1", "1 ", "1_0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, ok := aton(s)
		if usual, err := netip.ParseAddr(s); err == nil && usual.Is4() && (!ok || a != usual) {
			t.Fatalf("%q: %v, %v, want itself", s, a, ok)
		}
		if !ok {
			return
		}
		if again, ok := aton(a.String()); !ok || again != a {
			t.Fatalf("%q is %v, which is read as %v", s, a, again)
		}
	})
}

func TestNumbersAreReadAsStrtolDoes(t *testing.T) {
	for _, c := range []struct {
		s           string
		least, most int64
		want        int
		ok          bool
	}{
		{"7", 0, 9, 7, true}, {" \t\n7", 0, 9, 7, true}, {"+7", 0, 9, 7, true}, {"-7", -9, 9, -7, true}, {"007", 0, 9, 7, true},
		{"9", 0, 9, 9, true}, {"0", 0, 9, 0, true},
		{"10", 0, 9, 0, false}, {"-1", 0, 9, 0, false}, {"7 ", 0, 9, 0, false}, {"7x", 0, 9, 0, false}, {"", 0, 9, 0, false}, {"+", 0, 9, 0, false},
		{"0x7", 0, 9, 0, false}, {"99999999999999999999", 0, math.MaxInt64, 0, false}, {"1_0", 0, 99, 0, false},
	} {
		if n, ok := number(c.s, c.least, c.most); ok != c.ok || ok && n != c.want {
			t.Errorf("%q from %d to %d: %d, %v, want %d, %v", c.s, c.least, c.most, n, ok, c.want, c.ok)
		}
	}
}

func TestPrefixLengthsAreMasks(t *testing.T) {
	for n := 1; n <= 128; n++ {
		m, ok := prefixMask(strconv.Itoa(n))
		if !ok {
			t.Fatalf("%d is refused", n)
		}
		want := strconv.Itoa(n)
		if n == 128 {
			want = "" // whole addresses
		}
		if got := maskText(m); got != want {
			t.Errorf("/%d is printed as %q", n, got)
		}
	}
	for s, ok := range map[string]bool{"64": true, " +64": true, "64bits": true, "64.5": true, "0": false, "129": false, "-1": false, "": false, "x64": false} {
		if _, got := prefixMask(s); got != ok {
			t.Errorf("%q: %v, want %v", s, got, ok)
		}
	}
}

func TestMasksOfIPv4ArePrintedAsTheyAre(t *testing.T) {
	for m, want := range map[string]string{"255.255.255.255": "", "255.255.255.0": "255.255.255.0", "255.0.255.0": "255.0.255.0", "0.0.0.0": "0.0.0.0"} {
		if got := maskText(netip.MustParseAddr(m)); got != want {
			t.Errorf("%s: %q, want %q", m, got, want)
		}
	}
	if got := maskText(netip.Addr{}); got != "" {
		t.Errorf("no mask: %q", got)
	}
}

// Where the comparison is an order, the sort is the stable one. Where it is none,
// as ipvsadm's is, nothing is lost.
func TestMergeSortIsStableAndLosesNothing(t *testing.T) {
	type item struct{ key, place int }
	random := rand.New(rand.NewPCG(2, 2))
	for n := range 60 {
		all := make([]item, n)
		for i := range all {
			all[i] = item{random.IntN(10), i}
		}
		want := slices.Clone(all)
		slices.SortStableFunc(want, func(a, b item) int { return cmp.Compare(a.key, b.key) })
		got := slices.Clone(all)
		mergeSort(got, func(a, b *item) int { return cmp.Compare(a.key, b.key) })
		if !slices.Equal(got, want) {
			t.Fatalf("%v becomes %v", all, got)
		}
		got = slices.Clone(all)
		mergeSort(got, func(_, _ *item) int { return random.IntN(3) - 1 })
		slices.SortFunc(got, func(a, b item) int { return cmp.Compare(a.place, b.place) })
		if !slices.Equal(got, all) {
			t.Fatalf("%v was lost or doubled by a comparison that is no order: %v", all, got)
		}
	}
}

// The order of listings is not that of numbers: a difference of 2^31 and more is
// negative.
func TestTheOrderOfListingsOverflowsAsIPVSAdmsDoes(t *testing.T) {
	addr := netip.MustParseAddr
	for _, c := range []struct {
		first, second string
	}{
		{"10.0.0.1", "10.0.0.2"}, {"192.168.0.1", "10.0.0.1"}, {"10.0.0.1", "120.0.0.1"}, {"128.0.0.0", "0.0.0.0"},
		{"fd00::1", "fd00::2"}, {"fd00::1", "fd00:0:0:1::"}, {"fd00::ffff:ffff", "fd00::1"}, {"ff00::", "1::"},
	} {
		a, b := addr(c.first), addr(c.second)
		if compareAddrs(a, b) >= 0 {
			t.Errorf("%s is not before %s", a, b)
		}
		if compareAddrs(a, a) != 0 || compareAddrs(b, b) != 0 {
			t.Errorf("%s or %s is not like itself", a, b)
		}
	}
	service := func(proto, at string) *api.Service {
		p := netip.MustParseAddrPort(at)
		return &api.Service{ServiceConfig: api.ServiceConfig{ServiceKey: api.ServiceKey{Protocol: proto, Address: p.Addr(), Port: p.Port()}}}
	}
	mark := func(n uint32, v6 bool) *api.Service {
		return &api.Service{ServiceConfig: api.ServiceConfig{ServiceKey: api.ServiceKey{FWMark: n, IPv6: v6}}}
	}
	inOrder := []*api.Service{service("tcp", "10.0.0.1:80"), service("tcp", "10.0.0.1:443"), service("tcp", "10.0.0.2:80"), service("udp", "10.0.0.1:53"),
		service("tcp", "[fd00::1]:80"), mark(1, false), mark(1, true), mark(2, false)}
	for i := range inOrder {
		for j := range inOrder {
			if got := compareServices(inOrder[i], inOrder[j]); cmp.Compare(got, 0) != cmp.Compare(i, j) {
				t.Errorf("service %d compared with %d: %d", i, j, got)
			}
		}
	}
}

func TestNamesOfHostsAndPorts(t *testing.T) {
	n, err := FileNames(strings.NewReader("# hosts\n10.0.0.1 www web # the first name is listed\n10.0.0.1 other\nfd00::1 www6\nnonsense x\n10.0.0.9\n"),
		strings.NewReader("http 80/tcp www\nold-http 80/tcp\ndomain 53/udp\nbad eighty/tcp\nworse 80\nhuge 65536/tcp\nalone\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		law, text, proto string
		want             string // address:port; empty: refused
	}{
		{"an address alone has port 0", "10.0.0.1", "tcp", "10.0.0.1:0"},
		{"an address and a port", "10.0.0.1:80", "tcp", "10.0.0.1:80"},
		{"a host by name", "www:80", "tcp", "10.0.0.1:80"},
		{"names of hosts in any case", "WwW", "tcp", "10.0.0.1:0"},
		{"a second name of a host", "web:80", "tcp", "10.0.0.1:80"},
		{"a name of a second line", "other", "tcp", "10.0.0.1:0"},
		{"a port by name", "10.0.0.1:http", "tcp", "10.0.0.1:80"},
		{"a port by its other name", "10.0.0.1:www", "tcp", "10.0.0.1:80"},
		{"a port of another protocol", "10.0.0.1:domain", "tcp", ""},
		{"its own protocol", "10.0.0.1:domain", "udp", "10.0.0.1:53"},
		{"names of ports as they are written", "10.0.0.1:HTTP", "tcp", ""},
		{"IPv6 without brackets has no port", "fd00::1", "tcp", "[fd00::1]:0"},
		{"IPv6 in brackets with a port", "[fd00::1]:80", "tcp", "[fd00::1]:80"},
		{"IPv6 in brackets without a port", "[fd00::1]", "tcp", ""},
		{"a host of IPv6 by name", "www6:80", "tcp", "[fd00::1]:80"},
		{"a name in brackets", "[www6]:80", "tcp", "[fd00::1]:80"},
		{"behind IPv4 in brackets the port does not count", "[10.0.0.1]:80", "tcp", "10.0.0.1:0"},
		{"a port alone", "80", "tcp", ""},
		{"an address as a number is one", "65536", "tcp", "0.1.0.0:0"},
		{"a port too great", "10.0.0.1:65536", "tcp", ""},
		{"no port behind the colon", "10.0.0.1:", "tcp", ""},
		{"no host", ":80", "tcp", ""},
		{"nothing", "", "tcp", ""},
		{"an unknown host", "nosuch:80", "tcp", ""},
		{"a line of one word makes no name", "alone", "tcp", ""},
		{"a bad line makes no port", "10.0.0.1:bad", "tcp", ""},
		{"nor a port too great", "10.0.0.1:huge", "tcp", ""},
		{"a zone", "fe80::1%eth0", "tcp", ""},
		{"IPv4 in IPv6", "::ffff:10.0.0.1", "tcp", ""},
	} {
		addr, port, ok := n.endpoint(c.text, c.proto)
		got := ""
		if ok {
			got = netip.AddrPortFrom(addr, port).String()
		}
		if got != c.want {
			t.Errorf("%s: %q is %q, want %q", c.law, c.text, got, c.want)
		}
	}
	for want, got := range map[string]string{
		"www:http":         n.text("tcp", netip.MustParseAddr("10.0.0.1"), 80, serviceWidth),
		"www:80":           n.text("udp", netip.MustParseAddr("10.0.0.1"), 80, serviceWidth),
		"www:0":            n.text("tcp", netip.MustParseAddr("10.0.0.1"), 0, serviceWidth),
		"10.0.0.2:domain":  n.text("udp", netip.MustParseAddr("10.0.0.2"), 53, serviceWidth),
		"[www6]:http":      n.text("tcp", netip.MustParseAddr("fd00::1"), 80, 5), // never cut
		"www:ht":           n.text("tcp", netip.MustParseAddr("10.0.0.1"), 80, 6),
		"[fd00::2]:8080":   n.text("tcp", netip.MustParseAddr("fd00::2"), 8080, serverWidth),
		"10.0.0.1:80":      (&Names{}).text("tcp", netip.MustParseAddr("10.0.0.1"), 80, serviceWidth),
		"www:80 by a mark": n.text("", netip.MustParseAddr("10.0.0.1"), 80, serviceWidth) + " by a mark",
	} {
		if got != want {
			t.Errorf("listed as %q, want %q", got, want)
		}
	}
}

// What is listed without names is read back as the same.
func TestWhatIsListedIsReadAsTheSame(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	for range 2000 {
		var b [16]byte
		for i := range b {
			b[i] = byte(random.Uint32()) & byte(-random.IntN(2)) // many zeroes
		}
		addr := netip.AddrFrom16(b)
		if random.IntN(2) == 0 {
			addr = netip.AddrFrom4([4]byte(b[:4]))
		}
		if addr.Is4In6() {
			continue
		}
		port := uint16(random.Uint32())
		text := (&Names{}).text("tcp", addr, port, serviceWidth)
		if a, p, ok := (&Names{}).endpoint(text, "tcp"); !ok || a != addr || p != port {
			t.Fatalf("%s port %d is listed as %q and read as %v port %d, %v", addr, port, text, a, p, ok)
		}
	}
}

// The matrix, line by line: a command refuses each option that is not legal with
// it, in its own words, and takes all others as far as the option goes.
func TestEachOptionIsLegalWithItsCommandsOnly(t *testing.T) {
	value := map[string]string{"tcp-service": "10.0.0.1:80", "udp-service": "10.0.0.1:80", "sctp-service": "10.0.0.1:80", "fwmark-service": "1", "scheduler": "rr", "pe": "sip",
		"persistent": "5", "netmask": "255.0.0.0", "real-server": "10.2.0.1", "tun-type": "gue", "tun-port": "1", "weight": "1", "u-threshold": "1", "l-threshold": "1",
		"mcast-interface": "eth0", "syncid": "1", "sync-maxlen": "1400", "mcast-group": "224.0.0.81", "mcast-port": "1", "mcast-ttl": "1", "sched-flags": ","}
	refused := 0
	for _, c := range commands {
		if c.command&(help|version) != 0 {
			continue
		}
		for _, s := range spellings() {
			if s.option == unruled {
				continue
			}
			args := []string{"--" + c.long}
			if c.value != "" {
				args = append(args, "master")
			}
			if c.command == set {
				args = append(args, "0", "0", "0")
			}
			for _, need := range spellings() { // what the command cannot do without
				r := rules[need.option%numOptions]
				if need.option != unruled && r.need&c.command != 0 && need.option != s.option && (need.long == "tcp-service" || need.long == "real-server") {
					args = append(args, "--"+need.long, value[need.long])
				}
			}
			args = append(args, "--"+s.long)
			if s.value != "" {
				args = append(args, value[s.long])
			}
			_, err := (&Interpreter{}).parse(args)
			illegal := fmt.Sprintf("Illegal '%s' option with the '%s' command", rules[s.option].name, c.name)
			if legal := rules[s.option].legal&c.command != 0; legal == (err != nil && err.Error() == illegal) {
				t.Errorf("%v: %v, and legal is %v", args, err, legal)
			} else if !legal {
				refused++
			}
		}
	}
	if refused < 200 {
		t.Errorf("only %d refusals", refused)
	}
}

func TestEveryCommandAndOptionHasItsName(t *testing.T) {
	for _, c := range commands {
		if c.command.String() != c.name || c.help == "" {
			t.Errorf("%s: %s, %q", c.long, c.command, c.help)
		}
	}
	if got := command(0).String(); got != "command(0x0)" {
		t.Errorf("no command: %s", got)
	}
	long, short := map[string]bool{}, map[byte]bool{}
	for _, s := range spellings() {
		if long[s.long] || s.short != 0 && (short[s.short] || isCommand(s.short)) || s.help == "" {
			t.Errorf("--%s, -%c: there before, or without help", s.long, s.short)
		}
		long[s.long], short[s.short] = true, true
	}
	for o := range numOptions {
		if rules[o].name == "" || rules[o].legal == 0 || rules[o].need&^rules[o].legal != 0 {
			t.Errorf("option %d: %+v", o, rules[o])
		}
	}
}
