package control

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"lvsdr/dataplane"
	"lvsdr/dataplane/afpacket"
)

// ports are the ports of one interface, each with its worker.
type ports struct {
	name    string
	all     []*afpacket.NIC
	workers sync.WaitGroup
	lost    func(error) // takes a worker's failure; nil: it ends the director
}

// openPorts opens, changes and closes ports until there is one for every
// interface of p and worker. Until the VIPs are announced the ports take ARP
// alone: clients that still know us from before a restart would be refused for
// want of servers. The caller holds m.mu.
func (m *manager) openPorts(p *plan) error {
	var vips map[int][]netip.Addr
	if m.active {
		vips = p.interfaces()
	}
	links := p.links()
	for i, at := range links {
		cfg := afpacket.Config{Interface: at.link, VIPs: vips[i], Neighbours6: true, XDP: m.o.XDP}
		if err := m.openGroup(cfg, max(m.o.Workers, 1), nil); err != nil {
			return err
		}
	}
	var failed error
	for _, i := range slices.Collect(maps.Keys(m.ports)) {
		if _, ok := links[i]; !ok && i != m.local.ifindex {
			failed = errors.Join(failed, m.closePorts(i))
		}
	}
	return failed
}

// openGroup opens n ports on one interface with their workers, or changes the
// VIPs of those there are. The caller holds m.mu.
func (m *manager) openGroup(cfg afpacket.Config, n int, lost func(error)) error {
	if have := m.ports[cfg.Interface.Index]; have != nil {
		for _, port := range have.all {
			if err := port.SetVIPs(cfg.VIPs); err != nil {
				return err
			}
		}
		return nil
	}
	all, err := afpacket.OpenGroup(cfg, n)
	if err != nil {
		return err
	}
	for _, port := range all {
		port.SetVisible(true) // until somebody has looked
	}
	ps := &ports{name: cfg.Interface.Name, all: all, lost: lost}
	m.ports[cfg.Interface.Index] = ps
	m.work(ps)
	return nil
}

// work starts the workers of ps.
func (m *manager) work(ps *ports) {
	for i, port := range ps.all {
		w := &dataplane.Worker{Director: m.director, NIC: port, ARP: m.arp.Inbox(), Now: m.now, Index: i}
		ps.workers.Add(1)
		m.task(func() error {
			err := w.Run()
			ps.workers.Done()
			if err == nil {
				return nil
			}
			err = fmt.Errorf("interface %s: %w", ps.name, err)
			if ps.lost != nil {
				ps.lost(err)
				return nil
			}
			return err
		})
	}
}

// closeAllPorts is closePorts for every interface.
func (m *manager) closeAllPorts() error {
	m.mu.Lock() // the control socket may still be asked
	defer m.mu.Unlock()
	var failed error
	for i := range m.ports {
		failed = errors.Join(failed, m.closePorts(i))
	}
	return failed
}

// closePorts ends the workers of interface i and closes their ports. The
// caller holds m.mu.
func (m *manager) closePorts(i int) error {
	ps := m.ports[i]
	delete(m.ports, i)
	for _, port := range ps.all {
		port.Stop()
	}
	ps.workers.Wait()
	var failed error
	for _, port := range ps.all {
		failed = errors.Join(failed, port.Close())
	}
	return failed
}
