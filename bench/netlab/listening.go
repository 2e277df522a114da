package netlab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
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
		found, err := readListening(bytes.NewReader(b), binary.NativeEndian)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// readListening reads /proc/net/tcp or tcp6: "sl local rem st ..."
// (proc_net_tcp(5)), of a host of that order.
func readListening(r io.Reader, order binary.ByteOrder) ([]netip.AddrPort, error) {
	const listen = "0A" // TCP_LISTEN, <net/tcp_states.h>
	var all []netip.AddrPort
	for f, err := range procnet.Rows(r, 4) {
		if err != nil {
			return nil, err
		}
		at, err := procnet.Addr(f[1], order)
		if err != nil {
			return nil, err
		}
		if f[3] == listen {
			all = append(all, at)
		}
	}
	return all, nil
}
