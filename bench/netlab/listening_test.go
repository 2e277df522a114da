package netlab

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"lvsdr/bench/netns"
)

func TestListeningShowsWhereTCPSocketsListen(t *testing.T) {
	h, other := newHost(t, "h"), newHost(t, "other")
	at := func(h *netns.Host) []netip.AddrPort {
		all, err := Listening(h)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if all := at(h); len(all) > 0 {
		t.Errorf("a new host listens at %v", all)
	}
	for _, a := range []string{"127.0.0.1:4711", "[::]:4712"} {
		l, err := h.Listen("tcp", a)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if want := netip.MustParseAddrPort(a); !slices.Contains(at(h), want) {
			t.Errorf("%s is not in %v", want, at(h))
		}
	}
	c, err := h.Dial(t.Context(), "tcp", "127.0.0.1:4711")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if all := at(h); len(all) != 2 {
		t.Errorf("it listens at %v; a connection does not", all)
	}
	if all := at(other); len(all) > 0 {
		t.Errorf("another host listens at %v", all)
	}
}

// procTCP are the lines of a little-endian host, as far as they are read.
const procTCP = `  sl  local_address rem_address   st tx_queue
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000
   1: 6401A8C0:0050 3201A8C0:C350 01 00000000:00000000
`

func TestReadListening(t *testing.T) {
	for _, test := range []struct {
		name, text string
		order      binary.ByteOrder
		want       string // empty: an error
	}{
		{"of a little-endian host", procTCP, binary.LittleEndian, "127.0.0.1:8080"},
		{"of a big-endian host", strings.Replace(procTCP, "0100007F", "7F000001", 1), binary.BigEndian, "127.0.0.1:8080"},
		{"in IPv6", strings.Replace(procTCP, "0100007F", "000000FD000000000000000001000000", 1), binary.LittleEndian, "[fd00::1]:8080"},
		{"a short line", "head\n 0: 0100007F:1F90\n", binary.LittleEndian, ""},
		{"half an address", "head\n 0: 0100:1F90 0:0 0A\n", binary.LittleEndian, ""},
		{"no port", "head\n 0: 0100007F 0:0 0A\n", binary.LittleEndian, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := readListening(strings.NewReader(test.text), test.order)
			if test.want == "" {
				if err == nil {
					t.Errorf("%v, want an error", got)
				}
				return
			}
			if err != nil || len(got) != 1 || got[0].String() != test.want {
				t.Errorf("%v, %v, want %s", got, err, test.want)
			}
		})
	}
}

// Whatever is read, there are no more sockets than lines, each with an address.
func FuzzReadListening(f *testing.F) {
	f.Add(procTCP)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := readListening(strings.NewReader(text), binary.LittleEndian)
		if err == nil && len(got) > strings.Count(text, "\n") {
			t.Errorf("%d sockets in %q", len(got), text)
		}
		for _, a := range got {
			if !a.Addr().IsValid() {
				t.Errorf("a socket without address in %q", text)
			}
		}
	})
}
