package vrrp

import (
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"
)

// The virtual machine of x/net/bpf does not know the kernel's offset of the IP header; what the packet begins with is
// the same for IPv4.
func TestTheFilterTakesWhatAnInstanceMayTake(t *testing.T) {
	packet := func(id, ttl byte) []byte {
		a := Advert{Version: 3, ID: id}
		return appendIP(nil, &Packet{Src: addr("10.0.0.1"), Dst: addr(group4), TTL: ttl, Payload: a.Append(nil, addr("10.0.0.1"), addr(group4), addr(group4))})
	}
	for _, tt := range []struct {
		name    string
		p       port
		id, ttl byte
		want    bool
		sources []netip.Addr
	}{
		{"one of two IDs", port{ids: []uint8{5, 51}}, 51, 255, true, nil},
		{"the other one", port{ids: []uint8{5, 51}}, 5, 255, true, nil},
		{"none of them", port{ids: []uint8{5, 51}}, 6, 255, false, nil},
		{"no ID", port{}, 6, 255, false, nil},
		{"none of them, where all are logged", port{ids: []uint8{5, 51}, all: true}, 6, 255, true, nil},
		{"from a router away, where all are logged", port{ids: []uint8{5}, all: true}, 6, 254, false, nil},
		{"from a known source, where all are logged", port{ids: []uint8{5}, all: true}, 6, 255, true, addrs("10.0.0.1")},
		{"from another one, where all are logged", port{ids: []uint8{5}, all: true}, 6, 255, false, addrs("10.0.0.9")},
		{"from a router away", port{ids: []uint8{5}}, 5, 254, false, nil},
		{"from there, where there is unicast", port{ids: []uint8{5}, far: true}, 5, 254, true, nil},
		{"from a known source", port{ids: []uint8{5}}, 5, 255, true, addrs("10.0.0.9", "10.0.0.1", "10.0.0.8")},
		{"from another one", port{ids: []uint8{5}}, 5, 255, false, addrs("10.0.0.9", "10.0.0.8")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code := filterFor(tt.p, tt.sources)
			for k, i := range code {
				if l, ok := i.(bpf.LoadAbsolute); ok {
					l.Off -= netOffset
					code[k] = l
				}
			}
			vm, err := bpf.NewVM(code)
			if err != nil {
				t.Fatal(err)
			}
			n, err := vm.Run(packet(tt.id, tt.ttl))
			if err != nil || (n > 0) != tt.want {
				t.Errorf("%d %v, want %v", n, err, tt.want)
			}
		})
	}
	if _, err := bpf.Assemble(filterFor(port{is6: true, ids: []uint8{1}}, addrs("fe80::1"))); err != nil {
		t.Error(err)
	}
}
