package actor

import (
	"errors"
	"fmt"
	"time"
)

// farewell is how long the commands of notifications have at the end.
const farewell = 5 * time.Second

// Close ends the actors in the reverse order of what stands on what: what was
// promised last is taken back first. One that fails keeps no other from ending.
// keep leaves the guards where they are, for the next start: after a failure
// before this one has served anything.
//
// The VIPs that VRRP gave to this host go to another one. First they are not answered for
// any more, so that never two hosts answer; then VRRP says that this one gives up, so that
// another one begins its last wait; and the ports stay open for linger, the longest such
// wait: until the other host announces itself, clients send to this one, and lose nothing.
func (a *All) Close(keep bool, linger time.Duration) error {
	var errs []error
	end := func(name string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("end %s: %w", name, err))
		}
	}
	if a.ARP != nil {
		end("the announcements", a.ARP.SetVIPs(nil))
	}
	if a.Routing != nil {
		end("the routes and rules of VRRP", a.Routing.Close()) // some need addresses
	}
	if a.Addresses != nil {
		end("the addresses of VRRP", a.Addresses.Close())
	}
	given := time.NewTimer(linger)
	defer given.Stop()
	if a.VRRP != nil {
		end("VRRP", a.VRRP.Close())
		given.Reset(linger)
	}
	if a.Trackers != nil {
		a.Trackers.Close()
	}
	if a.Redirect != nil {
		end("the way of clients on this host", a.Redirect.Close())
	}
	if a.Checks != nil {
		a.Checks.Close()
	}
	if linger > 0 {
		<-given.C
	}
	if a.NICs != nil {
		end("the ports", a.NICs.Close())
	}
	if a.Sync != nil {
		end("connection sync", a.Sync.Close()) // what the ports did last is told, too
	}
	if a.Routes != nil {
		end("the routes of checks", a.Routes.Close())
	}
	if a.Guard != nil {
		end("the shield", a.Guard.Close(keep))
	}
	if a.Notifier != nil {
		a.Notifier.Close(farewell)
	}
	return errors.Join(errs...)
}

// Leave ends the actors of a process whose successor has taken over, or that has not taken over itself: what they have
// done to the host stays, as another process relies on it.
func (a *All) Leave() error {
	if a.Checks != nil {
		a.Checks.Close()
	}
	var err error
	if a.VRRP != nil {
		err = a.VRRP.Close()
	}
	if a.Sync != nil {
		err = errors.Join(err, a.Sync.Close()) // its sockets
	}
	if a.NICs != nil {
		err = errors.Join(err, a.NICs.Close())
	}
	if a.Guard != nil {
		err = errors.Join(err, a.Guard.Close(true))
	}
	if a.Notifier != nil {
		a.Notifier.Leave(farewell)
	}
	return err
}
