package ladder_test

import (
	"context"
	"encoding/binary"
	"fmt"

	"lvsdr/bench/ladder"
)

// stateless chooses a server by the client's address and remembers nothing.
type stateless struct{ setup ladder.Setup }

func (stateless) Name() string { return "stateless" }

// Forward takes the frames to be IPv4 without a VLAN tag.
func (s stateless) Forward(frames [][]byte, _ int64) int {
	for _, f := range frames {
		client := binary.BigEndian.Uint32(f[26:])
		rs := s.setup.Servers[client%uint32(len(s.setup.Servers))]
		copy(f, rs.MAC[:])
		copy(f[6:], s.setup.MAC[:])
		f[22]-- // TTL; the checksum makes up for it (RFC 1624)
		sum := uint32(binary.BigEndian.Uint16(f[24:])) + 0x0100
		binary.BigEndian.PutUint16(f[24:], uint16(sum+sum>>16))
	}
	return len(frames)
}

// A pipeline of one's own beside those there are.
func Example() {
	report, err := ladder.Run(context.Background(), ladder.Options{
		Rungs: []string{"path/hit"},
		Flows: []int{ladder.MinFlows},
		Runs:  1,
		Time:  1, // nanosecond: this is only an example
		Forwarders: []ladder.Factory{
			func(s ladder.Setup) (ladder.Forwarder, error) { return stateless{s}, nil },
		},
	})
	if err != nil {
		fmt.Println(err)
	}
	for _, row := range report.Rows {
		fmt.Println(row.Rung, "|", row.Candidate, "|", row.Unit)
	}
	// Output:
	// path/hit/4096/uniform | LayerParser + LRU | ns/frame
	// path/hit/4096/uniform | NewPacket + map | ns/frame
	// path/hit/4096/uniform | LayerParser + map | ns/frame
	// path/hit/4096/uniform | lvsdr | ns/frame
	// path/hit/4096/uniform | stateless | ns/frame
	// path/hit/4096/zipf | LayerParser + LRU | ns/frame
	// path/hit/4096/zipf | NewPacket + map | ns/frame
	// path/hit/4096/zipf | LayerParser + map | ns/frame
	// path/hit/4096/zipf | lvsdr | ns/frame
	// path/hit/4096/zipf | stateless | ns/frame
}
