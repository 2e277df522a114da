package conntrack

// A Way is the sort of the method by which the packets of an entry get to its server. It
// keeps that of the moment at which it was made, whatever becomes of the server's
// method.
type Way uint32

// The ways. Their values are the bits that an entry has for them.
const (
	ByDirect     Way = 0
	ByTunnel     Way = flagTunnel
	ByMasquerade Way = flagBoth

	// NoWay is that of no entry.
	NoWay Way = 1

	wayMask = flagTunnel | flagBoth
)

// Number is w's among the ways, from 0 on.
func (w Way) Number() int { return int(w&wayMask) >> (stateShift + 4) }

// Way is the sort of m.
func (m Method) Way() Way {
	switch m {
	case IPIP, GRE, GUE:
		return ByTunnel
	case Masquerade:
		return ByMasquerade
	}
	return ByDirect
}

// Way is the way of connection e.
func (e *Entry) Way() Way { return Way(e.word & wayMask) }
