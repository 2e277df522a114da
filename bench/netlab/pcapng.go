package netlab

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/google/gopacket"
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
	ng, err := pcapgo.NewNgWriterInterface(w, ngInterface(first), pcapgo.DefaultNgWriterOptions)
	if err != nil {
		return fmt.Errorf("write pcapng: %w", err)
	}
	ids := map[string]int{first: 0}
	for _, f := range all {
		id, ok := ids[place(f)]
		if !ok {
			if id, err = ng.AddInterface(ngInterface(place(f))); err != nil {
				return fmt.Errorf("write pcapng: %w", err)
			}
			ids[place(f)] = id
		}
		text := ""
		if comment != nil {
			text = comment(f)
		}
		if err := writeFrame(w, ng, f, id, text); err != nil {
			return fmt.Errorf("write pcapng: %w", err)
		}
	}
	if err := ng.Flush(); err != nil {
		return fmt.Errorf("write pcapng: %w", err)
	}
	return nil
}

// writeFrame writes f, with a comment through w, into which ng writes: ng has
// none for packets.
func writeFrame(w io.Writer, ng *pcapgo.NgWriter, f Frame, id int, comment string) error {
	if comment == "" {
		ci := gopacket.CaptureInfo{Timestamp: f.Time, CaptureLength: len(f.Data), Length: len(f.Data), InterfaceIndex: id}
		return ng.WritePacket(ci, f.Data)
	}
	if err := ng.Flush(); err != nil {
		return err
	}
	_, err := w.Write(commented(f, id, comment))
	return err
}

// commented is an enhanced packet block with the option opt_comment, as
// draft-ietf-opsawg-pcapng sections 4.3 and 3.5 have them, in the byte order of
// pcapgo.
func commented(f Frame, id int, comment string) []byte {
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
	b = le.AppendUint32(b, uint32(len(f.Data)))
	b = padded(append(b, f.Data...))
	b = le.AppendUint16(b, optComment)
	b = le.AppendUint16(b, uint16(len(comment)))
	b = padded(append(b, comment...))
	b = le.AppendUint32(b, optEnd)
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
func place(f Frame) string { return f.Host + "/" + f.Ifname }

func ngInterface(name string) pcapgo.NgInterface {
	i := pcapgo.DefaultNgInterface
	i.Name, i.LinkType = name, layers.LinkTypeEthernet
	return i
}
