package director

import (
	"context"
	"fmt"
	"math"

	"lvsdr/control/api"
	"lvsdr/control/connsync/daemon"
)

// Running are the daemons of connection sync that were started by Edit.
func (d *Director) Running() daemon.Set {
	if s := d.daemons.Load(); s != nil {
		return *s
	}
	return daemon.Set{}
}

// Daemons are those of Running; see api.Admin.
func (d *Director) Daemons(context.Context) ([]api.Daemon, error) {
	return WireDaemons(d.Running()), nil
}

// editDaemon starts or stops a daemon.
func (d *Director) editDaemon(e *api.Edit) error {
	role, c, err := DaemonConfig(&e.Daemon)
	if err != nil {
		return err
	}
	for {
		before := d.daemons.Load()
		next := d.Running()
		if e.Op == api.StopDaemon {
			next, err = next.Stop(role)
		} else {
			mtu := 0
			if d.Devices != nil {
				mtu = d.Devices(c.Interface)
			}
			next, err = next.Start(role, c, mtu)
		}
		if err != nil || d.daemons.CompareAndSwap(before, &next) {
			return err
		}
	}
}

// DaemonConfig is the role and the configuration of a daemon; what is absent is zero.
func DaemonConfig(d *api.Daemon) (daemon.Role, daemon.Config, error) {
	role, err := daemon.ParseRole(d.Role)
	switch {
	case err != nil:
	case d.SyncID < 0 || d.SyncID > math.MaxUint8:
		err = fmt.Errorf("sync_id %d: not 0 to 255", d.SyncID)
	case d.MaxLen < 0 || d.MaxLen > math.MaxUint16:
		err = fmt.Errorf("max_length %d: not 0 to 65535", d.MaxLen)
	case d.TTL < 0 || d.TTL > math.MaxUint8:
		err = fmt.Errorf("ttl %d: not 0 to 255", d.TTL)
	case d.Group.IsValid() && (!d.Group.IsMulticast() || d.Group.Zone() != ""):
		err = fmt.Errorf("group %s: not a multicast address", d.Group)
	}
	return role, daemon.Config{Interface: d.Interface, SyncID: uint8(d.SyncID), MaxLen: d.MaxLen, Group: d.Group, Port: d.Port, TTL: uint8(d.TTL)}, err
}

// WireDaemons are the daemons of s as they go over the wire.
func WireDaemons(s daemon.Set) []api.Daemon {
	all := []api.Daemon{}
	for _, r := range daemon.Roles {
		if c := s.Of(r); c.Runs() {
			all = append(all, api.Daemon{Role: r.String(), Interface: c.Interface, SyncID: int(c.SyncID), MaxLen: c.MaxLen, Group: c.Group, Port: c.Port, TTL: int(c.TTL)})
		}
	}
	return all
}
