package netlab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

// A Frame is one captured frame.
type Frame struct {
	Time     time.Time // by the kernel's clock, when the interface saw it
	Host     string    // name of the host
	Ifname   string    // interface in the host
	Outgoing bool      // sent by the host, not received
	// Unfinished says that the kernel still knows that the transport checksum
	// has to be finished: by the network card, or never on a virtual cable.
	// A frame that was received, has a wrong checksum and is not Unfinished is
	// one that its receiver drops.
	Unfinished bool
	// Data is the frame from its Ethernet header on. A VLAN tag the kernel has
	// taken out is missing, a transport checksum may be unfinished, and the
	// frame may be a segmentation-offload super-frame longer than the MTU.
	Data []byte
}

// CaptureConfig shapes a Capture. The zero value captures everything.
type CaptureConfig struct {
	// BPF is a classic filter program run by the kernel.
	BPF []bpf.RawInstruction
	// Filter is asked about each frame the program let pass; it must not keep
	// data. It is called from one goroutine at a time.
	Filter func(data []byte) bool
	// MaxBytes bounds the memory the frames take; later frames are counted by
	// Lost and forgotten. Default 64 MiB.
	MaxBytes int
}

const (
	defaultMaxBytes = 64 << 20
	frameOverhead   = 128     // what a Frame costs beside its data, about
	maxFrame        = 1 << 17 // 64 KiB super-frame, its headers, and room
	captureBuffer   = 8 << 20 // socket buffer asked for, bytes
	drainLimit      = 1 << 16 // frames read at one go by Frames
)

// A Capture collects the frames of one interface until Stop or until the
// host's Close. Its methods may be used concurrently.
type Capture struct {
	host, ifname string
	file         *os.File // non-blocking packet socket
	config       CaptureConfig
	forget       func()
	read         chan struct{} // closed when the reader has ended

	once sync.Once // guards the only stop
	err  error     // its result

	mu      sync.Mutex // guards the fields below and every receive
	buf     []byte     // maxFrame bytes
	oob     []byte
	frames  []Frame
	bytes   int
	lost    uint64
	broken  error // why receiving ended early
	stopped bool  // nothing is received any more
}

// Capture is StartCapture on the node.
func (n *Node) Capture(ifname string, c CaptureConfig) (*Capture, error) {
	return StartCapture(n.Host, ifname, c)
}

// StartCapture starts to collect frames of an interface of the host, both
// directions. Nothing sent after it returns is missed.
func StartCapture(h *netns.Host, ifname string, c CaptureConfig) (*Capture, error) {
	if c.MaxBytes == 0 {
		c.MaxBytes = defaultMaxBytes
	}
	p := &Capture{
		host: h.Name(), ifname: ifname, config: c, read: make(chan struct{}),
		buf: make([]byte, maxFrame), oob: make([]byte, controlSpace()),
	}
	err := h.Do(func() (err error) {
		p.file, err = packetSocket(ifname, c.BPF)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("capture on %s of %s: %w", ifname, h.Name(), err)
	}
	if p.forget, err = h.Keep(p.stop); err != nil {
		return nil, errors.Join(err, p.file.Close())
	}
	go p.run()
	return p, nil
}

// packetSocket opens a non-blocking packet socket that sees every frame of an
// interface of the calling thread's namespace.
func packetSocket(ifname string, filter []bpf.RawInstruction) (*os.File, error) {
	ifi, err := net.InterfaceByName(ifname)
	if err != nil {
		return nil, err
	}
	// Protocol 0: the socket receives nothing before it is bound, so no frame
	// gets past the filter.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), "packet socket on "+ifname)
	if err := setUpPacketSocket(fd, ifi.Index, filter); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func setUpPacketSocket(fd, ifindex int, filter []bpf.RawInstruction) error {
	if len(filter) > 0 {
		if err := attach(fd, filter); err != nil {
			return err
		}
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return os.NewSyscallError("setsockopt SO_TIMESTAMPNS", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
		return os.NewSyscallError("setsockopt PACKET_AUXDATA", err)
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, captureBuffer) != nil {
		// Not allowed everywhere; what the system's limit gives must do.
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, captureBuffer); err != nil {
			return os.NewSyscallError("setsockopt SO_RCVBUF", err)
		}
	}
	all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: ifindex})
	return os.NewSyscallError("bind", err)
}

// attach gives the socket a filter program, in place of the one it has.
func attach(fd int, filter []bpf.RawInstruction) error {
	prog := make([]unix.SockFilter, len(filter))
	for i, in := range filter {
		prog[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]})
	return os.NewSyscallError("setsockopt SO_ATTACH_FILTER", err)
}

