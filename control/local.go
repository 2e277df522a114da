package control

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"lvsdr/control/localclient"
	"lvsdr/dataplane/afpacket"
)

// local is how clients on this host are served.
type local struct {
	gate    *localclient.Redirect // nil: they are not to be, or cannot be
	ifindex int                   // of the interface they come in by; 0: none
	err     error                 // why they are not served
}

// errLocalOff is the reason of an operator who does not want it.
var errLocalOff = errors.New("off")

// String is "served", or why they are not.
func (l *local) String() string {
	switch {
	case l.err != nil:
		return l.err.Error()
	case l.ifindex == 0:
		return "not yet"
	}
	return "served"
}

// localSlots is how many frames from this host's own clients may wait: 8 MiB.
const localSlots = 124

// openGate makes ready for clients on this host, or cleans up after a
// predecessor where they are not to be served.
func (m *manager) openGate() {
	if !m.o.LocalClients {
		m.local.err = errLocalOff
		if err := localclient.Clean(); err != nil {
			m.log.Warn("a redirect of clients on this host is left behind", "error", err)
		}
		return
	}
	gate, err := localclient.New()
	if err != nil {
		m.noLocal(err)
		return
	}
	m.local.gate = gate
}

// serveLocal leads the clients on this host to the director, once the VIPs are
// announced. That it cannot be done is no reason not to serve all others. The
// caller holds m.mu.
func (m *manager) serveLocal(p *plan) {
	if m.local.gate == nil || !m.active {
		return
	}
	if err := m.openLocal(p); err != nil {
		m.noLocal(err)
		return
	}
	if m.local.err != nil {
		m.log.Info("clients on this host are served again")
	}
	m.local.err = nil
}

// noLocal warns, once for each reason. The caller holds m.mu, or is the only
// one that knows m.
func (m *manager) noLocal(err error) {
	if m.local.err == nil || m.local.err.Error() != err.Error() {
		m.log.Warn("clients on this host are not served", "error", err,
			"remedy", "SIGHUP tries again, --local-clients=false does without")
	}
	m.local.err = err
}

func (m *manager) openLocal(p *plan) error {
	vips, mtu, lacking := p.localVIPs()
	if len(vips) == 0 {
		return errors.Join(lacking, m.local.gate.Set(nil))
	}
	end, err := m.local.gate.Open(mtu)
	var far *net.Interface
	if err == nil {
		err = m.shield.Set(m.guards(p, true))
	}
	if err == nil {
		far, err = net.InterfaceByName(end.Name)
	}
	if err == nil {
		err = m.openLocalPort(far, vips)
	}
	if err != nil {
		return errors.Join(err, m.local.gate.Set(nil)) // better no way than one into nowhere
	}
	return errors.Join(lacking, m.local.gate.Set(vips))
}

// openLocalPort receives on far, which may be another one than before.
func (m *manager) openLocalPort(far *net.Interface, vips []localclient.VIP) error {
	if i := m.local.ifindex; i != far.Index && m.ports[i] != nil {
		if err := m.closePorts(i); err != nil {
			return err
		}
	}
	m.local.ifindex = far.Index
	cfg := afpacket.Config{Interface: far, Slots: localSlots}
	for _, v := range vips {
		cfg.VIPs = append(cfg.VIPs, v.Addr)
	}
	return m.openGroup(cfg, 1, func(err error) { m.lostLocal(far.Index, err) })
}

// lostLocal does without the clients on this host, because their interface is
// gone, say.
func (m *manager) lostLocal(ifindex int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.local.ifindex != ifindex || m.ports[ifindex] == nil {
		return // it was given up already
	}
	m.noLocal(errors.Join(err, m.closePorts(ifindex), m.local.gate.Set(nil)))
	m.local.ifindex = 0
}

// localVIPs are the VIPs with what clients on this host need to know, and the
// greatest packet in bytes that all the real servers' links carry. VIPs for
// which this host has no address are left out and named in the error.
func (p *plan) localVIPs() (vips []localclient.VIP, mtu int, lacking error) {
	for addr, at := range p.vips {
		if at.local {
			continue // they end on this host, as was said
		}
		v := localclient.VIP{Addr: addr, Source: at.source, Replies: []int{at.link.Index}}
		source := netip.Addr{}
		for _, s := range p.services {
			if s.source.Addr != addr {
				continue
			}
			for _, r := range s.servers {
				on := p.servers[r.source.Addr]
				if !source.IsValid() {
					source = on.source
				}
				if !slices.Contains(v.Replies, on.link.Index) {
					v.Replies = append(v.Replies, on.link.Index)
				}
			}
		}
		if source.IsValid() {
			v.Source = source
		}
		if !v.Source.IsValid() {
			lacking = errors.Join(lacking, fmt.Errorf("this host has no address on the network of the real servers of %s; "+
				"give it one: ip addr add ADDRESS/BITS dev %s", addr, at.link.Name))
			continue
		}
		vips = append(vips, v)
	}
	for _, at := range p.links() {
		if mtu == 0 || at.link.MTU < mtu {
			mtu = at.link.MTU
		}
	}
	return vips, mtu, lacking
}
