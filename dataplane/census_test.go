package dataplane_test

import (
	"sync"
	"testing"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
)

// Whatever is listed, removed and added while workers forward, in the end every
// packet that was forwarded was counted once for its service; and what is listed
// of a server never goes down.
func TestTrafficIsCountedOnceWhileItIsListed(t *testing.T) {
	const workers, conns, rounds = 3, 16, 400
	d, err := dataplane.New(dataplane.Config{Conns: conntrack.Config{Limit: workers << 10}, Workers: workers,
		Tunables: dataplane.DefaultTunables(), Limits: unlimited})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, d: d}
	for n := byte(1); n <= 3; n++ {
		l.neighbour(n, serverMAC(n), link)
	}
	k := tcpService(80)
	l.service(k, 0, 1, 2, 3)
	stop := make(chan struct{})
	var highest dataplane.Traffic
	watching := meanwhile(stop, func() {
		for _, s := range d.Services() {
			if s.Traffic.Packets < highest.Packets || s.Traffic.Bytes < highest.Bytes {
				t.Errorf("the service has %+v, had %+v", s.Traffic, highest)
			}
			highest = s.Traffic
		}
	}, func() { d.Service(k) }, func() {
		_ = d.DelServer(k, serverAddr(2), 80, 0)
		l.add(k, 2, 1)
	})
	var working sync.WaitGroup
	forwarded := make([]uint64, workers)
	for w := range workers {
		working.Go(func() {
			s, b := d.NewScratch(w), dataplane.NewBatch()
			for round := range rounds {
				b.Packets = b.Packets[:0]
				for i := range conns {
					flags := "A"
					if round == 0 {
						flags = "S"
					}
					b.Packets = append(b.Packets, dataplane.Packet{Data: tcp(uint16(1000*(w+1)+i), 80, flags)})
				}
				d.Process(s, b, 1)
				for i := range b.Packets {
					if b.Packets[i].Verdict == dataplane.Forward {
						forwarded[w]++
					}
				}
			}
		})
	}
	working.Wait()
	close(stop)
	watching.Wait()
	var want uint64
	for _, n := range forwarded {
		want += n
	}
	s, _ := d.Service(k)
	if s.Traffic.Packets != want || s.Traffic.Conns != workers*conns {
		t.Errorf("the service has %+v, %d packets of %d connections were forwarded", s.Traffic, want, workers*conns)
	}
	var servers uint64
	for _, rs := range s.Servers {
		servers += rs.Traffic.Packets
	}
	if servers != want {
		t.Errorf("the servers have %d packets, %d were forwarded", servers, want)
	}
}
