package afpacket

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"lvsdr/dataplane/frame"
)

// floodFrames is how many frames on the wire one call of sendmmsg(2) makes: few
// beside the slots of a ring, many beside what a call costs.
const floodFrames = 64

// A Flood sends the same frames by one interface again and again, as fast as
// the kernel takes them: a generator for benchmarks. It is used by one
// goroutine.
type Flood struct {
	name   string
	fd     int
	msgs   []mmsghdr
	iovs   []unix.Iovec
	addr   unix.RawSockaddrLinklayer // of all msgs
	pieces []int                     // frames on the wire, of each message
	batch  int                       // messages in a call
	next   int
}

// OpenFlood prepares a flood of frames, whole Ethernet frames that are copied.
// It needs CAP_NET_RAW, see packet(7).
//
// With a segment of more than 0, frames are to be UDP in IPv4 without options or in IPv6
// without extension headers, and the kernel makes of each as many frames as there are segments of that
// many bytes in its payload (UDP generic segmentation offload), which costs it
// less than to be asked for each. If the interface leaves that to its peer, as
// veth does, SetTxChecksum makes the kernel do it.
func OpenFlood(ifi *net.Interface, frames [][]byte, segment int) (*Flood, error) {
	if len(frames) == 0 || segment < 0 {
		return nil, fmt.Errorf("open flood on %s: %d frames, segments of %d bytes", ifi.Name, len(frames), segment)
	}
	f := &Flood{name: ifi.Name, msgs: make([]mmsghdr, len(frames)), iovs: make([]unix.Iovec, len(frames)),
		pieces: make([]int, len(frames)), batch: floodFrames}
	f.addr = unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Ifindex: int32(ifi.Index)}
	for i, frame := range frames {
		buf := append(make([]byte, vnetLen, vnetLen+len(frame)), frame...)
		f.pieces[i] = 1
		if segment > 0 {
			ip := ipHeader(frame)
			if ip.len == 0 {
				return nil, fmt.Errorf("open flood on %s: frame %d is not UDP in IPv4 without options or in plain IPv6", ifi.Name, i)
			}
			f.pieces[i] = (len(frame) - ip.heads() + segment - 1) / segment
			ip.askToSegment(buf, segment)
		}
		f.batch = min(f.batch, max(floodFrames/f.pieces[i], 1))
		f.iovs[i].Base = &buf[0]
		f.iovs[i].SetLen(len(buf))
		h := &f.msgs[i].hdr
		h.Iov = &f.iovs[i]
		h.SetIovlen(1)
		setName(h, &f.addr)
	}
	f.addr.Protocol = binary.NativeEndian.Uint16(frames[0][macsLen:]) // stays in network order
	var err error
	if f.fd, err = floodSocket(ifi); err != nil {
		return nil, fmt.Errorf("open flood on %s: %w", ifi.Name, err)
	}
	return f, nil
}

// ip locates the parts of an IP header that a flood needs.
type ip struct {
	len   int // bytes; 0: it is none of those that a flood takes
	addrs int // where the addresses begin, which end with it
}

// heads are the bytes before the payload: Ethernet, IP and UDP.
func (h ip) heads() int { return etherLen + h.len + frame.UDPLen }

// ipHeader is that of a frame which has UDP behind it, and a payload.
func ipHeader(f []byte) ip {
	v4, v6 := ip{frame.IPv4Len, frame.Off4Src}, ip{frame.IPv6Len, frame.Off6Src}
	switch {
	case len(f) > v4.heads() && f[etherLen] == 0x45 && f[etherLen+frame.Off4Proto] == unix.IPPROTO_UDP:
		return v4
	case len(f) > v6.heads() && f[etherLen]>>4 == 6 && f[etherLen+frame.Off6Next] == unix.IPPROTO_UDP:
		return v6
	}
	return ip{}
}

// askToSegment writes the struct virtio_net_hdr (<linux/virtio_net.h>) of the
// UDP frame behind it, for segments of that many bytes of payload.
func (h ip) askToSegment(buf []byte, segment int) {
	const gsoUDPL4 = 5  // VIRTIO_NET_HDR_GSO_UDP_L4
	const sumOffset = 6 // of the checksum, in the UDP header
	buf[vnetFlags], buf[vnetGSOType] = vnetNeedsCsum, gsoUDPL4
	binary.NativeEndian.PutUint16(buf[vnetHdrLen:], uint16(h.heads()))
	binary.NativeEndian.PutUint16(buf[vnetGSOSize:], uint16(segment))
	binary.NativeEndian.PutUint16(buf[vnetCsumStart:], uint16(etherLen+h.len))
	binary.NativeEndian.PutUint16(buf[vnetCsumStart+2:], sumOffset)
	// An unfinished checksum is the sum of the pseudo header, RFC 768 and RFC 8200.
	head := buf[vnetLen+etherLen:]
	udp := head[h.len:]
	sum := uint32(unix.IPPROTO_UDP) + uint32(binary.BigEndian.Uint16(udp[4:]))
	for i := h.addrs; i < h.len; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(head[i:]))
	}
	binary.BigEndian.PutUint16(udp[sumOffset:], frame.Fold(sum))
}

// floodSocket opens a socket that receives nothing and sends frames with a
// virtio_net_hdr. It goes through the interface's queueing discipline, which
// veth does not have: PACKET_QDISC_BYPASS was measured to be slower there,
// because the kernel then hashes each frame to choose a queue.
func floodSocket(ifi *net.Interface) (int, error) {
	conn, err := packet.Listen(ifi, packet.Raw, 0, nil)
	if err != nil {
		return -1, err
	}
	fd, err := duplicate(conn)
	if cerr := conn.Close(); err == nil && cerr != nil {
		_ = unix.Close(fd)
		return -1, cerr
	}
	if err != nil {
		return -1, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
		_ = unix.Close(fd)
		return -1, os.NewSyscallError("setsockopt PACKET_VNET_HDR", err)
	}
	return fd, nil
}

// Send sends the next frames, about 64 of them, and returns how many frames on
// the wire the kernel has taken: none when its queues are full.
func (f *Flood) Send() (int, error) {
	n, errno := sendmmsg(f.fd, f.msgs[f.next:min(f.next+f.batch, len(f.msgs))])
	switch errno {
	case 0:
	case unix.EAGAIN, unix.ENOBUFS, unix.EINTR:
		return 0, nil
	default:
		return 0, fmt.Errorf("flood %s: %w", f.name, os.NewSyscallError("sendmmsg", errno))
	}
	frames := 0
	for _, k := range f.pieces[f.next : f.next+n] {
		frames += k
	}
	f.next = (f.next + n) % len(f.msgs)
	return frames, nil
}

// Close closes the socket.
func (f *Flood) Close() error { return os.NewSyscallError("close", unix.Close(f.fd)) }

// SetTxChecksum says whether the interface finishes checksums of what it sends,
// or seems to (ETHTOOL_STXCSUM, <linux/ethtool.h>). Without, there is no
// segmentation by the interface either. It needs CAP_NET_ADMIN.
func SetTxChecksum(ifname string, on bool) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer func() { _ = unix.Close(fd) }() // nothing was sent
	v := ethtoolValue{cmd: unix.ETHTOOL_STXCSUM}
	if on {
		v.data = 1
	}
	if errno := ethtool(fd, ifname, &v); errno != 0 {
		return fmt.Errorf("set checksum offload of %s: %w", ifname, os.NewSyscallError("ioctl SIOCETHTOOL", errno))
	}
	return nil
}
