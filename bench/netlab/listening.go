package netlab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"

	"lvsdr/bench/netns"
	"lvsdr/control/procnet"
)

// Listening is where TCP sockets of the host listen, as "ss -ltn" shows it.
// Go's sockets for all IPv4 addresses are at [::], which means both families.
func Listening(h *netns.Host) ([]netip.AddrPort, error) {
	var all []netip.AddrPort
	for _, name := range []string{"tcp", "tcp6"} {
		b, err := h.ReadProc(name)
		if errors.Is(err, os.ErrNotExist) { // a kernel without IPv6
			continue
		}
		if err != nil {
			return nil, err
		}
		sockets, err := procnet.Sockets(bytes.NewReader(b), binary.NativeEndian)
		if err != nil {
			return nil, err
		}
		for _, s := range sockets {
			if s.State == procnet.Listening {
				all = append(all, s.Local)
			}
		}
	}
	return all, nil
}
