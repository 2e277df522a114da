package fault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"lvsdr/arp"
	"lvsdr/bench/netlab"
	"lvsdr/dataplane/frame"
)

func checksumOffload() Fault {
	return Fault{
		Name:    "checksum-offload",
		Summary: "a forwarder without vnet headers breaks checksums",
		Explain: `In the director's place stands a forwarder as one would write it first: it reads
frames from a packet socket, changes the MAC addresses and sends them. Between
containers and virtual machines a frame's transport checksum is not finished: the
kernel only notes that it has to be, and the note is not in the frame. A socket
without vnet headers (PACKET_VNET_HDR) loses it, the frame goes out with a wrong
checksum, and the real server drops it. Ping works, TCP does not. Elsewhere the
same fault is cured by "ethtool -K eth0 tx off" on the clients.`,
		Break: func(_ context.Context, s *Scene) error { return s.replaceDirector() },
		Shows: func(e *Evidence) Finding {
			vip := e.Scene.Lab.Spec.VIP
			bad := e.seen(func(p *netlab.Packet) bool {
				return e.atServer(p, in) && p.IsTo(vip) && p.Proto == frame.ProtoTCP && !p.Unfinished && !frame.L4ChecksumOK(p.Data, &p.Header)
			})
			answers := e.seen(func(p *netlab.Packet) bool { return e.atServer(p, out) && p.IsFrom(vip) && p.TCP(frame.SYN|frame.ACK) })
			return Finding{
				Shown: len(bad) > 0 && len(answers) == 0 && e.Failed() == e.Made(),
				Text: fmt.Sprintf("%d segments reached real servers with a wrong checksum; %d were answered; %d of %d requests failed",
					len(bad), len(answers), e.Failed(), e.Made()),
				Packets: bad,
			}
		},
	}
}

// replaceDirector ends the director and puts a plain in its place.
func (s *Scene) replaceDirector() error {
	if s.Director != nil {
		if err := s.Director.Stop(); err != nil {
			return err
		}
		s.Director = nil
	}
	f, err := startPlain(s)
	if err != nil {
		return err
	}
	s.later(f.stop)
	return nil
}

// A plain forwards as a director should not: every frame for the VIP to the real
// servers in turn by the last digit of the client's port, without vnet headers.
// It answers ARP for the VIP.
type plain struct {
	vip  frame.Addr
	lab  *netlab.Lab
	mac  frame.MAC    // of Ifname
	conn *packet.Conn // on Ifname
	out  *packet.Conn // towards the real servers
	via  frame.MAC    // of out's interface
	end  atomic.Bool  // the sockets are being closed
	done sync.WaitGroup
	err  error // why it ended; after done
}

// startPlain puts a plain in the place of the lab's director.
func startPlain(s *Scene) (*plain, error) {
	d := s.Lab.Director
	via := d.PortOn(s.Victim().Ports[0].Switch)
	f := &plain{vip: frame.AddrFrom(s.Lab.Spec.VIP), lab: s.Lab, mac: frame.MAC(d.MAC), via: frame.MAC(via.MAC)}
	err := d.Do(func() (err error) {
		if f.conn, err = listen(netlab.Ifname, unix.ETH_P_ALL); err != nil {
			return err
		}
		// This one only sends: no protocol means that it receives nothing.
		if f.out, err = listen(via.Ifname, 0); err != nil {
			return errors.Join(err, f.conn.Close())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("start a plain forwarder on %s: %w", d.Name(), err)
	}
	f.done.Go(func() { f.err = f.run() })
	return f, nil
}

// listen opens a packet socket in the calling thread's namespace.
func listen(ifname string, protocol int) (*packet.Conn, error) {
	ifi, err := net.InterfaceByName(ifname)
	if err != nil {
		return nil, err
	}
	return packet.Listen(ifi, packet.Raw, protocol, nil)
}

func (f *plain) stop() error {
	f.end.Store(true)
	err := f.conn.Close()
	f.done.Wait()
	return errors.Join(err, f.out.Close(), f.err)
}

// run forwards until the socket is closed. What cannot be sent is lost, as on
// any network.
func (f *plain) run() error {
	buf := make([]byte, 1<<17)
	for {
		n, _, err := f.conn.ReadFrom(buf)
		if err != nil && f.end.Load() {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		if b := f.reply(buf[:n]); b != nil {
			_, _ = f.conn.WriteTo(b, &packet.Addr{HardwareAddr: net.HardwareAddr(b[:6])})
		} else if f.forward(buf[:n]) {
			_, _ = f.out.WriteTo(buf[:n], &packet.Addr{HardwareAddr: net.HardwareAddr(buf[:6])})
		}
	}
}

// reply is the answer to b, where that is the question for the VIP; else nil.
func (f *plain) reply(b []byte) []byte {
	in, ok := arp.Parse(b)
	if !ok || in.Op != arp.Request || in.TargetIP != f.vip.IP() || in.SenderMAC == f.mac {
		return nil
	}
	p := arp.Packet{Dst: in.SenderMAC, Src: f.mac, Op: arp.Reply, SenderMAC: f.mac, SenderIP: in.TargetIP,
		TargetMAC: in.SenderMAC, TargetIP: in.SenderIP}
	return p.Frame()
}

// forward makes b a frame for a real server and reports whether it is one.
func (f *plain) forward(b []byte) bool {
	var h frame.Header
	frame.Parse(b, &h)
	if h.Fault != frame.NoFault || h.Dst != f.vip || frame.DstMAC(b) != f.mac {
		return false // its own frames are captured here too
	}
	to := f.lab.Servers[int(h.SrcPort)%len(f.lab.Servers)]
	frame.SetMACs(b, frame.MAC(to.MAC), f.via)
	return true
}
