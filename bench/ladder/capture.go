package ladder

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"lvsdr/dataplane/frame"
)

// A Capture is frames of one service out of a capture file.
type Capture struct {
	Frames [][]byte
	Proto  frame.Proto
	VIP    [4]byte
	Port   uint16
}

// maxLength is the longest frame an Ethernet of MTU 1500 has, in bytes: what a
// capture has beyond are segmentation-offload super-frames, for which a
// Forwarder is not told how to cut them.
const maxLength = 1514

// maxCapture bounds the memory that a capture takes, in bytes.
const maxCapture = 1 << 30

// OpenCapture reads a pcap or pcapng file of Ethernet frames. The service is
// the IPv4 address, protocol (TCP or UDP) and port that most of the frames are
// for; the others, those cut short and those longer than 1514 bytes are left
// out.
func OpenCapture(name string) (*Capture, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err // names the file
	}
	defer f.Close()
	c, err := ReadCapture(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return c, nil
}

// A frameReader is a pcap or a pcapng file.
type frameReader interface {
	ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
	LinkType() layers.LinkType
}

// pcapngMagic begins a pcapng file: the type of its section header block.
var pcapngMagic = []byte{0x0a, 0x0d, 0x0d, 0x0a}

// ReadCapture is OpenCapture of what r gives.
func ReadCapture(r io.Reader) (c *Capture, err error) {
	// pcapgo divides by zero over the time stamp resolutions of damaged files.
	defer func() {
		if p := recover(); p != nil {
			c, err = nil, fmt.Errorf("a damaged capture: %v", p)
		}
	}()
	in := bufio.NewReader(r)
	begin, err := in.Peek(4)
	if err != nil {
		return nil, fmt.Errorf("read the start of a capture: %w", err)
	}
	var from frameReader
	if bytes.Equal(begin, pcapngMagic) {
		from, err = pcapgo.NewNgReader(in, pcapgo.DefaultNgReaderOptions)
	} else {
		from, err = pcapgo.NewReader(in)
	}
	if err != nil {
		return nil, err
	}
	if t := from.LinkType(); t != layers.LinkTypeEthernet {
		return nil, fmt.Errorf("link type %s: want Ethernet", t)
	}
	byService, size := map[mapKey][][]byte{}, 0
	for size < maxCapture {
		data, info, err := from.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		var h frame.Header
		if frame.Parse(data, &h); h.Kind != frame.IPv4 || h.Fault != frame.NoFault || h.IsFragment() || info.Length > len(data) ||
			h.Proto != frame.ProtoTCP && h.Proto != frame.ProtoUDP || h.L3 != 14 || len(data) > maxLength {
			continue
		}
		k := mapKey{dst: h.Dst.As4(), dstPort: h.DstPort, proto: h.Proto}
		byService[k] = append(byService[k], data)
		size += len(data)
	}
	if len(byService) == 0 {
		return nil, errors.New("it has no whole TCP or UDP packet of IPv4")
	}
	k := slices.MaxFunc(slices.Collect(maps.Keys(byService)), func(a, b mapKey) int {
		return cmp.Or(cmp.Compare(len(byService[a]), len(byService[b])), bytes.Compare(a.dst[:], b.dst[:]),
			cmp.Compare(a.dstPort, b.dstPort), cmp.Compare(a.proto, b.proto))
	})
	return &Capture{Frames: byService[k], Proto: k.proto, VIP: k.dst, Port: k.dstPort}, nil
}

// captureRung is the frames of a capture, in its order, again and again. Any
// segment but a RST begins a connection, and nothing expires, so that in the
// first pass, which is not timed, all connections are made.
func captureRung(o *Options, makers []maker) Rung {
	r := Rung{Name: "path/capture", Metrics: perFrame}
	for _, m := range makers {
		r.Candidates = append(r.Candidates, inProcess(m.name, func(context.Context) (*loop, error) { return startCapture(m.make, o) }))
	}
	return r
}

// startCapture makes a candidate that knows the connections of the capture.
// Each frame is copied before it is forwarded; those a candidate does not
// forward in the first pass, such as a RST of no known connection, are left
// out.
func startCapture(factory Factory, o *Options) (*loop, error) {
	s := DefaultSetup(2 * len(o.Capture.Frames))
	s.Proto, s.VIP, s.Port, s.Sloppy = o.Capture.Proto, o.Capture.VIP, o.Capture.Port, true
	c, err := factory(s)
	if err != nil {
		return nil, err
	}
	var kept [][]byte
	for _, f := range o.Capture.Frames {
		b := bytes.Clone(f)
		copy(b, s.MAC[:]) // it may have been captured on another host
		if c.Forward([][]byte{b}, firstMoment) == 1 {
			kept = append(kept, f)
		}
	}
	if len(kept) < len(o.Capture.Frames)/2 || len(kept) == 0 {
		return nil, fmt.Errorf("%s forwards only %d of the %d frames", c.Name(), len(kept), len(o.Capture.Frames))
	}
	room, batch := make([][]byte, o.Batch), make([][]byte, o.Batch)
	at, offered, forwarded := 0, 0, 0
	for i := range room {
		room[i] = make([]byte, 1<<16+18)
	}
	step := func() int {
		for i := range room {
			n := copy(room[i], kept[at])
			batch[i] = room[i][:n]
			if at++; at == len(kept) {
				at = 0
			}
		}
		offered += len(batch)
		forwarded += c.Forward(batch, firstMoment)
		return len(batch)
	}
	return &loop{step: step, check: func() error {
		if forwarded < offered-offered/100 {
			return fmt.Errorf("%s forwarded %d of %d frames it had forwarded before", c.Name(), forwarded, offered)
		}
		return nil
	}, end: func() error { return end(c) }}, nil
}
