package ipvsproc

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"net/netip"
	"strings"

	"lvsdr/control/api"
)

// hz is the unit of a persistence timeout in the file: the kernel writes jiffies, of which
// one with CONFIG_HZ=100 has so many in a second.
const hz = 100

// writeHead writes the first lines of ip_vs. size is that of the connection table.
func writeHead(w io.Writer, size int) {
	fmt.Fprintf(w, "IP Virtual Server version 1.2.1 (size=%d)\n", size)
	fmt.Fprint(w, "Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n")
}

// writeService writes a service with its servers.
func writeService(w io.Writer, s *api.Service) {
	ops := ""
	if s.OnePacket {
		ops = "ops "
	}
	switch {
	case s.FWMark != 0:
		fmt.Fprintf(w, "FWM  %08X %s %s", s.FWMark, s.Scheduler, ops)
	case s.V6():
		fmt.Fprintf(w, "%s  %s %s ", protocol(s.Protocol), hostPort(s.Address, s.Port), s.Scheduler)
	default:
		fmt.Fprintf(w, "%s  %s %s %s ", protocol(s.Protocol), hostPort(s.Address, s.Port), s.Scheduler, ops)
	}
	if s.Persistence > 0 {
		fmt.Fprintf(w, "persistent %d %08X", s.Persistence*hz, mask(&s.ServiceConfig))
	}
	fmt.Fprintln(w)
	for i := range s.Servers {
		r := &s.Servers[i]
		fmt.Fprintf(w, "  -> %s      %-7s %-6d %-10d %-10d\n", hostPort(r.Address, r.Port), api.MethodColumn(r.Method), r.Effective, r.Active, r.Inactive)
	}
}

// mask is the netmask of persistence: of IPv4 as a number, of IPv6 its length with the
// bytes turned round, as the kernel of a little-endian machine writes it.
func mask(c *api.ServiceConfig) uint32 {
	switch {
	case !c.V6() && c.Netmask.Is4():
		return binary.BigEndian.Uint32(c.Netmask.AsSlice())
	case !c.V6():
		return 0xffffffff
	}
	length := 128
	if c.Netmask.IsValid() {
		length = 0
		for _, b := range c.Netmask.AsSlice() {
			length += bits.OnesCount8(b)
		}
	}
	return bits.ReverseBytes32(uint32(length))
}

// connHead is the first line of ip_vs_conn.
const connHead = "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n"

// writeConn writes a connection or a template.
func writeConn(w io.Writer, c *api.Conn) {
	virtual, server := c.Port, c.ServerPort
	if c.Invalid {
		virtual, server = 65535, 65535
	}
	to := c.Server
	if !to.IsValid() { // it is not known any more
		to = c.Address
	}
	fmt.Fprintf(w, "%-3s %s %04X %s %04X %s %04X %-11s %7d\n", protocol(c.Protocol), address(c.Client), c.ClientPort,
		address(c.Address), virtual, address(to), server, c.State, int64(c.Expires))
}

// writeStats writes ip_vs_stats. Nothing comes back through the director: what is outgoing
// is zero.
func writeStats(w io.Writer, t *api.Listed) {
	const line = "%8X %8X %8X %16X %16X\n"
	fmt.Fprint(w, "   Total Incoming Outgoing         Incoming         Outgoing\n   Conns  Packets  Packets            Bytes            Bytes\n")
	fmt.Fprintf(w, line, t.Conns, t.Packets, 0, t.Bytes, 0)
	fmt.Fprint(w, "\n Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n")
	fmt.Fprintf(w, line, t.CPS, t.PPS, 0, t.BPS, 0)
}

// protocol is the kernel's name of a protocol; IP for none.
func protocol(p string) string {
	if p == "" {
		return "IP"
	}
	return strings.ToUpper(p)
}

// address is an address as the kernel writes it: of IPv4 as a number, of IPv6 with all
// zeros.
func address(a netip.Addr) string {
	if a = a.Unmap(); a.Is4() {
		return fmt.Sprintf("%08X", binary.BigEndian.Uint32(a.AsSlice()))
	}
	return a.StringExpanded()
}

// hostPort is an address and a port in ip_vs.
func hostPort(a netip.Addr, port uint16) string {
	if a.Unmap().Is4() {
		return fmt.Sprintf("%s:%04X", address(a), port)
	}
	return fmt.Sprintf("[%s]:%04X", address(a), port)
}
