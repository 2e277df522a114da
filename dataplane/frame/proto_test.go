package frame_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"lvsdr/dataplane/frame"
)

// A protocol's name, or its number where it has no name; which of them are read
// again, and by which parser.
func TestProto(t *testing.T) {
	names := map[frame.Proto]string{1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6", 132: "sctp"}
	services := map[frame.Proto]bool{6: true, 17: true, 132: true}
	for n := range 256 {
		p := frame.Proto(n)
		name, named := names[p]
		if !named {
			name = strconv.Itoa(n)
		}
		if p.String() != name || p.HasPorts() != services[p] {
			t.Errorf("%d is %q, ports %v", n, p, p.HasPorts())
		}
		if got, err := frame.ParseProto(name); named != (err == nil) || named && got != p {
			t.Errorf("%q read as a protocol is %d, %v", name, got, err)
		}
		if got, err := frame.ParseServiceProto(name); services[p] != (err == nil) || services[p] && got != p {
			t.Errorf("%q read as the protocol of a service is %d, %v", name, got, err)
		}
	}
}

func TestProtoErrors(t *testing.T) {
	for _, name := range []string{"", "TCP", "tcp ", "6", "ip", "icmpv6"} {
		for _, parse := range []func(string) (frame.Proto, error){frame.ParseProto, frame.ParseServiceProto} {
			if p, err := parse(name); err == nil || p != 0 {
				t.Errorf("%q is %d, %v", name, p, err)
			}
		}
	}
	if _, err := frame.ParseProto("x"); err == nil || err.Error() != `protocol "x": not tcp, udp, sctp, icmp or icmp6` {
		t.Error(err)
	}
	if _, err := frame.ParseServiceProto("icmp"); err == nil || err.Error() != `protocol "icmp": not tcp, udp or sctp` {
		t.Error(err)
	}
}

// In JSON a protocol is its name, and all of them survive a round trip.
func TestProtoInJSON(t *testing.T) {
	type record struct{ Proto frame.Proto }
	for n := range 256 {
		var got record
		b, err := json.Marshal(record{frame.Proto(n)})
		if err == nil {
			err = json.Unmarshal(b, &got)
		}
		if err != nil || int(got.Proto) != n {
			t.Errorf("%d: %s: %v", n, b, err)
		}
	}
	if b, _ := json.Marshal(record{frame.ProtoTCP}); string(b) != `{"Proto":"tcp"}` {
		t.Errorf("%s", b)
	}
	for _, text := range []string{`"ip"`, `""`, `"256"`, `"-1"`, `6`} {
		var got frame.Proto
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s is read as %d", text, got)
		}
	}
}
