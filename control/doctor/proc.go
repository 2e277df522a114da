package doctor

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

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
	lines := bufio.NewScanner(r)
	lines.Scan() // the heading
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 10 {
			return nil, fmt.Errorf("line %q: too short", lines.Text())
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
	return all, lines.Err()
}

// A procTap is a line of /proc/net/packet.
type procTap struct {
	protocol uint16 // 0: it receives nothing
	ifindex  int
	inode    uint64
}

// readTaps reads /proc/net/packet: "sk RefCnt Type Proto Iface R Rmem User Inode".
func readTaps(r io.Reader) ([]procTap, error) {
	var all []procTap
	lines := bufio.NewScanner(r)
	lines.Scan() // the heading
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 9 {
			return nil, fmt.Errorf("line %q: too short", lines.Text())
		}
		protocol, err := strconv.ParseUint(f[3], 16, 16)
		ifindex, err2 := strconv.Atoi(f[4])
		inode, err3 := strconv.ParseUint(f[8], 10, 64)
		if err != nil || err2 != nil || err3 != nil {
			return nil, fmt.Errorf("line %q: not as /proc/net/packet has them", lines.Text())
		}
		all = append(all, procTap{uint16(protocol), ifindex, inode})
	}
	return all, lines.Err()
}