// run collects frames until the file's read deadline passes or receiving
// fails.
func (p *Capture) run() {
	defer close(p.read)
	raw, err := p.file.SyscallConn()
	if err == nil {
		var failed error
		err = raw.Read(func(fd uintptr) bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			if !p.stopped {
				failed = p.drain(int(fd))
			}
			return failed != nil // else wait for more
		})
		err = errors.Join(err, failed)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		p.mu.Lock()
		p.broken = errors.Join(p.broken, err)
		p.mu.Unlock()
	}
}

// controlSpace is the room that the control messages of a frame take.
func controlSpace() int { return stampSpace() + unix.CmsgSpace(auxdataLen) }

// Of struct tpacket_auxdata, from <linux/if_packet.h>.
const (
	auxdataLen  = 20
	auxStatus   = 0      // u32, host byte order
	csumPending = 1 << 3 // TP_STATUS_CSUMNOTREADY
)

// readControl reads the control messages of a frame: when it was seen, the
// zero Time where that is missing, and whether its checksum is unfinished.
func readControl(oob []byte) (stamp time.Time, unfinished bool) {
	stamp, _ = readStamp(oob)
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return stamp, false
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA && len(m.Data) >= auxdataLen {
			unfinished = binary.NativeEndian.Uint32(m.Data[auxStatus:])&csumPending != 0
		}
	}
	return stamp, unfinished
}

// drain receives what waits in the socket, at most drainLimit frames. It wants
// p.mu.
func (p *Capture) drain(fd int) error {
	for range drainLimit {
		n, oobn, _, from, err := unix.Recvmsg(fd, p.buf, p.oob, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ENETDOWN):
			continue // the socket wakes up again with its interface
		case err != nil:
			return os.NewSyscallError("recvmsg", err)
		}
		p.add(p.buf[:n], p.oob[:oobn], from)
	}
	return nil
}

// add keeps a copy of a frame, or counts it as lost.
func (p *Capture) add(data, oob []byte, from unix.Sockaddr) {
	if p.config.Filter != nil && !p.config.Filter(data) {
		return
	}
	if p.bytes+len(data)+frameOverhead > p.config.MaxBytes {
		p.lost++
		return
	}
	p.bytes += len(data) + frameOverhead
	f := Frame{Host: p.host, Ifname: p.ifname, Data: slices.Clone(data)}
	f.Time, f.Unfinished = readControl(oob)
	if ll, ok := from.(*unix.SockaddrLinklayer); ok {
		f.Outgoing = ll.Pkttype == unix.PACKET_OUTGOING
	}
	p.frames = append(p.frames, f)
}

// Frames are the frames so far, in the order the interface saw them. The slice
// is the caller's, the data is shared and must not be changed. A frame whose
// effect the caller has observed, such as the answer to a request, is there.
func (p *Capture) Frames() []Frame {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stopped {
		p.sync()
	}
	return slices.Clone(p.frames)
}

// sync collects what the reader has not come to yet. It wants p.mu.
func (p *Capture) sync() {
	raw, err := p.file.SyscallConn()
	if err != nil {
		p.broken = errors.Join(p.broken, err)
		return
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = p.drain(int(fd)) })
	p.broken = errors.Join(p.broken, err, failed)
}

// Lost is the number of frames forgotten because of MaxBytes and those for
// which the kernel had no room.
func (p *Capture) Lost() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stopped {
		p.countDrops()
	}
	return p.lost
}

// countDrops adds the kernel's count, which reading sets to 0, to lost. It
// wants p.mu.
func (p *Capture) countDrops() {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		if s, err := unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			p.lost += uint64(s.Drops)
		}
	})
}

// Stop ends the capture at once, with the frames seen until now; Frames and
// Lost go on to give them. The error says that receiving failed, now or
// earlier. A second Stop does nothing.
func (p *Capture) Stop() error {
	p.forget()
	return p.stop()
}

func (p *Capture) stop() error {
	p.once.Do(func() {
		p.mu.Lock()
		p.shut()
		p.sync()
		p.countDrops()
		p.stopped = true
		p.mu.Unlock()

		err := p.file.SetReadDeadline(time.Unix(1, 0)) // wakes the reader
		<-p.read
		if err = errors.Join(p.broken, err, p.file.Close()); err != nil {
			p.err = fmt.Errorf("capture on %s of %s: %w", p.ifname, p.host, err)
		}
		p.buf = nil
	})
	return p.err
}

// shut makes the socket accept no frame any more, so that sync comes to an
// end also under load.
func (p *Capture) shut() {
	reject, err := bpf.Assemble([]bpf.Instruction{bpf.RetConstant{Val: 0}})
	if err != nil {
		panic(err) // a constant program
	}
	raw, err := p.file.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _ = attach(int(fd), reject) }) // else drainLimit ends it
}
