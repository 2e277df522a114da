package netlab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mdlayher/packet"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/control/realserver"
	"lvsdr/dataplane/frame"
)

// TunnelIfname is the interface of a TunnelEnd.
const TunnelIfname = "tunnel0"

// feedIfname is its peer, by which packets come in.
const feedIfname = TunnelIfname + "-in"

// A TunnelEnd takes packets out of a tunnel in the place of a kernel that cannot.
// It reads them from sockets (IP protocols 4, 41 and 47, or a UDP port), and
// sends what is in them into a pair of veths, so that they come in by TunnelIfname,
// as by the kernel's device. The kernel puts fragments together before. It is
// for labs: it is slow.
type TunnelEnd struct {
	in   []net.PacketConn
	feed *packet.Conn
	mac  frame.MAC // of TunnelIfname
	kind string

	forget func()
	end    atomic.Bool // the sockets are being closed
	done   sync.WaitGroup
}

// OpenTunnelEnd starts a TunnelEnd on h, in which vip is its address. It is closed with h.
func OpenTunnelEnd(h *netns.Host, vip netip.Addr, t realserver.Tunnel) (*TunnelEnd, error) {
	e := &TunnelEnd{kind: t.Kind}
	err := e.open(h, vip, t)
	if err == nil {
		e.forget, err = h.Keep(e.stop)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open a tunnel's end on %s: %w", h.Name(), err), e.stop())
	}
	return e, nil
}

func (e *TunnelEnd) open(h *netns.Host, vip netip.Addr, t realserver.Tunnel) error {
	if err := e.makePair(h, vip); err != nil {
		return err
	}
	err := h.Do(func() (err error) {
		ifi, err := net.InterfaceByName(feedIfname)
		if err != nil {
			return err
		}
		e.feed, err = packet.Listen(ifi, packet.Raw, 0, nil) // which only sends
		return err
	})
	if err != nil {
		return err
	}
	for _, s := range sockets(t, vip.Is6()) {
		c, err := h.ListenPacket(s[0], s[1])
		if err != nil {
			return err
		}
		e.in = append(e.in, c)
		e.done.Go(func() { e.run(c) })
	}
	return nil
}

// makePair makes the veths. Their MTU is the greatest, as super-frames may come out of a
// tunnel.
func (e *TunnelEnd) makePair(h *netns.Host, vip netip.Addr) error {
	a := netlink.NewLinkAttrs()
	a.Name, a.MTU = TunnelIfname, maxMTU
	nl := h.Netlink()
	if err := nl.LinkAdd(&netlink.Veth{LinkAttrs: a, PeerName: feedIfname, PeerMTU: maxMTU}); err != nil {
		return fmt.Errorf("make %s: %w", TunnelIfname, err)
	}
	for _, name := range []string{feedIfname, TunnelIfname} {
		link, err := nl.LinkByName(name)
		if err == nil {
			err = nl.LinkSetUp(link)
		}
		if err != nil {
			return fmt.Errorf("set up %s: %w", name, err)
		}
		e.mac = frame.MAC(link.Attrs().HardwareAddr) // of the second in the end
	}
	for _, name := range []string{feedIfname, TunnelIfname} { // until then it would drop packets
		if err := h.WaitUp(context.Background(), name); err != nil {
			return err
		}
	}
	if vip.Is4() {
		if err := h.Sysctl("net.ipv4.conf."+TunnelIfname+".rp_filter", "0"); err != nil {
			return err
		}
		for key, value := range map[string]string{"arp_ignore": "1", "arp_announce": "2"} {
			if err := h.Sysctl("net.ipv4.conf.all."+key, value); err != nil {
				return err
			}
		}
	}
	link, err := nl.LinkByName(TunnelIfname)
	if err != nil {
		return err
	}
	addr := &netlink.Addr{IPNet: netns.IPNet(netip.PrefixFrom(vip, vip.BitLen())), Scope: unix.RT_SCOPE_HOST}
	if vip.Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	return nl.AddrAdd(link, addr)
}

