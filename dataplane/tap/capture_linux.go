package tap

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Config shapes a Capture. The zero Config captures everything.
type Config struct {
	// BPF is a classic filter program run by the kernel, which looks at frames
	// without their VLAN tag.
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
	drainLimit      = 1 << 16 // frames read at one go by Frames
)

// A Capture collects the frames of one interface until Stop. Its methods may be
// used concurrently.
type Capture struct {
	host, ifname string
	socket       *Socket
	config       Config
	read         chan struct{} // closed when the reader has ended

	once sync.Once // guards the only stop
	err  error     // its result

	mu      sync.Mutex // guards the fields below and every receive
	frames  []Frame
	bytes   int
	lost    uint64
	broken  error // why receiving ended early
	stopped bool  // nothing is received any more
}

// Start starts to collect the frames of an interface of the calling thread's
// namespace, in both directions; they are labelled with host. Nothing sent after
// it returns is missed.
func Start(host, ifname string, c Config) (*Capture, error) {
	if c.MaxBytes == 0 {
		c.MaxBytes = defaultMaxBytes
	}
	p := &Capture{host: host, ifname: ifname, config: c, read: make(chan struct{})}
	ifi, err := net.InterfaceByName(ifname)
	if err == nil {
		p.socket, err = Open(ifi.Index, c.BPF)
	}
	if err != nil {
		return nil, p.named(err)
	}
	go p.run()
	return p, nil
}

// named is err with the place of the capture.
func (p *Capture) named(err error) error {
	if p.host == "" {
		return fmt.Errorf("capture on %s: %w", p.ifname, err)
	}
	return fmt.Errorf("capture on %s of %s: %w", p.ifname, p.host, err)
}

// Host is the host's name, as Start was told it.
func (p *Capture) Host() string { return p.host }

// Ifname is the interface's name.
func (p *Capture) Ifname() string { return p.ifname }

// run collects frames until the socket's read deadline passes or receiving
// fails.
func (p *Capture) run() {
	defer close(p.read)
	var failed error
	err := p.socket.raw.Read(func(fd uintptr) bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.stopped {
			failed = p.drain(int(fd))
		}
		return failed != nil // else wait for more
	})
	if err = errors.Join(err, failed); !errors.Is(err, os.ErrDeadlineExceeded) {
		p.mu.Lock()
		p.broken = errors.Join(p.broken, err)
		p.mu.Unlock()
	}
}

// drain receives what waits in the socket, at most drainLimit frames. It wants
// p.mu.
func (p *Capture) drain(fd int) error {
	for range drainLimit {
		f, err := p.socket.next(fd)
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		if err != nil {
			return err
		}
		p.add(f)
	}
	return nil
}

// add keeps a copy of a frame, or counts it as lost.
func (p *Capture) add(f Frame) {
	if p.config.Filter != nil && !p.config.Filter(f.Data) {
		return
	}
	if p.bytes+len(f.Data)+frameOverhead > p.config.MaxBytes {
		p.lost++
		return
	}
	p.bytes += len(f.Data) + frameOverhead
	f.Host, f.Ifname, f.Data = p.host, p.ifname, slices.Clone(f.Data)
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
func (p *Capture) sync() { p.broken = errors.Join(p.broken, p.socket.control(p.drain)) }

// Lost is the number of frames forgotten because of MaxBytes and those for
// which the kernel had no room.
func (p *Capture) Lost() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stopped {
		p.lost += p.socket.drops()
	}
	return p.lost
}

// Stop ends the capture at once, with the frames seen until now; Frames and
// Lost go on to give them. The error says that receiving failed, now or
// earlier. A second Stop gives the same.
func (p *Capture) Stop() error {
	p.once.Do(func() {
		p.mu.Lock()
		_ = p.socket.refuse() // so that sync comes to an end also under load; else drainLimit ends it
		p.sync()
		p.lost += p.socket.drops()
		p.stopped = true
		p.mu.Unlock()

		err := p.socket.file.SetReadDeadline(time.Unix(1, 0)) // wakes the reader
		<-p.read
		if err = errors.Join(p.broken, err, p.socket.Close()); err != nil {
			p.err = p.named(err)
		}
		p.socket.buf = nil
	})
	return p.err
}
