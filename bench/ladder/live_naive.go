package ladder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"lvsdr/dataplane/frame"
)

// ForwardNaively is a forwarder as one would write it first: a packet socket
// that is read and written a frame at a time, gopacket.NewPacket, a Go map. It
// serves a UDP service and does not answer ARP. Args are the interface towards
// the clients, that towards the servers, the service as ADDR:PORT and the real
// servers as ADDR=MAC. It writes a line to ready when it receives, and runs
// until ctx is done.
func ForwardNaively(ctx context.Context, ready io.Writer, args []string) error {
	in, out, s, err := naiveSetup(args)
	if err != nil {
		return err
	}
	c, err := NewNaive(s)
	if err != nil {
		return err
	}
	conn, err := packet.Listen(in, packet.Raw, unix.ETH_P_IP, nil)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", in.Name, err)
	}
	// The other socket only sends: no protocol means that it gets nothing.
	send, err := packet.Listen(out, packet.Raw, 0, nil)
	if err != nil {
		return errors.Join(fmt.Errorf("listen on %s: %w", out.Name, err), conn.Close())
	}
	stop := context.AfterFunc(ctx, func() { _ = errors.Join(conn.Close(), send.Close()) })
	defer stop()
	if _, err := fmt.Fprintln(ready, "ready"); err != nil {
		return err
	}
	buf, batch := make([]byte, 1<<16), make([][]byte, 1)
	for {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("receive: %w", err)
		}
		batch[0] = buf[:n]
		if c.Forward(batch, firstMoment) == 0 {
			continue
		}
		to := &packet.Addr{HardwareAddr: net.HardwareAddr(buf[:6])}
		// A full device queue is this forwarder's loss, and is seen as such.
		_, _ = send.WriteTo(batch[0], to)
	}
}

// naiveSetup reads the arguments of ForwardNaively.
func naiveSetup(args []string) (in, out *net.Interface, s Setup, err error) {
	s = DefaultSetup(1 << 20)
	s.Proto, s.Servers = frame.ProtoUDP, nil
	if len(args) < 4 {
		return nil, nil, s, fmt.Errorf("%d arguments: want two interfaces, a service and real servers", len(args))
	}
	if in, err = net.InterfaceByName(args[0]); err != nil {
		return nil, nil, s, fmt.Errorf("find %s: %w", args[0], err)
	}
	if out, err = net.InterfaceByName(args[1]); err != nil {
		return nil, nil, s, fmt.Errorf("find %s: %w", args[1], err)
	}
	copy(s.MAC[:], out.HardwareAddr)
	vip, err := netip.ParseAddrPort(args[2])
	if err != nil || !vip.Addr().Is4() {
		return nil, nil, s, fmt.Errorf("service %q: want an IPv4 address and a port", args[2])
	}
	s.VIP, s.Port = vip.Addr().As4(), vip.Port()
	for _, a := range args[3:] {
		addr, mac, _ := strings.Cut(a, "=")
		ip, err := netip.ParseAddr(addr)
		hw, err2 := net.ParseMAC(mac)
		if err != nil || err2 != nil || !ip.Is4() || len(hw) != 6 {
			return nil, nil, s, fmt.Errorf("real server %q: want ADDR=MAC", a)
		}
		s.Servers = append(s.Servers, Server{Addr: ip.As4(), MAC: frame.MAC(hw)})
	}
	return in, out, s, nil
}
