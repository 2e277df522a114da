package api

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// A DrainClient is the part of a Client that drains a server.
type DrainClient interface {
	Status(context.Context) (*Status, error)
	Service(context.Context, ServiceKey) (*Service, error)
	Edit(context.Context, []Edit) ([]error, error)
}

// A Drainer takes a real server out of its services without loss: it gets no new
// connections, and is removed when it has none any more.
type Drainer struct {
	Client  DrainClient
	Server  netip.Addr
	Port    uint16         // 0: all ports
	Service netip.AddrPort // not valid: all services
	Timeout time.Duration  // after which it is removed with what it has; 0: never
	Every   time.Duration  // between two looks
	Now     func() time.Time
	Wait    func(context.Context, time.Duration) error // for so long, or until the context ends
	Say     func(line string)
}

// A drainPlace is the server in one of its services.
type drainPlace struct {
	service ServiceKey
	server  ServerConfig
	left    int // connections, as said last
}

// places are the services that have the server.
func (d *Drainer) places(ctx context.Context, wanted func(*Server) bool) (all []drainPlace, err error) {
	st, err := d.Client.Status(ctx)
	if err != nil {
		return nil, err
	}
	for i := range st.Services {
		s := &st.Services[i]
		if d.Service.IsValid() && (s.Address != d.Service.Addr() || s.Port != d.Service.Port()) {
			continue
		}
		for k := range s.Servers {
			r := &s.Servers[k]
			if r.Address == d.Server && (d.Port == 0 || r.Port == d.Port) && wanted(r) {
				all = append(all, drainPlace{s.ServiceKey, r.ServerConfig, -1})
			}
		}
	}
	return all, nil
}

// edit carries out an edit at each place, all in one request.
func (d *Drainer) edit(ctx context.Context, op EditOp, at []drainPlace) error {
	var edits []Edit
	for _, p := range at {
		edits = append(edits, Edit{Op: op, Service: ServiceConfig{ServiceKey: p.service}, Server: p.server})
	}
	refused, err := d.Client.Edit(ctx, edits)
	return errors.Join(append(refused, err)...)
}

// name is the server as it was named.
func (d *Drainer) name() string {
	if d.Port == 0 {
		return d.Server.String()
	}
	return HostPort(d.Server, d.Port)
}

// Undo gives the server its weight again, where it is drained, and brings it back where
// it was removed since.
func (d *Drainer) Undo(ctx context.Context) error {
	at, err := d.places(ctx, func(r *Server) bool { return r.Drained })
	if err == nil && len(at) == 0 {
		err = fmt.Errorf("%s is not drained", d.name())
	}
	if err == nil {
		err = d.edit(ctx, UndrainServer, at)
	}
	if err != nil {
		return err
	}
	for _, p := range at {
		d.Say(fmt.Sprintf("%s of %s: draining undone", HostPort(p.server.Address, p.server.Port), p.service))
	}
	return nil
}

// Drain drains the server and waits until it was removed. When ctx ends, it stays
// drained, and is not removed.
func (d *Drainer) Drain(ctx context.Context) error {
	at, err := d.places(ctx, func(r *Server) bool { return !r.Removed || r.Drained })
	if err == nil && len(at) == 0 {
		err = fmt.Errorf("%s is no real server of such a service", d.name())
	}
	if err == nil {
		err = d.edit(ctx, DrainServer, at)
	}
	if err != nil {
		return err
	}
	begin := d.Now()
	for {
		due := d.Timeout > 0 && d.Now().Sub(begin) >= d.Timeout
		if at, err = d.look(ctx, at, due); err != nil || len(at) == 0 {
			return err
		}
		if err = d.Wait(ctx, d.Every); err != nil {
			return err
		}
	}
}

// look removes the server where it has no connections, or everywhere if it is due, and
// returns the places where it is still.
func (d *Drainer) look(ctx context.Context, at []drainPlace, due bool) (rest []drainPlace, err error) {
	for _, p := range at {
		name := fmt.Sprintf("%s of %s", HostPort(p.server.Address, p.server.Port), p.service)
		s, err := d.Client.Service(ctx, p.service)
		if errors.Is(err, ErrNoService) {
			d.Say(name + ": the service has gone")
			continue
		}
		if err != nil {
			return nil, err
		}
		r := s.server(&p.server)
		switch {
		case r == nil || r.Removed:
			d.Say(name + ": removed")
			continue
		case !r.Drained:
			return nil, fmt.Errorf("%s: its draining was ended by an edit", name)
		}
		n := r.Active + r.Inactive
		if n == 0 || due {
			if err := d.edit(ctx, DelServer, []drainPlace{p}); err != nil {
				return nil, err
			}
			d.Say(name + ": removed" + lossText(n))
			continue
		}
		if n != p.left {
			d.Say(name + ": " + leftText(r))
		}
		p.left = n
		rest = append(rest, p)
	}
	return rest, nil
}

func lossText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" with %d connections, by the timeout", n)
}

// leftText says what a drained server still has.
func leftText(r *Server) string {
	words := []string{fmt.Sprintf("%d connections (%d active)", r.Active+r.Inactive, r.Active)}
	if r.Persistent > 0 {
		words = append(words, fmt.Sprintf("clients bound to it: %d", r.Persistent))
	}
	return strings.Join(words, ", ")
}
