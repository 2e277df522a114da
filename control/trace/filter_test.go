package trace

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// traced is a frame from 10.0.0.7:1000 to 192.0.2.1:80, sent to 10.0.1.1.
func traced(t testing.TB) *dataplane.Traced {
	t.Helper()
	f := &dataplane.Traced{Verdict: dataplane.Forward, Reason: dataplane.Hit, Server: frame.AddrFrom4([4]byte{10, 0, 1, 1})}
	frame.Parse(build.TCP{Src: netip.MustParseAddrPort("10.0.0.7:1000"), Dst: netip.MustParseAddrPort("192.0.2.1:80"), Flags: "S"}.Bytes(), &f.Header)
	if f.Header.Fault != frame.NoFault {
		t.Fatal(f.Header.Fault)
	}
	return f
}

func TestFiltersMatchWhatTheySay(t *testing.T) {
	f := traced(t)
	for text, want := range map[string]bool{
		"":                                       true,
		"host 10.0.0.7":                          true,
		"host 192.0.2.1":                         true,
		"host 10.0.1.1":                          true,
		"host 10.0.0.8":                          false,
		"host 10.0.0.0/24":                       true,
		"host ::1":                               false,
		"host 0.0.0.0/0":                         true,
		"src 10.0.0.7":                           true,
		"src 192.0.2.1":                          false,
		"dst 192.0.2.1":                          true,
		"dst 10.0.0.7":                           false,
		"server 10.0.1.1":                        true,
		"server 10.0.0.7":                        false,
		"port 80":                                true,
		"port 1000":                              true,
		"port 0":                                 false,
		"proto tcp":                              true,
		"proto udp":                              false,
		"proto arp":                              false,
		"reason hit":                             true,
		"reason no-mac":                          false,
		"verdict forward":                        true,
		"verdict drop":                           false,
		"not port 80":                            false,
		"not not port 80":                        true,
		"port 80 and src 1.1.1.1 or port 1000":   true,
		"port 80 and (src 1.1.1.1 or port 1001)": false,
		"not port 81 and port 80":                true,
		"not (port 81 or port 80)":               false,
		"verdict drop or verdict answer or port 80":   true,
		"verdict drop or (verdict answer)and port 80": false,
	} {
		m, err := Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if m(f) != want {
			t.Errorf("%q matches is %v", text, !want)
		}
	}
}

// A host that asks whether an address is free has none: its question comes from
// ::, and is neighbour discovery like any other. What is not IP, or could not be
// read, is of no protocol.
func TestFiltersOfOddFrames(t *testing.T) {
	free := build.ICMP{Src: netip.IPv6Unspecified(), Dst: netip.MustParseAddr("ff02::1:ff00:1"), Type: 135, Payload: make([]byte, 16)}.Bytes()
	udp := build.UDP{Src: netip.MustParseAddrPort("10.0.0.7:80"), Dst: netip.MustParseAddrPort("192.0.2.1:80")}.Bytes()
	damaged := bytes.Clone(udp)
	damaged[14] = 0x42 // a header of 8 bytes
	wrongSum := bytes.Clone(udp)
	wrongSum[24] ^= 1
	arp := build.ARP{SenderIP: netip.MustParseAddr("10.0.0.7"), TargetIP: netip.MustParseAddr("10.0.0.8")}.Bytes()
	for _, c := range []struct {
		name    string
		data    []byte
		matches []string
	}{
		{"neighbour discovery from ::", free, []string{"proto icmp6", "dst ff02::/16"}},
		{"UDP", udp, []string{"proto udp", "port 80", "src 10.0.0.7"}},
		{"a damaged header", damaged, []string{"src 10.0.0.7"}},
		{"a wrong header checksum", wrongSum, []string{"proto udp", "src 10.0.0.7"}},
		{"a stump", udp[:20], nil},
		{"ARP", arp, []string{"proto arp"}},
		{"nothing", nil, nil},
	} {
		var f dataplane.Traced
		frame.Parse(c.data, &f.Header)
		for _, text := range []string{"proto icmp6", "proto udp", "proto tcp", "proto arp", "port 80", "port 0", "src 10.0.0.7", "src ::", "dst ff02::/16", "server 0.0.0.0/0"} {
			m, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := m(&f), slices.Contains(c.matches, text); got != want {
				t.Errorf("%s: %q matches is %v", c.name, text, got)
			}
		}
	}
}

func TestBadFiltersSayWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"hsot 1.1.1.1":            `"hsot" is none of its words: host`,
		"host":                    "host wants a value",
		"host rs1":                "neither an address nor a network",
		"port http":               "not a port",
		"port 65536":              "not a port",
		"proto esp":               "not tcp",
		"reason tired":            "docs/operations.md",
		"reason pending":          "docs/operations.md",
		"verdict maybe":           "not forward, drop",
		"port 80 port 81":         `"port": want`,
		"port 80 and":             "ends too early",
		"(port 80":                "not closed",
		"port 80)":                `")": want`,
		"not":                     "ends too early",
		strings.Repeat("(", 1001): "at most 1000 bytes",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestMatchingDoesNotAllocate(t *testing.T) {
	f := traced(t)
	m, err := Parse("(host 10.0.0.0/8 or proto icmp) and not port 81 and reason hit and verdict forward and server 10.0.1.1")
	if err != nil || !m(f) {
		t.Fatal(err)
	}
	for _, proto := range []frame.Proto{6, 200} {
		f.Header.Proto = proto
		if n := testing.AllocsPerRun(100, func() { m(f) }); n != 0 {
			t.Errorf("%v allocations, want 0", n)
		}
	}
}

// FuzzParse: whatever can be read, its negation can be read too, and matches
// what it does not match; so do the laws of De Morgan hold.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "host 10.0.0.7", "not port 80 or (proto tcp and reason hit)", "((", "port 80 and"} {
		f.Add(s, "verdict drop")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x := traced(t)
		ma, err := Parse(a)
		mb, errB := Parse(b)
		if err != nil || errB != nil || strings.TrimSpace(a) == "" || strings.TrimSpace(b) == "" || len(a)+len(b) > 900 {
			return
		}
		for text, want := range map[string]bool{
			"not (" + a + ")":                           !ma(x),
			"(" + a + ") and (" + b + ")":               ma(x) && mb(x),
			"not (not (" + a + ") and not (" + b + "))": ma(x) || mb(x),
		} {
			m, err := Parse(text)
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if m(x) != want {
				t.Fatalf("%q matches is %v", text, !want)
			}
		}
	})
}
