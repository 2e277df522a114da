package ladder

import (
	"context"
	"fmt"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"lvsdr/dataplane/frame"
)

// parseRung is decoding alone: from a frame to addresses and ports.
func parseRung(o *Options) Rung {
	candidate := func(name string, newPort func() func(f []byte) uint16) Candidate {
		return inProcess(name, func(context.Context) (*loop, error) {
			f, port, s := NewFrames(DefaultSetup(0), o.Batch), newPort(), DefaultSetup(0)
			for i := range f.Batch() {
				f.Set(i, uint32(i), flagACK)
			}
			wrong := 0
			step := func() int {
				for _, b := range f.Batch() {
					if port(b) != s.Port {
						wrong++
					}
				}
				return len(f.Batch())
			}
			return &loop{step: step, check: func() error {
				if wrong > 0 {
					return fmt.Errorf("%s did not find the port in %d frames", name, wrong)
				}
				return nil
			}}, nil
		})
	}
	return Rung{Name: "parse", Metrics: perFrame, Candidates: []Candidate{
		candidate("NewPacket", func() func([]byte) uint16 {
			return func(b []byte) uint16 {
				t, ok := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default).TransportLayer().(*layers.TCP)
				if !ok {
					return 0
				}
				return uint16(t.DstPort)
			}
		}),
		candidate("LayerParser", func() func([]byte) uint16 {
			var k mapKey
			p := newLayerParser()
			return func(b []byte) uint16 { p.decode(b, &k); return k.dstPort }
		}),
		candidate("lvsdr", func() func([]byte) uint16 {
			var h frame.Header
			return func(b []byte) uint16 { frame.Parse(b, &h); return h.DstPort }
		}),
	}}
}
