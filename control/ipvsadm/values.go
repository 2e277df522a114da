package ipvsadm

import (
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"lvsdr/control/api"
)

// blanks are those of isspace(3).
const blanks = " \t\n\v\f\r"

// number reads a decimal number as strtol does, blanks and a sign before it
// included, with nothing behind it.
func number(s string, least, most int64) (int, bool) {
	n, err := strconv.ParseInt(strings.TrimLeft(s, blanks), 10, 64)
	return int(n), err == nil && n >= least && n <= most
}

func badTimeout(s string) error { return misuse("invalid timeout value `" + s + "' specified") }

func (q *request) tcpService(s string) error  { return q.serviceOf("tcp", s) }
func (q *request) udpService(s string) error  { return q.serviceOf("udp", s) }
func (q *request) sctpService(s string) error { return q.serviceOf("sctp", s) }

func (q *request) serviceOf(proto, s string) error {
	addr, port, ok := q.names.endpoint(s, proto)
	if !ok {
		return misuse("illegal virtual server address[:port] specified")
	}
	q.service.ServiceKey = api.ServiceKey{Protocol: proto, Address: addr, Port: port}
	q.forgetMask()
	return nil
}

func (q *request) markService(s string) error {
	n, ok := number(s, 1, math.MaxUint32)
	if !ok {
		return misuse("invalid fwmark value `" + s + "' specified")
	}
	q.service.ServiceKey = api.ServiceKey{FWMark: uint32(n)}
	return nil
}

func (q *request) ipv6(string) error {
	if q.service.FWMark == 0 {
		return misuse("-6 used before -f\n") // ipvsadm leaves a blank line
	}
	q.service.IPv6 = true
	q.forgetMask()
	return nil
}

// forgetMask leaves out a mask that was given before it was known that the
// service is one of IPv6: so does ipvsadm.
func (q *request) forgetMask() {
	if q.service.V6() {
		q.service.Netmask = netip.Addr{}
	}
}

func (q *request) schedulerName(s string) error {
	if s != "" {
		q.service.Scheduler = s
	}
	return nil
}

func (q *request) engineName(s string) error {
	q.service.Engine = s
	return nil
}

func (q *request) persistence(s string) error {
	n, ok := number(s, 1, maxSeconds)
	if !ok {
		return badTimeout(s)
	}
	q.service.Persistence = n
	return nil
}

func (q *request) flagNames(s string) error {
	q.flags = s
	return nil
}

// The refusals of masks.
const (
	badMask4 = "illegal virtual server persistent mask specified"
	badMask6 = "illegal ipv6 netmask specified"
)

// clientMask reads a mask: a prefix length for a service of IPv6 that was named
// before, else one of IPv4. One that leaves addresses whole is none.
func (q *request) clientMask(s string) error {
	read, refused := aton, badMask4
	if q.service.V6() {
		read, refused = prefixMask, badMask6
	}
	m, ok := read(s)
	if !ok {
		return misuse(refused)
	}
	if maskText(m) != "" {
		q.service.Netmask = m
	}
	return nil
}

// prefixMask reads the length of a prefix of IPv6, the number that s starts with,
// and gives its mask.
func prefixMask(s string) (netip.Addr, bool) {
	s = strings.TrimLeft(s, blanks)
	digits := strings.TrimPrefix(s, "+")
	if i := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = digits[:i]
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > 128 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom16([16]byte(net.CIDRMask(n, 128))), true
}

func (q *request) realServer(s string) error {
	proto := q.service.Protocol // whose names of ports count; empty: no names yet
	if q.service.FWMark != 0 {
		proto = "tcp"
	}
	addr, port, ok := q.names.endpoint(s, proto)
	if !ok {
		return misuse("illegal real server address[:port] specified")
	}
	q.server.Address, q.server.Port = addr, port
	return nil
}

func (q *request) direct(string) error     { return q.forwardBy(api.Direct) }
func (q *request) overTunnel(string) error { return q.forwardBy(api.Tunnel) }
func (q *request) masquerade(string) error { return q.forwardBy(api.Masquerade) }

func (q *request) forwardBy(method string) error {
	q.server.Method = method
	return nil
}

func (q *request) serverWeight(s string) error { return bounded(&q.server.Weight, s, "weight") }
func (q *request) upper(s string) error        { return bounded(&q.server.Upper, s, "u_threshold") }
func (q *request) lower(s string) error        { return bounded(&q.server.Lower, s, "l_threshold") }

// bounded reads a number that the kernel keeps in a signed 32-bit word.
func bounded(to *int, s, what string) error {
	n, ok := number(s, 0, math.MaxInt32)
	if !ok {
		return misuse("illegal " + what + " specified")
	}
	*to = n
	return nil
}

func (q *request) tunnelType(s string) error {
	if s != "ipip" && s != "gue" && s != "gre" {
		return misuse("illegal tunnel type specified")
	}
	q.server.Encap.Kind = s
	return nil
}

func (q *request) tunnelPort(s string) error {
	n, ok := number(s, 1, math.MaxUint16)
	if !ok {
		return misuse("illegal tunnel port specified")
	}
	q.server.Encap.Port = uint16(n)
	return nil
}

// daemonState reads the role behind --start-daemon and --stop-daemon.
func (q *request) daemonState(s string) error {
	switch {
	case s == api.SyncMaster || s == api.SyncBackup:
		q.daemon.Role = s
		return nil
	case q.command == startDaemon:
		return misuse("illegal start-daemon parameter specified")
	}
	return misuse("illegal start_daemon specified")
}

// maxName is how many bytes of an interface's name ipvsadm takes over; the kernel has no
// longer names.
const maxName = 15

func (q *request) mcastInterface(s string) error {
	q.daemon.Interface = s[:min(len(s), maxName)]
	return nil
}

func (q *request) syncID(s string) error {
	return ranged(&q.daemon.SyncID, s, 0, math.MaxUint8, "syncid")
}

func (q *request) syncMaxLen(s string) error {
	return ranged(&q.daemon.MaxLen, s, 1, math.MaxUint16, "sync-maxlen")
}

func (q *request) mcastPort(s string) error {
	var n int
	err := ranged(&n, s, 1, math.MaxUint16, "mcast-port")
	q.daemon.Port = uint16(n)
	return err
}

func (q *request) mcastTTL(s string) error {
	return ranged(&q.daemon.TTL, s, 1, math.MaxUint8, "mcast-ttl")
}

// ranged reads a number from least to most.
func ranged(to *int, s string, least, most int64, name string) error {
	n, ok := number(s, least, most)
	if !ok {
		return misuse("illegal " + name + " specified")
	}
	*to = n
	return nil
}

func (q *request) mcastGroup(s string) error {
	a, ok := aton(s)
	if !ok && strings.Contains(s, ":") {
		a, _ = netip.ParseAddr(s) // the zero Addr is no multicast address
	}
	if !a.IsMulticast() {
		return misuse("invalid IPv4 mcast-group `" + s + "'")
	}
	q.daemon.Group = a
	return nil
}
