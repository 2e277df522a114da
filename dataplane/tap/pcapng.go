package tap

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// WritePcapng writes frames, which may come from several captures, to w as one
// pcapng file in the order of time, with an interface "host/ifname" for each
// place they were seen at. What comment says about a frame, if it is not nil and
// says anything, stands beside it. Without frames the file holds one interface
// that was never used, because the format wants one.
func WritePcapng(w io.Writer, comment func(Frame) string, frames ...[]Frame) error {
	all := slices.Concat(frames...)
	slices.SortStableFunc(all, func(a, b Frame) int { return a.Time.Compare(b.Time) })
	first := unused
	if len(all) > 0 {
		first = all[0].place()
	}
	p, err := newWriter(w, first)
	if err != nil {
		return err
	}
	for _, f := range all {
		text := ""
		if comment != nil {
			text = comment(f)
		}
		if err := p.Write(f, text); err != nil {
			return err
		}
	}
	return nil
}

// unused names the interface of a file in which none has seen anything.
const unused = "none"

// A Writer writes frames to a pcapng file one by one. Whatever was written is in
// the file, so that it can be read meanwhile.
type Writer struct {
	w      io.Writer
	ng     *pcapgo.NgWriter
	places map[string]int // interfaces by name
}

// NewWriter starts a file.
func NewWriter(w io.Writer) (*Writer, error) { return newWriter(w, unused) }

// newWriter starts a file whose first interface is that of a place.
func newWriter(w io.Writer, first string) (*Writer, error) {
	ng, err := pcapgo.NewNgWriterInterface(w, ngInterface(first), pcapgo.DefaultNgWriterOptions)
	if err == nil {
		err = ng.Flush()
	}
	if err != nil {
		return nil, fmt.Errorf("write pcapng: %w", err)
	}
	return &Writer{w, ng, map[string]int{first: 0}}, nil
}

// Write writes f, and a comment unless it is empty. A super-frame has a comment
// that says so: readers that follow a connection through several places see its
// segments twice, in other sizes, and call that an error of reassembly.
func (p *Writer) Write(f Frame, comment string) error {
	if note := superFrame(&f); note != "" {
		comment = strings.TrimPrefix(comment+"; "+note, "; ")
	}
	place := f.place()
	id, ok := p.places[place]
	if !ok {
		var err error
		if id, err = p.ng.AddInterface(ngInterface(place)); err == nil {
			err = p.ng.Flush()
		}
		if err != nil {
			return fmt.Errorf("write pcapng: %w", err)
		}
		p.places[place] = id
	}
	if _, err := p.w.Write(packetBlock(&f, id, comment)); err != nil { // ng has no comments for packets
		return fmt.Errorf("write pcapng: %w", err)
	}
	return nil
}

// superFrame is a remark about a frame that is longer than Ethernet's, or "".
func superFrame(f *Frame) string {
	const longest = 1518 // with an 802.1Q tag and without the check sequence
	if f.wireLength() <= longest {
		return ""
	}
	return fmt.Sprintf("super-frame of %d bytes: the interface that sends it cuts it into segments of its MTU, which other places may show one by one (segmentation offload)", f.wireLength())
}

// packetBlock is an enhanced packet block, with the option opt_comment if there
// is one, as draft-ietf-opsawg-pcapng sections 4.3 and 3.5 have them, in the
// byte order of pcapgo.
func packetBlock(f *Frame, id int, comment string) []byte {
	const enhancedPacket, optComment, optEnd, maxOption = 6, 1, 0, 1<<16 - 1
	comment = comment[:min(len(comment), maxOption)]
	stamp := uint64(f.Time.UnixNano()) // the resolution that pcapgo announces
	le := binary.LittleEndian
	b := le.AppendUint32(nil, enhancedPacket)
	b = le.AppendUint32(b, 0) // length of the block, below
	b = le.AppendUint32(b, uint32(id))
	b = le.AppendUint32(b, uint32(stamp>>32))
	b = le.AppendUint32(b, uint32(stamp))
	b = le.AppendUint32(b, uint32(len(f.Data)))
	b = le.AppendUint32(b, uint32(f.wireLength()))
	b = padded(append(b, f.Data...))
	if comment != "" {
		b = le.AppendUint16(b, optComment)
		b = le.AppendUint16(b, uint16(len(comment)))
		b = padded(append(b, comment...))
		b = le.AppendUint32(b, optEnd)
	}
	n := uint32(len(b) + 4)
	le.PutUint32(b[4:], n)
	return le.AppendUint32(b, n)
}

// padded fills b up to a whole number of 32-bit words.
func padded(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func ngInterface(name string) pcapgo.NgInterface {
	i := pcapgo.DefaultNgInterface
	i.Name, i.LinkType = name, layers.LinkTypeEthernet
	return i
}
