package daemon

import (
	"net/netip"
	"slices"

	"lvsdr/control/certs"
)

// A Wish is the daemons that are to run, with all that they need to know.
type Wish struct {
	Set
	// Links are the indexes of the daemons' interfaces by role; 0: there is no such
	// interface now.
	Links [len(Roles)]int
	// Number is that of the backup daemon, which it gives when it has fetched what others have.
	// It alone makes no difference.
	Number uint64
	Peering
}

// A Peering says what directors of this kind do beyond IPVS.
type Peering struct {
	// Secret authenticates messages and connections; empty: they are not. With a
	// secret nothing is taken that does not prove to know it.
	Secret string
	// Peers are asked for their tables, and may ask for this one's; none: those that
	// are heard on the network of the daemons.
	Peers []netip.AddrPort
	// TLS are the files by which connections are made by TLS, with certificates of both
	// sides; the zero Files: they are made without. Messages are not concerned.
	TLS certs.Files
}

// Equal reports whether p and o are the same.
func (p *Peering) Equal(o *Peering) bool {
	return p.Secret == o.Secret && p.TLS == o.TLS && slices.Equal(p.Peers, o.Peers)
}

// Equal reports whether w and o are the same.
func (w *Wish) Equal(o *Wish) bool {
	return w.Set == o.Set && w.Links == o.Links && w.Peering.Equal(&o.Peering)
}
