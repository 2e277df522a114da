package check

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A visit is a connection to a server, up to its end, as the frames that the server's
// interface received tell it.
type visit struct {
	local, remote netip.AddrPort
	end           string // what the client ended it by, "RST" or "FIN"
	acked         bool   // the client acknowledged the server's SYN before, so that its program saw a connection
}

// flags of TCP, RFC 9293 section 3.1.
const (
	tcpFIN = 0x01
	tcpSYN = 0x02
	tcpRST = 0x04
)

// watch tells of the connections to a port of the host until the test ends.
func (h host) watch(port uint16) <-chan visit {
	h.t.Helper()
	fd := -1
	must(h.t, h.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(swap(unix.ETH_P_ALL)))
		return err
	}))
	must(h.t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000}))
	seen, done := make(chan visit, 100), make(chan bool)
	h.t.Cleanup(func() { close(done) })
	go func() {
		defer unix.Close(fd)
		open, buf := map[netip.AddrPort]*visit{}, make([]byte, 2048)
		for {
			select {
			case <-done:
				return
			default:
			}
			n, from, err := unix.Recvfrom(fd, buf, 0)
			if err != nil {
				continue // the time is over
			}
			if l := from.(*unix.SockaddrLinklayer); l.Pkttype == unix.PACKET_HOST && l.Hatype == unix.ARPHRD_ETHER {
				follow(open, seen, port, buf[:n])
			}
		}
	}()
	return seen
}

// follow takes an IP packet that a server received.
func follow(open map[netip.AddrPort]*visit, seen chan<- visit, port uint16, p []byte) {
	local, remote, flags, ok := segment(p)
	if !ok || local.Port() != port {
		return
	}
	switch v := open[remote]; {
	case flags&tcpSYN != 0:
		open[remote] = &visit{local: local, remote: remote}
	case v == nil:
	case flags&tcpRST != 0:
		v.end = "RST"
	case flags&tcpFIN != 0:
		v.end, v.acked = "FIN", true
	default:
		v.acked = true
	}
	if v := open[remote]; v != nil && v.end != "" {
		seen <- *v
		delete(open, remote)
	}
}

// segment reads the headers of a TCP segment; false: it is none. Options of IPv4 and
// extension headers of IPv6 do not occur.
func segment(p []byte) (dst, src netip.AddrPort, flags byte, ok bool) {
	var from, to netip.Addr
	switch {
	case len(p) >= 40 && p[0] == 0x45 && p[9] == unix.IPPROTO_TCP:
		from, to = netip.AddrFrom4([4]byte(p[12:])), netip.AddrFrom4([4]byte(p[16:]))
		p = p[20:]
	case len(p) >= 60 && p[0]>>4 == 6 && p[6] == unix.IPPROTO_TCP:
		from, to = netip.AddrFrom16([16]byte(p[8:])), netip.AddrFrom16([16]byte(p[24:]))
		p = p[40:]
	default:
		return
	}
	src = netip.AddrPortFrom(from, binary.BigEndian.Uint16(p))
	dst = netip.AddrPortFrom(to, binary.BigEndian.Uint16(p[2:]))
	return dst, src, p[13], true
}

// swap is v in network byte order.
func swap(v uint16) uint16 { return v<<8 | v>>8 }

// quiet makes attempts until the server's program saw nothing of one, and gives that visit. The
// acknowledgement is delayed for 200 ms (TCP_DELACK_MAX of the kernel): on a busy
// machine an attempt may take longer.
func quiet(t *testing.T, p Probe, visits <-chan visit) visit {
	t.Helper()
	var v visit
	for range 20 {
		must(t, try(t, p, time.Minute))
		if v = <-visits; !v.acked {
			return v
		}
	}
	t.Fatalf("the server's program saw all of 20 attempts, the last one %+v", v)
	return v
}
