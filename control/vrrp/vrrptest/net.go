// Package vrrptest is a network of virtual routers on a virtual clock: with delay, loss, partitions and nodes that die. The
// same seed gives the same run.
package vrrptest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"lvsdr/control/vrrp"
)

// A Net is the network. An interface of a node is on the segment of its name.
type Net struct {
	// Delay is the longest time that a packet takes; Loss is the share that gets lost, 0 to 1.
	Delay time.Duration
	Loss  float64
	// After is called after each event; nil: it is not.
	After func()
	// Packets counts what was sent.
	Packets int

	now     int64
	nodes   []*Node
	flights []flight
	cuts    map[string]bool
	random  *rand.Rand
}

// A flight is a packet on its way.
type flight struct {
	at     int64
	to     *Node
	packet vrrp.Packet
}

// A Node is one host.
type Node struct {
	Name    string
	Machine *vrrp.Machine
	// Changes are all that it has reported, with the times since the Net was made.
	Changes []Timed

	net  *Net
	dead bool
}

// Timed is a Change and its time.
type Timed struct {
	At time.Duration
	vrrp.Change
}

// New is a Net without nodes, in which packets take a millisecond at most.
func New(seed uint64) *Net {
	return &Net{Delay: time.Millisecond, now: 1, cuts: map[string]bool{}, random: rand.New(rand.NewPCG(seed, seed))}
}

// Now is the time since the Net was made.
func (n *Net) Now() time.Duration { return time.Duration(n.now) }

// Add adds a node whose interfaces have these addresses.
func (n *Net) Add(name string, s vrrp.Settings, sources map[string]netip.Addr) *Node {
	d := &Node{Name: name, Machine: vrrp.NewMachine(), net: n}
	n.nodes = append(n.nodes, d)
	for iface, a := range sources {
		d.Machine.Source(n.now, iface, a.Is6(), a)
	}
	d.Do(func(m *vrrp.Machine, now int64) { m.Set(now, s) })
	return d
}

// Do calls f with the node's machine and the time, and takes what comes of it.
func (d *Node) Do(f func(m *vrrp.Machine, now int64)) {
	f(d.Machine, d.net.now)
	d.take()
}

// Kill ends the node without a word.
func (d *Node) Kill() { d.dead = true }

// Revive starts a killed node anew, with other settings if they are.
func (d *Node) Revive(s vrrp.Settings, sources map[string]netip.Addr) {
	d.dead, d.Machine = false, vrrp.NewMachine()
	for iface, a := range sources {
		d.Machine.Source(d.net.now, iface, a.Is6(), a)
	}
	d.Do(func(m *vrrp.Machine, now int64) { m.Set(now, s) })
}

// Role is that of an instance; a dead node's is Stopped.
func (d *Node) Role(instance string) vrrp.Role {
	if d.dead {
		return vrrp.Stopped
	}
	for _, s := range d.Machine.States() {
		if s.Name == instance {
			return s.Role
		}
	}
	return vrrp.Stopped
}

// Cut parts two nodes on a segment until Heal.
func (n *Net) Cut(a, b *Node, segment string) {
	n.cuts[cut(a, b, segment)], n.cuts[cut(b, a, segment)] = true, true
}

// Heal ends all cuts.
func (n *Net) Heal() { clear(n.cuts) }

func cut(a, b *Node, segment string) string { return fmt.Sprint(a.Name, " ", b.Name, " ", segment) }

// Masters are the names of the nodes on which an instance is master.
func (n *Net) Masters(instance string) []string {
	var all []string
	for _, d := range n.nodes {
		if d.Role(instance) == vrrp.Master {
			all = append(all, d.Name)
		}
	}
	return all
}

// take sends what the node has to send.
func (d *Node) take() {
	n := d.net
	out, changes := d.Machine.Take()
	for _, c := range changes {
		d.Changes = append(d.Changes, Timed{time.Duration(n.now), c})
	}
	for _, p := range out {
		n.Packets++
		for _, to := range n.nodes {
			if to == d || n.cuts[cut(d, to, p.Interface)] || n.random.Float64() < n.Loss {
				continue
			}
			if !p.Dst.IsMulticast() && !to.has(p.Dst) {
				continue
			}
			n.flights = append(n.flights, flight{n.now + n.random.Int64N(int64(n.Delay)+1), to, p})
		}
	}
	if n.After != nil {
		n.After()
	}
}

// has reports whether the node has the address.
func (d *Node) has(a netip.Addr) bool {
	for _, s := range d.Machine.States() {
		if s.Source == a {
			return true
		}
	}
	return false
}

// Run lets time go on.
func (n *Net) Run(d time.Duration) {
	end := n.now + int64(d)
	for {
		at, event := n.next()
		if event == nil || at > end {
			n.now = end
			return
		}
		n.now = max(n.now, at)
		event()
	}
}

// next is the next event and its time; nil: there is none.
func (n *Net) next() (at int64, event func()) {
	for _, d := range n.nodes {
		if t, ok := d.Machine.Wake(); ok && !d.dead && (event == nil || t < at) {
			at, event = t, func() { d.Do((*vrrp.Machine).Tick) }
		}
	}
	for k := range n.flights {
		if t := n.flights[k].at; event == nil || t < at {
			at, event = t, func() { n.land(k) }
		}
	}
	return at, event
}

// land delivers flight k.
func (n *Net) land(k int) {
	f := n.flights[k]
	n.flights[k] = n.flights[len(n.flights)-1]
	n.flights = n.flights[:len(n.flights)-1]
	if !f.to.dead {
		f.to.Do(func(m *vrrp.Machine, now int64) { m.Receive(now, f.packet) })
	}
}
