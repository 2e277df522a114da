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
func (a *All) Close(keep bool) error {
	var errs []error
	end := func(name string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("end %s: %w", name, err))
		}
	}
	if a.ARP != nil {
		end("the announcements", a.ARP.SetVIPs(nil))
	}
	if a.Sync != nil {
		end("connection sync", a.Sync.Close())
	}
	if a.Redirect != nil {
		end("the way of clients on this host", a.Redirect.Close())
	}
	if a.Checks != nil {
		a.Checks.Close()
	}
	if a.NICs != nil {
		end("the ports", a.NICs.Close())
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
