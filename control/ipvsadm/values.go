package ipvsadm

import (
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// number reads a decimal number as strtol does, blanks and a sign before it
// included, with nothing behind it.
func number(s string, least, most int64) (int, bool) {
	n, err := strconv.ParseInt(strings.TrimLeft(s, " \t\n\v\f\r"), 10, 64)
	return int(n), err == nil && n >= least && n <= most
}

func badTimeout(s string) error { return misuse("invalid timeout value `" + s + "' specified") }

func ignore(*request, string) error { return nil }

func (q *request) tcpService(s string) error  { return q.serviceOf(frame.ProtoTCP, s) }
func (q *request) udpService(s string) error  { return q.serviceOf(frame.ProtoUDP, s) }
func (q *request) sctpService(s string) error { return q.serviceOf(frame.ProtoSCTP, s) }

func (q *request) serviceOf(proto frame.Proto, s string) error {
	addr, port, ok := q.names.endpoint(s, proto)
	if !ok {
		return misuse("illegal virtual server address[:port] specified")
	}
	q.service.Key = dataplane.ServiceKey{Proto: proto, Addr: addr, Port: port}
	return nil
}

func (q *request) markService(s string) error {
	n, ok := number(s, 1, math.MaxUint32)
	if !ok {
		return misuse("invalid fwmark value `" + s + "' specified")
	}
	q.service.Key = dataplane.ServiceKey{Mark: uint32(n)}
	return nil
}

func (q *request) ipv6(string) error {
	if q.service.Key.Mark == 0 {
		return misuse("-6 used before -f")
	}
	q.service.Key.IPv6 = true
	return nil
}

func (q *request) schedulerName(s string) error {
	if s != "" {
		q.service.Scheduler = s
	}
	return nil
}

func (q *request) engineName(s string) error {
	q.engine = s
	return nil
}

func (q *request) persistence(s string) error {
	n, ok := number(s, 1, maxSeconds)
	if !ok {
		return badTimeout(s)
	}
	q.service.Persistence = time.Duration(n) * time.Second
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

// clientMask reads a mask. Whether it fits the service is judged when that is
// known.
func (q *request) clientMask(s string) error {
	q.mask = s
	if q.given[serviceAddress] {
		return q.setMask()
	}
	if _, four := mask4(s); !four {
		if _, six := mask6(s); !six {
			return misuse(badMask4)
		}
	}
	return nil
}

// setMask takes over the mask. One that leaves addresses whole is none.
func (q *request) setMask() error {
	k := &q.service.Key
	if k.IPv6 || k.Mark == 0 && !k.Addr.Is4() {
		m, ok := mask6(q.mask)
		if !ok {
			return misuse(badMask6)
		}
		q.service.Mask = m
	} else {
		m, ok := mask4(q.mask)
		if !ok {
			return misuse(badMask4)
		}
		q.service.Mask = m
	}
	if maskText(q.service.Mask) == "" {
		q.service.Mask = frame.Addr{}
	}
	return nil
}

func mask4(s string) (frame.Addr, bool) {
	m, err := netip.ParseAddr(s)
	return frame.AddrFrom(m), err == nil && m.Is4()
}

func mask6(s string) (frame.Addr, bool) {
	n, ok := number(s, 1, 128)
	if !ok {
		return frame.Addr{}, false
	}
	return frame.Addr(net.CIDRMask(n, 128)), true
}

func (q *request) realServer(s string) error {
	proto := q.service.Key.Proto // whose names of ports count; 0: no names yet
	if q.service.Key.Mark != 0 {
		proto = frame.ProtoTCP
	}
	addr, port, ok := q.names.endpoint(s, proto)
	if !ok {
		return misuse("illegal real server address[:port] specified")
	}
	q.addr, q.port = addr, port
	return nil
}

func (q *request) direct(string) error     { return q.forwardBy('g') }
func (q *request) overTunnel(string) error { return q.forwardBy('i') }
func (q *request) masquerade(string) error { return q.forwardBy('m') }

func (q *request) forwardBy(method byte) error {
	q.forward = method
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

// What follows is read in order to be refused for the right reason.

func (q *request) tunnelType(s string) error {
	if s != "ipip" && s != "gue" && s != "gre" {
		return misuse("illegal tunnel type specified")
	}
	q.tunnel = s
	return nil
}

func (q *request) tunnelPort(s string) error {
	if _, ok := number(s, 1, math.MaxUint16); !ok {
		return misuse("illegal tunnel port specified")
	}
	return nil
}

func daemonState(c command, s string) error {
	switch {
	case s == "master" || s == "backup":
		return nil
	case c == startDaemon:
		return misuse("illegal start-daemon parameter specified")
	}
	return misuse("illegal start_daemon specified")
}

func (q *request) syncID(s string) error     { return ranged(s, 0, math.MaxUint8, "syncid") }
func (q *request) syncMaxLen(s string) error { return ranged(s, 1, math.MaxUint16, "sync-maxlen") }
func (q *request) mcastPort(s string) error  { return ranged(s, 1, math.MaxUint16, "mcast-port") }
func (q *request) mcastTTL(s string) error   { return ranged(s, 1, math.MaxUint8, "mcast-ttl") }

func ranged(s string, least, most int64, what string) error {
	if _, ok := number(s, least, most); !ok {
		return misuse("illegal " + what + " specified")
	}
	return nil
}

func (q *request) mcastGroup(s string) error {
	if a, err := netip.ParseAddr(s); err != nil || !a.IsMulticast() {
		return misuse("invalid IPv4 mcast-group `" + s + "'")
	}
	return nil
}
