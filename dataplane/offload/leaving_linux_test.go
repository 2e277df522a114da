package offload

import (
	"bytes"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// A pairOfPaths is a director and the kernel's program beside it, as a worker would have
// them: what the director has handed over, the program forwards.
type pairOfPaths struct {
	t     *testing.T
	d     *dataplane.Director
	s     *dataplane.Scratch
	batch *dataplane.Batch
	o     *Offload
	w     *Worker
	now   int64
}

// newPair makes one in which a connection of each family and protocol has been handed over.
func newPair(t *testing.T) *pairOfPaths {
	t.Helper()
	p := &pairOfPaths{t: t, d: newDirector(t), batch: dataplane.NewBatch(), now: 1e9}
	p.s = p.d.NewScratch(0)
	var err error
	p.o, err = Open(Config{Core: p.d, Now: func() int64 { return p.now }, Mark: mark, Flows: 16, Servers: 16, Threshold: 2})
	if isPermission(err) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.o.Close(); err != nil {
			t.Error(err)
		}
	})
	p.d.SetOffloader(p.o)
	p.batch.In, p.w = loopback, p.o.worker()
	p.serve(loopback, families[0].vip.Addr(), families[1].vip.Addr())
	p.eachFlow(func(e ends, proto frame.Proto) {
		for _, flags := range []string{"S", "A", "A", "A"} {
			p.direct(e.frame(proto, flags))
		}
	})
	p.fast()
	if n := p.o.Counts().Now; n != 4 {
		t.Fatalf("%d flows were handed over, want 4", n)
	}
	return p
}

// eachFlow calls f for the connections of both families and protocols.
func (p *pairOfPaths) eachFlow(f func(ends, frame.Proto)) {
	for _, e := range families {
		f(e, frame.ProtoTCP)
		f(e, frame.ProtoUDP)
	}
}

// serve has the VIPs of an interface be those.
func (p *pairOfPaths) serve(in int32, vips ...netip.Addr) { p.o.serve(in, vips, p.now) }

// fast has all of the frames that went up be out.
func (p *pairOfPaths) fast() {
	for _, slot := range p.o.byKey {
		p.o.tables.flow(slot).force()
	}
}

// direct has the director process a frame, and its worker look at it.
func (p *pairOfPaths) direct(f []byte) dataplane.Packet {
	p.batch.Packets = append(p.batch.Packets[:0], dataplane.Packet{Data: f})
	p.d.Process(p.s, p.batch, p.now)
	p.w.Sent(p.batch, p.now)
	return p.batch.Packets[0]
}

// kernel has the program process a frame; out is nil where it does not forward it.
func (p *pairOfPaths) kernel(f []byte) (out []byte) {
	p.t.Helper()
	clear(f[:6]) // the address of lo
	o := &ebpf.RunOptions{Data: f, DataOut: make([]byte, len(f)+256), Repeat: 1}
	ret, err := p.o.program.Run(o)
	if err != nil {
		p.t.Fatal(err)
	}
	if ret != redirected {
		return nil
	}
	return o.DataOut
}

// each server of both families.
func (p *pairOfPaths) server(f func(dataplane.ServiceKey, dataplane.ServerConfig) error) {
	p.t.Helper()
	for i, e := range families {
		for _, proto := range []frame.Proto{frame.ProtoTCP, frame.ProtoUDP} {
			k := e.service(proto)
			if err := f(k, dataplane.ServerConfig{Addr: servers[i], Port: k.Port, Weight: 1}); err != nil {
				p.t.Fatal(err)
			}
		}
	}
}

// neighbour has the servers be somewhere else.
func (p *pairOfPaths) neighbour(mac frame.MAC, l dataplane.Link) {
	for _, a := range servers {
		p.d.SetNeighbour(a, mac, l)
	}
}

