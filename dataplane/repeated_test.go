package dataplane_test

import "testing"

// A SYN counts as repeated when nothing but SYNs came of its connection, and for the server that
// it goes to.
func TestRepeatedSYNsAreCounted(t *testing.T) {
	for _, c := range []struct {
		name     string
		segments []string
		want     uint64
	}{
		{"a connection that is answered", []string{"S", "A", "PA", "FA", "A"}, 0},
		{"a SYN alone", []string{"S"}, 0},
		{"a SYN that is sent again", []string{"S", "S"}, 1},
		{"and again, with data", []string{"S", "S", "SP", "A"}, 2},
		{"a SYN of a connection that is open", []string{"S", "A", "S"}, 0},
		{"what no client sends again", []string{"S", "SA", "SR"}, 0},
		{"a port that is used again", []string{"S", "A", "FA", "S"}, 0},
		{"and gets no answer then", []string{"S", "A", "FA", "S", "S"}, 1},
	} {
		l := defaultLab(t)
		for _, s := range c.segments {
			l.send(tcp(4000, 80, s))
		}
		if got := l.server(tcpService(80), 2).Repeated; got != c.want {
			t.Errorf("%s: %d repeated SYNs, want %d", c.name, got, c.want)
		}
		if got := l.server(tcpService(80), 1).Repeated; got != 0 {
			t.Errorf("%s: %d of the other server", c.name, got)
		}
	}
}

func TestRepeatedSYNsStayWhenCountersAreZeroed(t *testing.T) {
	l := defaultLab(t)
	l.send(tcp(4000, 80, "S"))
	l.send(tcp(4000, 80, "S"))
	l.must(l.d.Zero(tcpService(80)))
	if got := l.server(tcpService(80), 2); got.Repeated != 1 || got.Traffic.Packets != 0 {
		t.Errorf("after the counters were zeroed: %+v", got)
	}
}
