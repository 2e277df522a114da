package trace

import (
	"errors"
	"net/netip"
	"strconv"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// reader returns the function that reads the value of a word; nil: there is no such word.
func reader(word string) func(value string) (Match, error) {
	switch word {
	case "host":
		return addresses(func(f *dataplane.Traced) [3]frame.Addr { return [3]frame.Addr{f.Header.Src, f.Header.Dst, f.Server} })
	case "src":
		return addresses(func(f *dataplane.Traced) [3]frame.Addr { return [3]frame.Addr{f.Header.Src} })
	case "dst":
		return addresses(func(f *dataplane.Traced) [3]frame.Addr { return [3]frame.Addr{f.Header.Dst} })
	case "server":
		return addresses(func(f *dataplane.Traced) [3]frame.Addr { return [3]frame.Addr{f.Server} })
	case "port":
		return port
	case "proto":
		return proto
	case "verdict":
		return verdict
	case "reason":
		return reason
	}
	return nil
}

// addresses reads an address or a network, to match frames one of whose
// addresses is in it. The zero Addr is no address.
func addresses(of func(*dataplane.Traced) [3]frame.Addr) func(string) (Match, error) {
	return func(value string) (Match, error) {
		network, err := netip.ParsePrefix(value)
		if err != nil {
			a, err := netip.ParseAddr(value)
			if err != nil {
				return nil, errors.New("neither an address nor a network, such as 10.0.0.0/8")
			}
			network = netip.PrefixFrom(a.WithZone("").Unmap(), a.Unmap().BitLen())
		}
		return func(f *dataplane.Traced) bool {
			for _, a := range of(f) {
				if a != (frame.Addr{}) && network.Contains(a.IP()) {
					return true
				}
			}
			return false
		}, nil
	}
}

func port(value string) (Match, error) {
	n, err := strconv.ParseUint(value, 10, 16)
	if err != nil {
		return nil, errors.New("not a port, 0 to 65535")
	}
	return func(f *dataplane.Traced) bool {
		h := &f.Header
		read := h.Fault == frame.NoFault && h.FragOff == 0
		return read && h.Proto.HasPorts() && (h.SrcPort == uint16(n) || h.DstPort == uint16(n))
	}, nil
}

// proto reads a protocol. The Proto of a frame that is not IP, or could not be
// read, is none that has a name.
func proto(value string) (Match, error) {
	if value == "arp" {
		return func(f *dataplane.Traced) bool { return f.Header.Kind == frame.ARP }, nil
	}
	p, err := frame.ParseProto(value)
	if err != nil {
		return nil, errors.New("not tcp, udp, sctp, icmp, icmp6 or arp")
	}
	return func(f *dataplane.Traced) bool { return f.Header.Proto == p }, nil
}

func verdict(value string) (Match, error) {
	for v := dataplane.Drop; v <= dataplane.ToARP; v++ {
		if v.String() == value {
			return func(f *dataplane.Traced) bool { return f.Verdict == v }, nil
		}
	}
	return nil, errors.New("not forward, drop, answer or arp")
}

func reason(value string) (Match, error) {
	for r := dataplane.Hit; int(r) < dataplane.NumReasons; r++ {
		if r.String() == value {
			return func(f *dataplane.Traced) bool { return f.Reason == r }, nil
		}
	}
	return nil, errors.New("not a reason; docs/operations.md lists them")
}
