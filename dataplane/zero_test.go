package dataplane_test

import (
	"errors"
	"testing"

	"lvsdr/dataplane"
)

// Zero is about the counters of one service and its servers; connections and
// their counts stay.
func TestZero(t *testing.T) {
	l := defaultLab(t)
	counters := func(port uint16) (sum dataplane.Traffic) {
		for _, s := range l.d.Services() {
			if s.Config.Key == tcpService(port) {
				sum = s.Traffic
				for _, r := range s.Servers {
					sum.Conns, sum.Packets, sum.Bytes = sum.Conns+r.Traffic.Conns, sum.Packets+r.Traffic.Packets, sum.Bytes+r.Traffic.Bytes
				}
			}
		}
		return sum
	}
	l.handshake(4000, 80)
	l.handshake(4001, 443)
	if counters(80) != counters(443) || counters(80).Conns != 2 {
		t.Fatalf("counted %+v and %+v", counters(80), counters(443))
	}
	l.must(l.d.Zero(tcpService(80)))
	if counters(80) != (dataplane.Traffic{}) || counters(443).Conns != 2 {
		t.Errorf("after Zero: %+v and, of the other service, %+v", counters(80), counters(443))
	}
	if got := l.counts(tcpService(80), 2); got != [3]int{1, 0, 0} {
		t.Errorf("the server has %v, want its connection", got)
	}
	l.d.ZeroAll()
	if counters(443) != (dataplane.Traffic{}) {
		t.Errorf("after ZeroAll: %+v", counters(443))
	}
	if err := l.d.Zero(tcpService(8)); !errors.Is(err, dataplane.ErrNoService) {
		t.Errorf("Zero of no service: %v", err)
	}
}

// Two services of one mark are always in the same order.
func TestServicesOfOneMarkAreSorted(t *testing.T) {
	l := defaultLab(t)
	for _, v6 := range []bool{true, false} {
		l.must(l.d.AddService(dataplane.ServiceConfig{Key: dataplane.ServiceKey{Mark: 1, IPv6: v6}, Scheduler: "rr"}))
	}
	for range 20 {
		all := l.d.Services()
		if n := len(all); all[n-2].Config.Key.IPv6 || !all[n-1].Config.Key.IPv6 {
			t.Fatal("IPv6 before IPv4")
		}
	}
}
