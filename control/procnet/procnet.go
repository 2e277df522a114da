// Package procnet reads addresses as the files of /proc/net have them.
package procnet

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Addr reads an address and port such as 0100007F:1F90 from /proc/net/tcp, udp,
// tcp6 or udp6: hexadecimal 32-bit words in the order of the host that wrote
// them (proc_net_tcp(5)). An IPv4 address in an IPv6 one stays so.
func Addr(s string, order binary.ByteOrder) (netip.AddrPort, error) {
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
