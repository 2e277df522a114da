package conntrack

// A Method says how packets get to a destination.
type Method uint8

// The methods.
const (
	Direct     Method = iota // Direct Routing: the frame gets other MAC addresses
	IPIP                     // in another IP packet (RFC 2003, RFC 2473)
	GRE                      // in GRE (RFC 2784)
	GUE                      // in Generic UDP Encapsulation
	Masquerade               // NAT: addresses and ports are rewritten, both ways
	Local                    // to this host itself
	numMethods
)

var methodNames = [numMethods]string{"direct", "ipip", "gre", "gue", "masquerade", "local"}

// String is the method in lower case.
func (m Method) String() string {
	if m < numMethods {
		return methodNames[m]
	}
	return "method?"
}
