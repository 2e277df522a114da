package dataplane

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"lvsdr/dataplane/frame"
)

// wayPlaces is how many clients' ways are remembered; a power of 2.
const wayPlaces = 1 << 11

// A way is how the last frame of a client came that began a tunnelled connection, or
// changed its state: a frame to the client goes the same way back.
type way struct {
	client   frame.Addr
	mac, own frame.MAC // its source and destination
	in       int32     // interface
}

// ways are those of clients, by their addresses; Director.mu guards them. What an ICMP error
// from the path to a server tells a client goes by them, since no frame of the client's is
// at hand then. One that was not remembered is told with its next packet that is too long.
type ways struct {
	seed   uint64
	places [wayPlaces]way
}

func newWays(secret [16]byte) *ways { return &ways{seed: binary.LittleEndian.Uint64(secret[8:])} }

// at is the place of a client.
func (w *ways) at(client *frame.Addr) *way {
	var b [24]byte
	binary.LittleEndian.PutUint64(b[:], w.seed)
	copy(b[8:], client[:])
	return &w.places[xxhash.Sum64(b[:])&(wayPlaces-1)]
}

// note notes how p came, by interface in.
func (w *ways) note(in int32, p *Packet) {
	*w.at(&p.header.Src) = way{client: p.header.Src, mac: frame.SrcMAC(p.Data), own: frame.DstMAC(p.Data), in: in}
}

// find is the way to a client; nil: it is not known.
func (w *ways) find(client *frame.Addr) *way {
	if at := w.at(client); at.client == *client {
		return at
	}
	return nil
}
