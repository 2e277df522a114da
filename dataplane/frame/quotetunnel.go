package frame

// InnerTunnelled reads the packet in the tunnel that an ICMP error quotes, where f is the
// error and outer what Inner read of it, into *in and overwrites all of *in; all as Inner
// does. It reports whether the quoted packet is one in a tunnel of IPIP, GRE or GUE, as far
// as can be told: of GUE, the caller looks at outer.DstPort. Not all of the packet need be
// there.
func InnerTunnelled(f []byte, outer, in *Header) bool {
	*in = Header{}
	if outer.FragOff != 0 {
		return false
	}
	b := f[outer.L4:outer.End]
	kind, n := unwrapIP(outer.Proto)
	switch outer.Proto {
	case ProtoGRE:
		kind, n = unwrapGRE(b)
	case ProtoUDP:
		kind, n = unwrapGUE(b)
	}
	if kind == Other || n > len(b) {
		return false
	}
	in.Kind, in.L3 = kind, outer.L4+uint16(n)
	ok := false
	if q := b[n:]; kind == IPv6 {
		ok = in.quoted6(q)
	} else {
		ok = in.quoted4(q)
	}
	if !ok || !in.quotedL4(f[in.L4:in.End]) {
		*in = Header{}
		return false
	}
	return true
}
