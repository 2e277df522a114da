package procnet

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
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
		got, err := addr(test.text, test.order)
		if (err != nil) != (test.want == "") || err == nil && got != netip.MustParseAddrPort(test.want) {
			t.Errorf("%s: %v, %v, want %q", test.text, got, err, test.want)
		}
	}
}

func TestRowsStopAtTheFirstError(t *testing.T) {
	broken, seen, errs := errors.New("broken"), 0, []error{}
	for _, r := range []io.Reader{strings.NewReader("heading\na b\nc\nd e\n"), io.MultiReader(strings.NewReader("heading\na b\n"), iotest.ErrReader(broken))} {
		for fields, err := range rows(r, 2) {
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
	for range rows(strings.NewReader("heading\na b\nc d\n"), 2) {
		break // an iterator that goes on makes the runtime panic
	}
}

// Lines as /proc/net had them on a little-endian machine.
const (
	procTCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0
   1: 6401A8C0:0050 3201A8C0:C350 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000 100 0 0 10 0
`
	procUDP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 010000FD000000000000000000010000:0035 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 1 0
`
)

func TestSocketsAreRead(t *testing.T) {
	at := netip.MustParseAddrPort
	connected := Socket{Local: at("192.168.1.100:80"), State: 1, Inode: 4712}
	for _, c := range []struct {
		name, text string
		order      binary.ByteOrder
		want       []Socket // nil: an error
	}{
		{"TCP of a little-endian host", procTCP, binary.LittleEndian,
			[]Socket{{at("127.0.0.1:8080"), Listening, 4711}, connected}},
		{"TCP of a big-endian host", strings.NewReplacer("0100007F", "7F000001", "6401A8C0", "C0A80164").Replace(procTCP), binary.BigEndian,
			[]Socket{{at("127.0.0.1:8080"), Listening, 4711}, connected}},
		{"UDP of IPv6", procUDP6, binary.LittleEndian, []Socket{{at("[fd00:1::100]:53"), Unconnected, 1}}},
		{"a short line", "head\n 0: 0100007F:1F90\n", binary.LittleEndian, nil},
		{"half an address", "head\n 0: 0100:1F90 0:0 0A 4 5 6 7 8 9\n", binary.LittleEndian, nil},
		{"no port", "head\n 0: 0100007F 0:0 0A 4 5 6 7 8 9\n", binary.LittleEndian, nil},
		{"a state of three digits", "head\n 0: 0100007F:1F90 0:0 00A 4 5 6 7 8 9\n", binary.LittleEndian, []Socket{{at("127.0.0.1:8080"), Listening, 9}}},
		{"a state that is no number", "head\n 0: 0100007F:1F90 0:0 xx 4 5 6 7 8 9\n", binary.LittleEndian, nil},
		{"an inode that is no number", "head\n 0: 0100007F:1F90 0:0 0A 4 5 6 7 8 -1\n", binary.LittleEndian, nil},
	} {
		got, err := Sockets(strings.NewReader(c.text), c.order)
		if (err != nil) != (c.want == nil) || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v, want %v", c.name, got, err, c.want)
		}
	}
}

func TestATableIsThatOfTheNamespace(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sockets, err := Read("tcp", func(r io.Reader) ([]Socket, error) { return Sockets(r, binary.NativeEndian) })
	if err != nil {
		t.Fatal(err)
	}
	want := l.Addr().(*net.TCPAddr).AddrPort()
	if !slices.ContainsFunc(sockets, func(s Socket) bool { return s.Local == want && s.State == Listening && s.Inode != 0 }) {
		t.Errorf("%v is not in %v", want, sockets)
	}
	if _, err := Read("no such table", Taps); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a table that there is not: %v", err)
	}
}

// Whatever a file holds, reading it ends without a panic, and there are no more
// sockets than lines, each with an address.
func FuzzSockets(f *testing.F) {
	f.Add(procTCP)
	f.Add(procUDP6)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Sockets(strings.NewReader(text), binary.LittleEndian)
		if err == nil && len(got) > strings.Count(text, "\n") || err != nil && got != nil {
			t.Errorf("%d sockets in %q, %v", len(got), text, err)
		}
		for _, s := range got {
			if !s.Local.Addr().IsValid() {
				t.Errorf("a socket without address in %q", text)
			}
		}
	})
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
