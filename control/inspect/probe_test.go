package inspect

import (
	"net/netip"
	"testing"

	"lvsdr/control/api"
	"lvsdr/dataplane/frame"
)

func TestAProbeIsAFrameOfItsProtocol(t *testing.T) {
	for _, q := range []api.Question{
		{Client: netip.MustParseAddr("10.0.0.7"), ClientPort: 1000, VIP: netip.MustParseAddr("192.0.2.1"), Port: 80},
		{Client: netip.MustParseAddr("2001:db8::7"), ClientPort: 1000, VIP: netip.MustParseAddr("2001:db8::1"), Port: 80},
	} {
		for _, test := range []struct {
			proto frame.Proto
			first bool
			name  string
			flags uint8
			chunk uint8
		}{
			{frame.ProtoTCP, true, "SYN", frame.SYN, 0}, {frame.ProtoTCP, false, "ACK", frame.ACK, 0}, {frame.ProtoUDP, true, "datagram", 0, 0},
			{frame.ProtoSCTP, true, "INIT", 0, frame.SCTPInit}, {frame.ProtoSCTP, false, "DATA", 0, frame.SCTPData},
		} {
			data, name := probe(q, test.proto, test.first)
			var h frame.Header
			frame.Parse(data, &h)
			if h.Fault != frame.NoFault || h.Proto != test.proto || h.Flags != test.flags || name != test.name ||
				h.Src != frame.AddrFrom(q.Client) || h.Dst != frame.AddrFrom(q.VIP) || h.SrcPort != 1000 || h.DstPort != 80 || h.TTL != 64 {
				t.Errorf("%s of %s: %+v", name, q.Client, h)
			}
			if chunk, ok := frame.SCTPChunk(data, &h); test.proto == frame.ProtoSCTP && (!ok || chunk != test.chunk) {
				t.Errorf("%s: chunk %d, %v", name, chunk, ok)
			}
		}
	}
}
