package netlab

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
)

// readProc opens a file of /proc/net in the host and gives it to read.
func (h *Host) readProc(name string, read func(io.Reader) error) error {
	err := h.Do(func() error {
		f, err := os.Open("/proc/thread-self/net/" + name)
		if err != nil {
			return err
		}
		defer f.Close()
		return read(f)
	})
	if err != nil {
		return fmt.Errorf("read /proc/net/%s on %s: %w", name, h.name, err)
	}
	return nil
}

// Listening is where TCP sockets of the host listen, as "ss -ltn" shows it.
// Go's sockets for all IPv4 addresses are at [::], which means both families.
func (h *Host) Listening() ([]netip.AddrPort, error) {
	var all []netip.AddrPort
	for _, name := range []string{"tcp", "tcp6"} {
		err := h.readProc(name, func(r io.Reader) error {
			found, err := readListening(r, binary.NativeEndian)
			all = append(all, found...)
			return err
		})
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without IPv6
			return nil, err
		}
	}
	return all, nil
}

// readListening reads /proc/net/tcp or tcp6: "sl local rem st ..." with addresses
// as hexadecimal 32-bit words in the order of the host (proc_net_tcp(5)).
func readListening(r io.Reader, order binary.ByteOrder) ([]netip.AddrPort, error) {
	const listen = "0A" // TCP_LISTEN, <net/tcp_states.h>
	var all []netip.AddrPort
	lines := bufio.NewScanner(r)
	lines.Scan() // the heading
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 4 {
			return nil, fmt.Errorf("line %q: too short", lines.Text())
		}
		host, port, _ := strings.Cut(f[1], ":")
		b, err := hex.DecodeString(host)
		p, err2 := strconv.ParseUint(port, 16, 16)
		if err != nil || err2 != nil || len(b) != 4 && len(b) != 16 {
			return nil, fmt.Errorf("address %q: not as proc_net_tcp(5) has them", f[1])
		}
		if f[3] != listen {
			continue
		}
		for word := range slices.Chunk(b, 4) {
			binary.BigEndian.PutUint32(word, order.Uint32(word))
		}
		a, _ := netip.AddrFromSlice(b)
		all = append(all, netip.AddrPortFrom(a, uint16(p)))
	}
	return all, lines.Err()
}

// Counter is a counter of the host's kernel by the names of /proc/net/snmp, such
// as Ip and InDelivers.
func (h *Host) Counter(proto, name string) (n uint64, err error) {
	err = h.readProc("snmp", func(r io.Reader) error {
		var names []string // of a line of names; one of their values follows
		for lines := bufio.NewScanner(r); lines.Scan(); {
			words := strings.Fields(lines.Text())
			if at := slices.Index(names, name); at > 0 && names[0] == proto+":" && at < len(words) {
				n, err = strconv.ParseUint(words[at], 10, 64)
				return err
			}
			names = words
		}
		return fmt.Errorf("no counter %s of %s", name, proto)
	})
	return n, err
}

// An IfAddr is an address of an interface.
type IfAddr struct {
	Ifname string
	Addr   netip.Prefix
}

// Addresses are those of the host, without those for the link only.
func (h *Host) Addresses() ([]IfAddr, error) {
	links, err := h.nl.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list interfaces of %s: %w", h.name, err)
	}
	var all []IfAddr
	for _, link := range links {
		found, err := h.nl.AddrList(link, netlink.FAMILY_ALL)
		if err != nil {
			return nil, fmt.Errorf("list addresses of %s of %s: %w", link.Attrs().Name, h.name, err)
		}
		for _, f := range found {
			a, _ := netip.AddrFromSlice(f.IP)
			bits, _ := f.Mask.Size()
			if a = a.Unmap(); !a.IsLinkLocalUnicast() {
				all = append(all, IfAddr{link.Attrs().Name, netip.PrefixFrom(a, bits)})
			}
		}
	}
	return all, nil
}
