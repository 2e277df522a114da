package netlab

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"syscall"

	"lvsdr/control/api"
)

// Names of a pair's directors, which are also the ids by which they choose lines of
// their common file.
const (
	FirstDirector  = "director"
	SecondDirector = "director2"
)

// What VRRP is told by VirtualRouter. The lower priority is that of the second director.
const (
	highPriority = 150
	lowPriority  = 100
	advertInt    = "0.2" // seconds
)

// AddStandby makes a lab of one director one of two: it adds SecondDirector, on which
// nothing runs so far.
func (l *Lab) AddStandby(ctx context.Context) error {
	if _, err := l.AddDirector(ctx, SecondDirector); err != nil {
		return err
	}
	l.Spec.Directors = 2
	return nil
}

// Standby is the second director's host; nil: the lab has one director.
func (l *Lab) Standby() *Node {
	at := slices.IndexFunc(l.Others, func(n *Node) bool { return n.Name() == SecondDirector })
	if l.Spec.Directors < 2 || at < 0 {
		return nil
	}
	return l.Others[at]
}

// VirtualRouter is the VRRP part of the file that both directors have: connection sync,
// and an instance with the VIP, of which the first is the master as long as it runs.
// It takes the VIP back when it returns.
func (l *Lab) VirtualRouter() string {
	return fmt.Sprintf(`global_defs {
    lvs_sync_daemon %[1]s web
}

vrrp_instance web {
    state BACKUP
    version 3
    interface %[1]s
    virtual_router_id 51
    @%[2]s priority %[3]d
    @%[4]s priority %[5]d
    advert_int %[6]s
    virtual_ipaddress {
        %[7]s
    }
}

`, Ifname, FirstDirector, highPriority, SecondDirector, lowPriority, advertInt, l.Spec.VIP)
}

// Config is the file of the site's director, or of both.
func (s *Site) Config(service Service) string {
	text := s.Lab.Config(service)
	if s.Standby() != nil {
		text = s.VirtualRouter() + text
	}
	return text
}

// DirectPair starts both directors with a SmallTable and the file config, and returns
// when the first is the master.
func (s *Site) DirectPair(ctx context.Context, config string) (err error) {
	s.Text = config
	if s.Running, err = s.StartOn(ctx, s.Lab.Director); err != nil {
		return err
	}
	if s.Second, err = s.StartOn(ctx, s.Standby()); err == nil {
		err = s.Running.AwaitRole(ctx, "MASTER")
	}
	if err == nil {
		err = s.Second.AwaitRole(ctx, "BACKUP")
	}
	if err != nil {
		return errors.Join(err, s.Stop())
	}
	return nil
}

// StartOn starts a director of the pair on its host, with the file Text. The caller has
// to keep it as Running or Second.
func (s *Site) StartOn(ctx context.Context, n *Node) (*Director, error) {
	return StartDirector(ctx, n.Host, s.Binary, s.Text, SmallTable, "--config-id", n.Name())
}

// Directors are those that run, the first one first.
func (s *Site) Directors() []*Director {
	return slices.DeleteFunc([]*Director{s.Running, s.Second}, func(d *Director) bool { return d == nil })
}

// DirectorOf is the director that commands on a host are about: its own, else the first.
func (s *Site) DirectorOf(n *Node) *Director {
	if s.Second != nil && n == s.Standby() {
		return s.Second
	}
	return s.Running
}

// HostOf is the host of a director that runs.
func (s *Site) HostOf(d *Director) *Node {
	if d == s.Second && d != nil {
		return s.Standby()
	}
	return s.Lab.Director
}

// Master is the director that serves, and the only one where there is no pair; an error
// if none is the master.
func (s *Site) Master(ctx context.Context) (*Director, error) {
	if s.Second == nil {
		return s.Running, nil
	}
	for _, d := range s.Directors() {
		st, err := d.Status(ctx)
		if err != nil {
			return nil, fmt.Errorf("ask %s for its role: %w", s.HostOf(d).Name(), err)
		}
		if hasRole(st, "MASTER") {
			return d, nil
		}
	}
	return nil, errors.New("none of the directors is the master")
}

// Reload gives all directors that run another configuration.
func (s *Site) Reload(ctx context.Context, config string) error {
	for _, d := range s.Directors() {
		if err := d.Reload(ctx, config); err != nil {
			return err
		}
	}
	s.Text = config
	return nil
}

// Stop ends the directors that run, the second one first: where it stands by, the VIP
// does not move. That one of a pair was killed before is no failure: a pair is there
// for it.
func (s *Site) Stop() error {
	var errs []error
	for _, d := range []**Director{&s.Second, &s.Running} {
		if *d == nil {
			continue
		}
		if err := (*d).Stop(); err != nil && (s.Standby() == nil || !wasKilled(err)) {
			errs = append(errs, fmt.Errorf("%s ended badly: %w; it wrote:\n%s", s.HostOf(*d).Name(), err, (*d).Log.String()))
		}
		*d = nil
	}
	return errors.Join(errs...)
}

// wasKilled reports whether err says that a process ended by SIGKILL.
func wasKilled(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// AwaitRole waits until all instances of the director have a role, as VRRP names it.
func (d *Director) AwaitRole(ctx context.Context, role string) error {
	if err := d.Await(ctx, func(st *api.Status) bool { return hasRole(st, role) }); err != nil {
		return fmt.Errorf("wait for the role %s: %w", role, err)
	}
	return nil
}

// hasRole reports whether there are instances, and all have that role.
func hasRole(st *api.Status, role string) bool {
	return len(st.Routers) > 0 && !slices.ContainsFunc(st.Routers, func(r api.Router) bool { return r.Role != role })
}
