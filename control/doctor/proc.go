package doctor

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
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

// readSockets reads /proc/net/tcp and its like: "sl local rem st ..." with
// addresses as hexadecimal 32-bit words in host byte order (proc(5)). order is
// that of the host: true for little-endian.
func readSockets(r io.Reader, little bool) ([]procSocket, error) {
	var all []procSocket
	lines := bufio.NewScanner(r)
	lines.Scan() // the heading
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 10 {
			return nil, fmt.Errorf("line %q: too short", lines.Text())
		}
		at, err := procAddr(f[1], little)
		if err != nil {
			return nil, err
		}
		inode, err := strconv.ParseUint(f[9], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("inode %q: %w", f[9], err)
		}
		all = append(all, procSocket{at: at, listen: f[3] == stateListen || f[3] == stateClose, inode: inode})
	}
	return all, lines.Err()
}

// procAddr reads an address and port such as 0100007F:1F90.
func procAddr(s string, little bool) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	p, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil || len(b) != 4 && len(b) != 16 {
		return netip.AddrPort{}, fmt.Errorf("address %q: not as /proc/net has them", s)
	}
	for word := range slices.Chunk(b, 4) {
		if little {
			slices.Reverse(word)
		}
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), nil
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
