package conntrack

// A Sum is the kind of checksum that the header of a GRE or GUE tunnel carries.
type Sum uint8

// The checksums.
const (
	NoSum     Sum = iota // none; over UDP the field is 0
	FullSum              // over all of the packet in the tunnel
	RemoteSum            // of GUE: as FullSum, and the far end may be left to finish that of the inner packet
	numSums
)

var sumNames = [numSums]string{"nocsum", "csum", "remcsum"}

// String is the word of ipvsadm's option, without --tun-.
func (s Sum) String() string {
	if s < numSums {
		return sumNames[s]
	}
	return "sum?"
}

// A Tunnel is how packets are put into the tunnel to a server, beside its kind, which
// is a Method. The zero Tunnel is that of all other methods.
type Tunnel struct {
	Port uint16 // destination port of GUE
	Sum  Sum    // of GRE and GUE
}

// Tunnels reports whether m puts packets into other packets.
func (m Method) Tunnels() bool { return m == IPIP || m == GRE || m == GUE }

// Tunnel is that of r.
func (r *Dest) Tunnel() Tunnel { return Tunnel{Port: r.tunnelPort, Sum: r.tunnelSum} }

// SetTunnel makes t the tunnel of r.
func (r *Dest) SetTunnel(t Tunnel) { r.tunnelPort, r.tunnelSum = t.Port, t.Sum }
