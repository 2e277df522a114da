package netlab

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"

	"lvsdr/control/procnet"
)

// readProc reads a file of /proc/net in the host.
func readProc[T any](h *Host, name string, read func(io.Reader) (T, error)) (v T, err error) {
	err = h.Do(func() error {
		v, err = procnet.Read(name, read)
		return err
	})
	if err != nil {
		return v, fmt.Errorf("read /proc/net/%s on %s: %w", name, h.name, err)
	}
	return v, nil
}

// Listening is where TCP sockets of the host listen, as "ss -ltn" shows it.
// Go's sockets for all IPv4 addresses are at [::], which means both families.
func (h *Host) Listening() ([]netip.AddrPort, error) {
	var all []netip.AddrPort
	for _, name := range []string{"tcp", "tcp6"} {
		found, err := readProc(h, name, func(r io.Reader) ([]netip.AddrPort, error) { return readListening(r, binary.NativeEndian) })
		all = append(all, found...)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without IPv6
			return nil, err
		}
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

// Counter is a counter of the host's kernel by the names of /proc/net/snmp, such
// as Ip and InDelivers.
func (h *Host) Counter(proto, name string) (uint64, error) {
	return readProc(h, "snmp", func(r io.Reader) (uint64, error) {
		var names []string // of a line of names; one of their values follows
		for lines := bufio.NewScanner(r); lines.Scan(); {
			words := strings.Fields(lines.Text())
			if at := slices.Index(names, name); at > 0 && names[0] == proto+":" && at < len(words) {
				return strconv.ParseUint(words[at], 10, 64)
			}
			names = words
		}
		return 0, fmt.Errorf("no counter %s of %s", name, proto)
	})
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
