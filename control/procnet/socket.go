package procnet

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A SocketState is the state of a socket as <net/tcp_states.h> numbers them.
type SocketState uint8

// Those that take what comes to them: a TCP socket that listens, and a UDP
// socket without a peer.
const (
	Listening   SocketState = 0x0a // TCP_LISTEN
	Unconnected SocketState = 0x07 // TCP_CLOSE
)

// A Socket is a TCP or UDP socket of the network namespace.
type Socket struct {
	// Local is where it is bound: 0.0.0.0 or :: for all addresses. An IPv4
	// address of an IPv6 socket stays mapped.
	Local netip.AddrPort
	State SocketState
	Inode uint64
}

// Sockets reads /proc/net/tcp, udp, tcp6 or udp6, "sl local rem st ..."
// (proc_net_tcp(5)), of a host with that byte order.
func Sockets(r io.Reader, order binary.ByteOrder) ([]Socket, error) {
	var all []Socket
	for f, err := range rows(r, 10) {
		if err != nil {
			return nil, err
		}
		local, err := addr(f[1], order)
		if err != nil {
			return nil, err
		}
		state, err := strconv.ParseUint(f[3], 16, 8)
		if err != nil {
			return nil, fmt.Errorf("state %q: %w", f[3], err)
		}
		inode, err := strconv.ParseUint(f[9], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("inode %q: %w", f[9], err)
		}
		all = append(all, Socket{Local: local, State: SocketState(state), Inode: inode})
	}
	return all, nil
}

// addr reads an address and port such as 0100007F:1F90 from /proc/net/tcp, udp,
// tcp6 or udp6: hexadecimal 32-bit words in the order of the host that wrote
// them (proc_net_tcp(5)). An IPv4 address in an IPv6 one stays so.
func addr(s string, order binary.ByteOrder) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	p, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil || len(b) != 4 && len(b) != 16 {
		return netip.AddrPort{}, fmt.Errorf("address %q: not as proc_net_tcp(5) has them", s)
	}
	for word := range slices.Chunk(b, 4) {
		binary.BigEndian.PutUint32(word, order.Uint32(word))
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a, uint16(p)), nil
}
