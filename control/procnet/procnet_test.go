package procnet

import (
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// procPacket is as /proc/net/packet was on a host.
const procPacket = `sk               RefCnt Type Proto  Iface R Rmem   User   Inode
0000000000000000 3      3    0003   2     1 0      0      99
0000000000000000 3      3    0000   0     1 0      0      98
`

func TestTapsAreRead(t *testing.T) {
	got, err := Taps(strings.NewReader(procPacket))
	if want := []Tap{{Protocol: 3, Ifindex: 2, Inode: 99}, {Inode: 98}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{"0 3 3 0003 2 1 0 0", "0 3 3 10000 2 1 0 0 99", "0 3 3 0003 eth0 1 0 0 99", "0 3 3 0003 2 1 0 0 -1"} {
		if got, err := Taps(strings.NewReader("heading\n" + bad)); err == nil || got != nil {
			t.Errorf("%q: %v, %v", bad, got, err)
		}
	}
}

func TestAddressesAreInTheOrderOfTheHost(t *testing.T) {
	for _, test := range []struct {
		text  string
		order binary.ByteOrder
		want  string // empty: an error
	}{
		{"0100007F:1F90", binary.LittleEndian, "127.0.0.1:8080"},
		{"7F000001:1F90", binary.BigEndian, "127.0.0.1:8080"},
		{"010000FD000000000000000000010000:0050", binary.LittleEndian, "[fd00:1::100]:80"},
		{"0000000000000000FFFF00000100007F:0050", binary.LittleEndian, "[::ffff:127.0.0.1]:80"},
		{"0100007F", binary.LittleEndian, ""},
		{"0100007F:10000", binary.LittleEndian, ""},
		{"00007F:0050", binary.LittleEndian, ""},
		{"0100007G:0050", binary.LittleEndian, ""},
	} {
		got, err := Addr(test.text, test.order)
		if (err != nil) != (test.want == "") || err == nil && got != netip.MustParseAddrPort(test.want) {
			t.Errorf("%s: %v, %v, want %q", test.text, got, err, test.want)
		}
	}
}

func TestRowsStopAtTheFirstError(t *testing.T) {
	broken, seen, errs := errors.New("broken"), 0, []error{}
	for _, r := range []io.Reader{strings.NewReader("heading\na b\nc\nd e\n"), io.MultiReader(strings.NewReader("heading\na b\n"), iotest.ErrReader(broken))} {
		for fields, err := range Rows(r, 2) {
			if err != nil {
				errs = append(errs, err)
			} else if seen++; !slices.Equal(fields, []string{"a", "b"}) {
				t.Errorf("fields %q", fields)
			}
		}
	}
	if seen != 2 || len(errs) != 2 || !errors.Is(errs[1], broken) {
		t.Errorf("%v after %d rows", errs, seen)
	}
	for range Rows(strings.NewReader("heading\na b\nc d\n"), 2) {
		break // who goes on gets the runtime's panic
	}
}

// Whatever a file holds, reading it ends without a panic: with a tap for each
// line below the heading, or with none and an error.
func FuzzTaps(f *testing.F) {
	f.Add(procPacket)
	f.Fuzz(func(t *testing.T, s string) {
		taps, err := Taps(strings.NewReader(s))
		lines := max(0, len(slices.Collect(strings.Lines(s)))-1)
		if err != nil && taps != nil || err == nil && len(taps) != lines {
			t.Errorf("%d taps of %d lines, %v", len(taps), lines, err)
		}
	})
}
