package netlab

import (
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
func WritePcapng(w io.Writer, frames ...[]Frame) error {
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
		ci := gopacket.CaptureInfo{Timestamp: f.Time, CaptureLength: len(f.Data), Length: len(f.Data), InterfaceIndex: id}
		if err := ng.WritePacket(ci, f.Data); err != nil {
			return fmt.Errorf("write pcapng: %w", err)
		}
	}
	if err := ng.Flush(); err != nil {
		return fmt.Errorf("write pcapng: %w", err)
	}
	return nil
}

// place names where a frame was seen.
func place(f Frame) string { return f.Host + "/" + f.Ifname }

func ngInterface(name string) pcapgo.NgInterface {
	i := pcapgo.DefaultNgInterface
	i.Name, i.LinkType = name, layers.LinkTypeEthernet
	return i
}
