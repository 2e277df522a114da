package procnet

import (
	"fmt"
	"io"
	"strconv"
)

// A Tap is a packet socket, packet(7), of any process in the network namespace.
type Tap struct {
	Protocol uint16 // ETH_P_ALL sees all, also what is sent; 0 nothing
	Ifindex  int    // 0: all interfaces
	Inode    uint64
}

// Taps reads /proc/net/packet: "sk RefCnt Type Proto Iface R Rmem User Inode".
func Taps(r io.Reader) ([]Tap, error) {
	var all []Tap
	for f, err := range rows(r, 9) {
		if err != nil {
			return nil, err
		}
		protocol, err := strconv.ParseUint(f[3], 16, 16)
		ifindex, err2 := strconv.Atoi(f[4])
		inode, err3 := strconv.ParseUint(f[8], 10, 64)
		if err != nil || err2 != nil || err3 != nil {
			return nil, fmt.Errorf("line %q: not as /proc/net/packet has them", f)
		}
		all = append(all, Tap{uint16(protocol), ifindex, inode})
	}
	return all, nil
}