// What happens to servers, services and addresses holds for the next frame of the kernel,
// without a tick between: it forwards where the director does, with the same bytes, or leaves
// the frame to it.
func TestTheKernelForwardsToNoServerThatHasLeft(t *testing.T) {
	moved := frame.MAC{2, 0, 0, 0, 9, 9}
	for _, c := range []struct {
		name string
		leave,
		comeBack func(*pairOfPaths)
		forwards bool // the kernel, after leave
	}{
		{"nothing happens", func(*pairOfPaths) {}, nil, true},
		{"the servers are removed", func(p *pairOfPaths) {
			p.server(func(k dataplane.ServiceKey, c dataplane.ServerConfig) error {
				return p.d.DelServer(k, c.Addr, c.Port, p.now)
			})
		}, func(p *pairOfPaths) { p.server(p.d.AddServer) }, false},
		{"the services are removed", func(p *pairOfPaths) {
			p.server(func(k dataplane.ServiceKey, _ dataplane.ServerConfig) error { return p.d.DelService(k, p.now) })
		}, func(p *pairOfPaths) {
			p.server(func(k dataplane.ServiceKey, c dataplane.ServerConfig) error {
				if err := p.d.AddService(dataplane.ServiceConfig{Key: k, Scheduler: "rr"}); err != nil {
					return err
				}
				return p.d.AddServer(k, c)
			})
		}, false},
		{"the servers are quiesced: their connections stay, as in IPVS", func(p *pairOfPaths) {
			p.server(func(k dataplane.ServiceKey, c dataplane.ServerConfig) error {
				c.Weight = 0
				return p.d.EditServer(k, c)
			})
		}, nil, true},
		{"the servers are to be reached by NAT", func(p *pairOfPaths) {
			p.server(func(k dataplane.ServiceKey, c dataplane.ServerConfig) error {
				c.Method = dataplane.Masquerade
				return p.d.EditServer(k, c)
			})
		}, func(p *pairOfPaths) { p.server(p.d.EditServer) }, false},
		{"the servers have another MAC address", func(p *pairOfPaths) { p.neighbour(moved, outward) }, nil, true},
		{"the servers are behind another interface", func(p *pairOfPaths) {
			p.neighbour(serverMAC, dataplane.Link{Index: outward.Index, MAC: moved, MTU: outward.MTU})
		}, nil, true},
		{"the servers do not answer ARP", func(p *pairOfPaths) { p.neighbour(frame.MAC{}, outward) },
			func(p *pairOfPaths) { p.neighbour(serverMAC, outward) }, false},
		{"the link takes shorter packets", func(p *pairOfPaths) {
			p.neighbour(serverMAC, dataplane.Link{Index: outward.Index, MAC: outward.MAC, MTU: 28})
		}, func(p *pairOfPaths) { p.neighbour(serverMAC, outward) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t)
			c.leave(p)
			p.compare(c.forwards)
			if c.comeBack != nil {
				c.comeBack(p)
				p.compare(true)
			}
		})
	}
}

// tick tells the program the time.
func (p *pairOfPaths) tick(now int64) {
	p.t.Helper()
	if err := p.o.tables.setClock(now); err != nil {
		p.t.Fatal(err)
	}
}

// compare has the program and then the director process a frame of each connection. What the
// program leaves does not count as use of the connection.
func (p *pairOfPaths) compare(forwards bool) {
	p.t.Helper()
	p.now += int64(time.Second)
	p.eachFlow(func(e ends, proto frame.Proto) {
		f, k := e.frame(proto, "A"), e.key(proto)
		clear(f[:6])
		p.tick(p.now)
		before := p.o.Last(&k)
		out, ours := p.kernel(bytes.Clone(f)), p.direct(f)
		switch {
		case (out != nil) != forwards:
			p.t.Errorf("%v: the kernel forwards: %t, want %t", e.vip, out != nil, forwards)
		case (p.o.Last(&k) > before) != forwards:
			p.t.Errorf("%v: used at %d, before at %d, the kernel forwards: %t", e.vip, p.o.Last(&k), before, forwards)
		case out != nil && (ours.Verdict != dataplane.Forward || !bytes.Equal(out, ours.Data)):
			p.t.Errorf("%v: the kernel forwards\n% x\nthe director: %v, %v\n% x", e.vip, out, ours.Verdict, ours.Reason, ours.Data)
		}
	})
}

// An address that is withdrawn at an interface, as by a router that is not the master any more,
// has no flow there when that returns, and none comes back until it is served again.
func TestTheKernelForwardsToNoAddressThatIsWithdrawn(t *testing.T) {
	p := newPair(t)
	v4, v6 := families[0].vip.Addr(), families[1].vip.Addr()
	p.serve(loopback+1, v4, v6) // another interface
	p.serve(loopback, v6)
	for i, e := range families {
		if got := p.kernel(e.frame(frame.ProtoTCP, "A")) != nil; got != (i == 1) {
			t.Errorf("%v: the kernel forwards: %t", e.vip, got)
		}
	}
	if n := p.o.Counts(); n.Now != 2 || n.Ended != 2 {
		t.Fatalf("%+v, want the two flows to %v", n, v6)
	}
	p.serve(loopback)
	p.compare(false)
	p.rested()
	p.compare(false) // the director, which was not told, forwards them
	if n := p.o.Counts(); n.Now != 0 || n.Begun != 4 {
		t.Fatalf("%+v: flows to an address that is not served", n)
	}
	p.serve(loopback, v4, v6)
	for range 4 {
		p.eachFlow(func(e ends, proto frame.Proto) { p.direct(e.frame(proto, "A")) })
	}
	p.fast()
	p.compare(true)
}

// rested has the places of flows that were taken back be free again.
func (p *pairOfPaths) rested() {
	p.now += int64(rest)
	for range 2 {
		p.w.Sent(dataplane.NewBatch(), p.now)
	}
}

// A frame that comes in by another interface than the flow's is the director's.
func TestAFlowIsOfOneInterface(t *testing.T) {
	p := newPair(t)
	p.eachFlow(func(e ends, proto frame.Proto) {
		store32(p.o.tables.flow(p.o.byKey[e.key(proto)]), flowIf, loopback+1)
	})
	p.compare(false)
}
