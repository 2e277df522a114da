package afpacket

import (
	"golang.org/x/sys/unix"

	"lvsdr/dataplane"
)

// sendXDP sends the forwarded frames of b by an AF_XDP socket and reports
// whether it has: it takes all of a batch or none, so that they keep their
// order. It leaves alone what is too little to be worth it, what is not finished
// (checksums, super-frames), what leaves by several interfaces, and all while
// somebody captures.
func (p *NIC) sendXDP(b *dataplane.Batch, waits *int) bool {
	for _, x := range p.xdps {
		if x.pending > 0 {
			p.kick(x, waits)
		}
	}
	if !p.useXDP || p.visible.Load() || len(b.Packets) < xdpLeast {
		return false
	}
	var x *xdp
	n := 0
	for i := range b.Packets {
		k := &b.Packets[i]
		if k.Verdict != dataplane.Forward {
			continue
		}
		if x == nil {
			if x = p.xdpOf(k.Out); x == nil {
				return false
			}
			x.reclaim()
		}
		m := p.message(k)
		if m == nil || k.Out != x.out || m[vnetFlags]&vnetNeedsCsum != 0 || m[vnetGSOType] != vnetGSONone || !x.put(n, k.Data) {
			return false
		}
		n++
	}
	if n < xdpLeast {
		return false
	}
	x.commit(n)
	p.kick(x, waits)
	return true
}

// xdpOf is the socket that sends by the interface out, opened when it is first
// needed; nil if there is none, or it is behind.
func (p *NIC) xdpOf(out int32) *xdp {
	var x *xdp
	for _, have := range p.xdps {
		if have.out == out {
			x = have
		}
	}
	if x == nil {
		x = &xdp{out: out, fd: -1, tried: p.looks.Load() - 1}
		p.xdps = append(p.xdps, x)
	}
	if x.fd < 0 {
		if x.tried == p.looks.Load() {
			return nil
		}
		x.tried = p.looks.Load()
		if err := x.open(); err != nil {
			p.xdpError.Store(&err)
			return nil
		}
		p.xdpError.Store(nil)
	}
	if x.pending > 0 {
		return nil
	}
	return x
}

// XDPError is why the NIC has no AF_XDP socket for what it would have sent by
// one; nil: it has, or has not needed one.
func (p *NIC) XDPError() error {
	if err := p.xdpError.Load(); err != nil {
		return *err
	}
	return nil
}

// kick sends what is pending, waits for room as flush does, and counts. A socket
// that fails is closed; another is opened after the next SetVisible(false).
func (p *NIC) kick(x *xdp, waits *int) {
	for {
		sent, dropped, errno := x.kick()
		p.sent.Add(uint64(sent))
		p.sentXDP.Add(uint64(sent))
		p.sendFull.Add(uint64(dropped))
		switch {
		case x.pending == 0:
			return
		case errno != unix.EAGAIN && errno != unix.EBUSY && errno != unix.ENOBUFS:
			p.sendError.Add(uint64(x.pending))
			x.close()
			x.tried = p.looks.Load()
			return
		case *waits == 0:
			return // they go with the next batch
		}
		*waits--
		p.pause(waitMS)
	}
}