// sockets are the networks and addresses at which a tunnel's packets arrive, in the words of
// package net. Where there is IPv6, either family may be outside.
func sockets(t realserver.Tunnel, ipv6 bool) [][2]string {
	families := []struct{ digit, any string }{{"4", "0.0.0.0"}}
	if ipv6 {
		families = append(families, struct{ digit, any string }{"6", "::"})
	}
	var all [][2]string
	for _, f := range families {
		switch t.Kind {
		case realserver.KindGUE:
			all = append(all, [2]string{"udp" + f.digit, net.JoinHostPort(f.any, fmt.Sprint(t.Port))})
		case realserver.KindGRE:
			all = append(all, [2]string{"ip" + f.digit + ":47", f.any})
		default:
			all = append(all, [2]string{"ip" + f.digit + ":4", f.any}, [2]string{"ip" + f.digit + ":41", f.any})
		}
	}
	return all
}

// Close ends it. The interface stays until the host is closed.
func (e *TunnelEnd) Close() error {
	e.forget()
	return e.stop()
}

func (e *TunnelEnd) stop() error {
	e.end.Store(true)
	var errs []error
	for _, c := range e.in {
		errs = append(errs, c.Close())
	}
	e.done.Wait()
	if e.feed != nil {
		errs = append(errs, e.feed.Close())
	}
	return errors.Join(errs...)
}

// run takes packets out until the socket is closed. What is no packet, or cannot be
// sent, is lost, as on any network.
func (e *TunnelEnd) run(c net.PacketConn) {
	buf := make([]byte, 1<<16)
	for {
		n, _, err := c.ReadFrom(buf)
		switch {
		case e.end.Load():
			return
		case err != nil:
			continue
		}
		if f := e.unwrap(buf[:n]); f != nil {
			_, _ = e.feed.WriteTo(f, &packet.Addr{HardwareAddr: net.HardwareAddr(e.mac[:])})
		}
	}
}

// etherTypes are those of IP by its version.
var etherTypes = map[byte]uint16{4: unix.ETH_P_IP, 6: unix.ETH_P_IPV6}

// unwrap is the packet in b as a frame for TunnelIfname; nil: there is none.
func (e *TunnelEnd) unwrap(b []byte) []byte {
	inner := innerPacket(e.kind, b)
	if len(inner) == 0 {
		return nil
	}
	kind, ok := etherTypes[inner[0]>>4]
	if !ok {
		return nil
	}
	f := slices.Concat(e.mac[:], e.mac[:], binary.BigEndian.AppendUint16(nil, kind), inner)
	finish(f)
	return f
}

// innerPacket is the packet that a tunnel of this kind carries in b, the payload of the outer IP
// packet, or of the UDP datagram; empty: b is too short.
func innerPacket(kind string, b []byte) []byte {
	skip := 0
	switch {
	case kind != realserver.KindIPIP && len(b) < 4:
		return nil
	case kind == realserver.KindGRE: // RFC 2784, with the key and the number of RFC 2890
		skip = 4
		for _, bit := range []byte{0x80, 0x20, 0x10} { // checksum, key, sequence number
			if b[0]&bit != 0 {
				skip += 4
			}
		}
	case kind == realserver.KindGUE: // the second byte is the protocol, the low bits of the first the length of options
		skip = 4 + 4*int(b[0]&0x1f)
	}
	return b[min(skip, len(b)):]
}

// finish makes the transport checksum of f where it is unfinished: a sender that
// leaves it to the network card writes the sum over the pseudo-header alone, and a
// socket does not see the note about that.
func finish(f []byte) {
	var h frame.Header
	frame.Parse(f, &h)
	at := map[frame.Proto]int{frame.ProtoTCP: 16, frame.ProtoUDP: 6}[h.Proto]
	if h.Fault != frame.NoFault || h.IsFragment() || at == 0 {
		return
	}
	segment := f[h.L4:h.End]
	pseudo := frame.PseudoSum(h.Src, h.Dst, h.Proto, len(segment))
	field := segment[at : at+2]
	if binary.BigEndian.Uint16(field) != frame.Fold(pseudo) {
		return
	}
	clear(field)
	sum := ^frame.Fold(frame.Sum(segment, pseudo))
	if sum == 0 && h.Proto == frame.ProtoUDP {
		sum = 0xffff // RFC 768: 0 means none
	}
	binary.BigEndian.PutUint16(field, sum)
}
