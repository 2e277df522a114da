package vrrp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// sockets is the network of this host: for each port a raw socket of protocol 112, bound to the interface.
type sockets struct {
	ports []port
	open  []*socket
	links map[string]linkState
	ready chan struct{}
	wait  sync.WaitGroup
	buf   [maxPacket]byte
	oob   [256]byte
}

// maxPacket is more than an advert of 255 IPv6 addresses and its headers.
const maxPacket = 8192

// perRound bounds the packets that one socket gives in a round: a flood waits in the kernel, and is dropped there. Rounds
// are a millisecond apart while it lasts.
const perRound = 256

// narrowFor is how long a socket that had more than a round takes hears known routers alone.
const narrowFor = 10 * time.Second

// A linkState is an interface as it was when it was looked at.
type linkState struct {
	index int
	at    time.Time
	addrs []netip.Addr
}

// addressesEvery is how long the addresses of an interface are taken as known.
const addressesEvery = 4 * time.Second

func newNetwork() network {
	return &sockets{ready: make(chan struct{}, 1), links: map[string]linkState{}}
}

// Listen opens the sockets that are missing, or whose interface is another one now. A nil list is the last one.
func (s *sockets) Listen(ports []port) error {
	if ports != nil {
		s.ports = ports
		clear(s.links)
	}
	for _, o := range s.open {
		o.widen()
	}
	var errs []error
	var keep []*socket
	for _, p := range s.ports {
		index, err := interfaceIndex(p.iface)
		k := slices.IndexFunc(s.open, func(o *socket) bool { return o.port.equal(p) && o.index == index })
		switch {
		case err != nil:
			errs = append(errs, err)
		case k >= 0:
			keep = append(keep, s.open[k])
		default:
			one, err := openSocket(p, index)
			if err != nil {
				errs = append(errs, fmt.Errorf("listen for VRRP on %s: %w", p.iface, err))
				continue
			}
			s.wait.Go(func() { one.watch(s.ready) })
			keep = append(keep, one)
		}
	}
	for _, o := range s.open {
		if !slices.Contains(keep, o) {
			o.close()
		}
	}
	s.open = keep
	return errors.Join(errs...)
}

func (p port) equal(o port) bool {
	return p.iface == o.iface && p.is6 == o.is6 && p.far == o.far && p.all == o.all && p.buffer == o.buffer && p.mac == o.mac &&
		slices.Equal(p.groups, o.groups) && slices.Equal(p.ids, o.ids)
}

// interfaceIndex is cheaper than net.InterfaceByName, which lists all.
func interfaceIndex(name string) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written
	r, err := unix.NewIfreq(name)
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, r)
	}
	if err != nil {
		return 0, fmt.Errorf("find interface %s: %w", name, err)
	}
	return int(r.Uint32()), nil
}

// Source is the first address of the interface in the order of the kernel; for IPv6 a link-local one.
func (s *sockets) Source(iface string, is6 bool, not []netip.Addr) netip.Addr {
	l := s.links[iface]
	index, err := interfaceIndex(iface)
	if err != nil {
		delete(s.links, iface)
		return netip.Addr{}
	}
	fits := func(a netip.Addr) bool {
		return a.Is6() == is6 && !slices.Contains(not, a) && (!is6 || a.IsLinkLocalUnicast())
	}
	if l.index != index || time.Since(l.at) > addressesEvery || !slices.ContainsFunc(l.addrs, fits) {
		l = linkState{index, time.Now(), addressesOf(index)}
		s.links[iface] = l
	}
	if k := slices.IndexFunc(l.addrs, fits); k >= 0 {
		return l.addrs[k]
	}
	return netip.Addr{}
}

// addressesOf are the addresses of an interface; none if they cannot be read.
func addressesOf(index int) []netip.Addr {
	list, err := (&net.Interface{Index: index}).Addrs()
	if err != nil {
		return nil
	}
	var all []netip.Addr
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok {
				all = append(all, addr.Unmap())
			}
		}
	}
	return all
}

// Send sends by the socket of p's interface: from another MAC address by a packet socket.
func (s *sockets) Send(p Packet) error {
	for _, o := range s.open {
		if o.port.iface == p.Interface && o.port.is6 == p.Src.Is6() {
			return o.send(s.buf[:0], &p)
		}
	}
	return fmt.Errorf("send on %s: no socket is open", p.Interface)
}

// Ready gets a value when packets may have come.
func (s *sockets) Ready() <-chan struct{} { return s.ready }

// Receive takes in what has come.
func (s *sockets) Receive(f func(Packet), trusted func(string, bool) []netip.Addr) {
	for _, o := range s.open {
		n := 0
		for ; n < perRound; n++ {
			p, err := o.receive(s.buf[:], s.oob[:])
			if err != nil {
				break
			}
			if p.Payload != nil {
				f(p)
			}
		}
		if n == perRound && o.narrowed.IsZero() {
			o.narrow(trusted(o.port.iface, o.port.is6))
		}
		o.rearm(n == perRound)
	}
}

// Close closes the sockets and waits for what watches them.
func (s *sockets) Close() {
	for _, o := range s.open {
		o.close()
	}
	s.open = nil
	s.wait.Wait()
}
