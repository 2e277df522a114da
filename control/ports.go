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
	all     []*afpacket.Port
	workers sync.WaitGroup
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
		if have := m.ports[i]; have != nil {
			for _, port := range have.all {
				if err := port.SetVIPs(vips[i]); err != nil {
					return err
				}
			}
			continue
		}
		all, err := afpacket.OpenGroup(afpacket.Config{Interface: at.link, VIPs: vips[i], Neighbours6: true}, max(m.o.Workers, 1))
		if err != nil {
			return err
		}
		m.ports[i] = &ports{name: at.link.Name, all: all}
		m.work(m.ports[i])
	}
	var failed error
	for _, i := range slices.Collect(maps.Keys(m.ports)) {
		if _, ok := links[i]; !ok {
			failed = errors.Join(failed, m.closePorts(i))
		}
	}
	return failed
}

// work starts the workers of ps.
func (m *manager) work(ps *ports) {
	for i, port := range ps.all {
		w := &dataplane.Worker{Director: m.director, Port: port, ARP: m.arp.Inbox(), Now: m.now, Index: i}
		ps.workers.Add(1)
		m.task(func() error {
			defer ps.workers.Done()
			if err := w.Run(); err != nil {
				return fmt.Errorf("interface %s: %w", ps.name, err)
			}
			return nil
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
