package tap

import "time"

// A Frame is one frame that was seen.
type Frame struct {
	Time     time.Time // by the kernel's clock, when the interface saw it
	Host     string    // name of the host, if there are several
	Ifname   string    // interface in the host
	Outgoing bool      // sent by the host, not received
	// Unfinished says that the kernel still knows that the transport checksum
	// has to be finished: by the network card, or never on a virtual cable.
	// A frame that was received, has a wrong checksum and is not Unfinished is
	// one that its receiver drops.
	Unfinished bool
	// Data is the frame from its Ethernet header on, its VLAN tag included. A
	// transport checksum may be unfinished, and the frame may be a
	// segmentation-offload super-frame longer than the MTU.
	Data []byte
	// Length is how long the frame was on the wire, in bytes, where Data is its
	// beginning alone; 0: Data is all of it.
	Length int
}

// place names where a frame was seen: host/interface, or the interface alone.
func (f *Frame) place() string {
	if f.Host == "" {
		return f.Ifname
	}
	return f.Host + "/" + f.Ifname
}

// wireLength is the length of the frame on the wire.
func (f *Frame) wireLength() int { return max(f.Length, len(f.Data)) }
