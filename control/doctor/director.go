package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"lvsdr/control/api"
	"lvsdr/control/keepalived"
)

// DirectorOptions say how a director's host is examined.
type DirectorOptions struct {
	// File is the configuration, read with Reading.
	File    string
	Reading keepalived.Options
	// Interface is where the VIPs are received; empty: as the running director
	// says, or where their network is.
	Interface string
	// Socket is the running director's.
	Socket string
	// Passive: nothing is sent.
	Passive bool
	// Timeout is how long an answer is waited for; 0 means 1 s. Traffic is
	// listened to for three times as long at least.
	Timeout time.Duration
	// Progress, if not nil, is told after each check.
	Progress func(c Check, found []Finding)
}

// listenTimes is how many times Timeout traffic is listened to: enough for a
// client's second SYN, which comes after 1 s (RFC 6298).
const listenTimes = 3

// Director examines the host of a director. It needs CAP_NET_RAW, without which
// the error wraps os.ErrPermission; an error means that there is no report.
func Director(ctx context.Context, o DirectorOptions) (*Report, error) {
	cfg, diags, err := keepalived.Load(o.File, o.Reading)
	if err != nil {
		return nil, err
	}
	wait := o.Timeout
	if wait == 0 {
		wait = time.Second
	}
	x := &Exam{Config: cfg, Diags: diags, File: o.File, Interface: o.Interface, Passive: o.Passive, Listen: listenTimes * wait}
	if x.Interface == "" {
		x.Interface = cfg.Global.DefaultInterface
	}
	// Asked before anything is sent: the answers to our questions tell a running
	// director things that clients went without.
	director := api.NewClient(o.Socket)
	defer director.Close()
	if x.Status, err = director.Status(ctx); err != nil {
		x.Status = nil
	}
	if x.Host, err = Gather(append(x.directed(), x.realServers()...)); err != nil {
		return nil, err
	}
	x.leaveOutDirector()
	var links []*Link
	for i := range x.Host.Links {
		if l := &x.Host.Links[i]; l.Ethernet() && l.Up && x.concerns(l) {
			links = append(links, l)
		}
	}
	wire, err := OpenWire(links, x.directed(), x.realServers(), wait)
	if err != nil {
		return nil, fmt.Errorf("%w (needs CAP_NET_RAW: run as root, or with ambient capabilities as docs/operations.md has them)", err)
	}
	x.Net = wire
	r, err := Run(ctx, x, "director", DirectorChecks(), o.Progress)
	return r, errors.Join(err, wire.Close())
}

// leaveOutDirector takes the packet sockets of the running director from those
// of others.
func (x *Exam) leaveOutDirector() {
	x.Host.Taps = slices.DeleteFunc(x.Host.Taps, func(t Tap) bool { return x.Status != nil && t.PID == x.Status.PID })
}

// concerns reports whether a VIP or a real server is on a link, or may be.
func (x *Exam) concerns(l *Link) bool {
	if l.Name == x.Interface {
		return true
	}
	if x.Status != nil && slices.ContainsFunc(x.Status.Services, func(s api.Service) bool { return s.Interface == l.Name }) {
		return true
	}
	for _, a := range append(x.directed(), x.realServers()...) {
		if r := x.Host.Routes[a]; r.Err == nil && r.Ifindex == l.Index {
			return true
		}
		if owner, _ := x.Host.owner(a); owner == l {
			return true
		}
	}
	return false
}

// ServerOptions say how a real server is examined.
type ServerOptions struct {
	VIPs     []netip.Addr
	Port     uint16 // of the service; 0: not looked at
	Progress func(c Check, found []Finding)
}

// Server examines this host as a real server. It sends nothing and needs no
// privileges, but without CAP_NET_ADMIN it does not see the firewall.
func Server(ctx context.Context, o ServerOptions) (*Report, error) {
	host, err := Gather(o.VIPs)
	if err != nil {
		return nil, err
	}
	return Run(ctx, &Exam{Host: host, VIPs: o.VIPs, Port: o.Port}, "real server", ServerChecks(), o.Progress)
}
