package doctor

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"strconv"

	"lvsdr/control/procnet"
)

// A procSocket is a line of /proc/net/tcp, udp, tcp6 or udp6.
type procSocket struct {
	at     netip.AddrPort
	listen bool
	inode  uint64
}

// The state of a socket that listens, or of a UDP socket without a peer, as
// those files have it (TCP_LISTEN and TCP_CLOSE of <net/tcp_states.h>).
const (
	stateClose  = "07"
	stateListen = "0A"
)

// readSockets reads /proc/net/tcp and its like: "sl local rem st ..."
// (proc_net_tcp(5)), of a host of that order.
func readSockets(r io.Reader, order binary.ByteOrder) ([]procSocket, error) {
	var all []procSocket
	for f, err := range procnet.Rows(r, 10) {
		if err != nil {
			return nil, err
		}
		at, err := procnet.Addr(f[1], order)
		if err != nil {
			return nil, err
		}
		inode, err := strconv.ParseUint(f[9], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("inode %q: %w", f[9], err)
		}
		at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
		all = append(all, procSocket{at: at, listen: f[3] == stateListen || f[3] == stateClose, inode: inode})
	}
	return all, nil
}
