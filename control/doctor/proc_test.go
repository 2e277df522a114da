package doctor

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
)

// Lines as /proc/net had them on a little-endian machine.
const (
	procTCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0 0 10 0
   1: 6401A8C0:0050 3201A8C0:C350 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000 100 0 0 10 0
`
	procTCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 010000FD000000000000000000010000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0
`
)

func TestSocketsOfProcAreRead(t *testing.T) {
	got, err := readSockets(strings.NewReader(procTCP), binary.LittleEndian)
	want := []procSocket{{netip.MustParseAddrPort("0.0.0.0:8080"), true, 4711}, {netip.MustParseAddrPort("192.168.1.100:80"), false, 4712}}
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	got, err = readSockets(strings.NewReader(procTCP6), binary.LittleEndian)
	if want := netip.MustParseAddrPort("[fd00:1::100]:8080"); err != nil || len(got) != 1 || got[0].at != want {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
}

// Whatever the files hold, reading them ends without a panic, and an address
// that is read has a family.
func FuzzProc(f *testing.F) {
	f.Add(procTCP)
	f.Add(procTCP6)
	f.Fuzz(func(t *testing.T, s string) {
		sockets, err := readSockets(strings.NewReader(s), binary.LittleEndian)
		for _, s := range sockets {
			if err == nil && !s.at.IsValid() {
				t.Fatalf("an address of no family: %v", s)
			}
		}
	})
}
