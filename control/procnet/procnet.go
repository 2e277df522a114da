// Package procnet reads what several need of the files of /proc/net.
package procnet

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"os"
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

// A Tap is a packet socket, packet(7), of somebody in the network namespace.
type Tap struct {
	Protocol uint16 // ETH_P_ALL sees all, also what is sent; 0 nothing
	Ifindex  int    // 0: all interfaces
	Inode    uint64
}

// Taps reads /proc/net/packet: "sk RefCnt Type Proto Iface R Rmem User Inode".
func Taps(r io.Reader) ([]Tap, error) {
	var all []Tap
	for f, err := range Rows(r, 9) {
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

// Rows are the fields of each line but the heading, least of them or more. An
// error is the last.
func Rows(r io.Reader, least int) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Scan() // the heading
		for lines.Scan() {
			fields := strings.Fields(lines.Text())
			if len(fields) < least {
				yield(nil, fmt.Errorf("line %q: too short", lines.Text()))
				return
			}
			if !yield(fields, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// Read reads a file of /proc/net, that of the thread's network namespace.
func Read[T any](name string, read func(io.Reader) (T, error)) (T, error) {
	f, err := os.Open("/proc/thread-self/net/" + name)
	if err != nil {
		var none T
		return none, err
	}
	defer f.Close()
	return read(f)
}
