package netlab

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// WritePcapng writes the frames so far to w as a pcapng file.
func (p *Capture) WritePcapng(w io.Writer) error { return WritePcapng(w, p.Frames()) }

// WritePcapng writes frames, which may come from several captures, to w as one
// pcapng file in the order of time, with an interface "host/ifname" for each
// place they were seen at. Without frames the file holds one interface that
// was never used, because the format wants one.
func WritePcapng(w io.Writer, frames ...[]Frame) error { return writePcapng(w, nil, frames...) }

// writePcapng is WritePcapng with a comment on each frame for which comment, if
// not nil, has one.
func writePcapng(w io.Writer, comment func(Frame) string, frames ...[]Frame) error {
	all := slices.Concat(frames...)
	slices.SortStableFunc(all, func(a, b Frame) int { return a.Time.Compare(b.Time) })
	first := "none"
	if len(all) > 0 {
		first = place(all[0])
	}
	p, err := newPcapngWriter(w, first)
	if err != nil {
		return err
	}
	for _, f := range all {
		text := ""
		if comment != nil {
			text = comment(f)
		}
		if err := p.Write(f, len(f.Data), text); err != nil {
			return err
		}
	}
	return nil
}

// A PcapngWriter writes frames to a pcapng file one by one. Whatever was written
// is in the file, so that it can be read meanwhile.
type PcapngWriter struct {
	w      io.Writer
	ng     *pcapgo.NgWriter
	places map[string]int // interfaces by name
}

// NewPcapngWriter begins a file.
func NewPcapngWriter(w io.Writer) (*PcapngWriter, error) { return newPcapngWriter(w, "none") }

// newPcapngWriter begins a file whose first interface is that of a place.
func newPcapngWriter(w io.Writer, first string) (*PcapngWriter, error) {
	ng, err := pcapgo.NewNgWriterInterface(w, ngInterface(first), pcapgo.DefaultNgWriterOptions)
	if err == nil {
		err = ng.Flush()
	}
	if err != nil {
		return nil, fmt.Errorf("write pcapng: %w", err)
	}
	return &PcapngWriter{w, ng, map[string]int{first: 0}}, nil
}

// Write writes f, of which Data may be the beginning alone of length bytes, and
// a comment, if it is not empty.
func (p *PcapngWriter) Write(f Frame, length int, comment string) error {
	id, ok := p.places[place(f)]
	if !ok {
		var err error
		if id, err = p.ng.AddInterface(ngInterface(place(f))); err == nil {
			err = p.ng.Flush()
		}
		if err != nil {
			return fmt.Errorf("write pcapng: %w", err)
		}
		p.places[place(f)] = id
	}
	if _, err := p.w.Write(packetBlock(f, length, id, comment)); err != nil { // ng has no comments for packets
		return fmt.Errorf("write pcapng: %w", err)
	}
	return nil
}

// packetBlock is an enhanced packet block, with the option opt_comment if there
// is one, as draft-ietf-opsawg-pcapng sections 4.3 and 3.5 have them, in the
// byte order of pcapgo.
func packetBlock(f Frame, length, id int, comment string) []byte {
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
	b = le.AppendUint32(b, uint32(length))
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

// place names where a frame was seen.
func place(f Frame) string {
	if f.Host == "" {
		return f.Ifname
	}
	return f.Host + "/" + f.Ifname
}

func ngInterface(name string) pcapgo.NgInterface {
	i := pcapgo.DefaultNgInterface
	i.Name, i.LinkType = name, layers.LinkTypeEthernet
	return i
}
