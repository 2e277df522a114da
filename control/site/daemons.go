package site

import (
	"lvsdr/control/connsync/daemon"
	"lvsdr/control/hostnet"
	"lvsdr/control/vrrp"
)

// DaemonStarted starts a daemon of connection sync, as ipvsadm --start-daemon does. It is
// refused with the errors of daemon.Set.
type DaemonStarted struct {
	Role   daemon.Role
	Config daemon.Config
}

// DaemonStopped stops one.
type DaemonStopped struct{ Role daemon.Role }

// Fetched says that a backup daemon has the table of another director, or that there is none
// to ask. It is the one that State.Sync numbers so.
type Fetched struct{ Backup uint64 }

// A Named is a Host that knows its links by name.
type Named interface {
	Host
	LinkByName(name string) (hostnet.Link, bool)
}

// LinkNamed is the link with this name; false: the host is not known to have it.
func (s *State) LinkNamed(name string) (hostnet.Link, bool) {
	if h, ok := s.host.(Named); ok {
		return h.LinkByName(name)
	}
	return hostnet.Link{}, false
}

// mtu is that of an interface; 0: the host is not known to have it.
func (s *State) mtu(ifname string) int {
	if l, ok := s.LinkNamed(ifname); ok {
		return max(l.MTU, 1)
	}
	return 0
}

func (e DaemonStarted) apply(s *State) ([]Notice, error) {
	next, err := s.daemons.Start(e.Role, e.Config, s.mtu(e.Config.Interface))
	s.daemons = next
	return nil, err
}

func (e DaemonStopped) apply(s *State) ([]Notice, error) {
	next, err := s.daemons.Stop(e.Role)
	s.daemons = next
	return nil, err
}

func (e Fetched) apply(s *State) ([]Notice, error) {
	if e.Backup == s.backups {
		s.fetching = false
	}
	return nil, nil
}

// followBackup notes whether the backup daemon is another one than that of the State before:
// it asks for the table of another director.
func (s *State) followBackup(before *State) {
	if s.daemons.Backup == before.daemons.Backup {
		return
	}
	s.backups++
	s.fetching = s.daemons.Backup.Runs()
}

// Fetching reports whether the connections of another director are still to come. This host
// is not to take virtual addresses from one that has them, for a while.
func (s *State) Fetching() bool { return s.fetching }

// Daemons are the daemons of connection sync that are to run.
func (s *State) Daemons() daemon.Set { return s.daemons }

// fileDaemons are the daemons that the file asks for now.
func (s *State) fileDaemons() (all daemon.Set) {
	g := &s.plan.config.Global.Sync
	if g.Interface == "" {
		return all
	}
	c := daemon.Config{Interface: g.Interface, SyncID: g.SyncID, MaxLen: int(g.MaxLen), Group: g.Group, Port: g.Port, TTL: g.TTL}
	for _, r := range daemon.Roles {
		if g.Instance == "" || (r == daemon.Master) == s.isMaster(g.Instance) {
			all = all.With(r, c)
		}
	}
	return all
}

// followFile starts and stops daemons as the file asks for others than before. Those that
// it asks for as before stay as ipvsadm has made them.
func (s *State) followFile() {
	wanted := s.fileDaemons()
	for _, r := range daemon.Roles {
		if c := wanted.Of(r); c != s.fromFile.Of(r) {
			if c.Runs() {
				c = c.WithDefaults(r, s.mtu(c.Interface))
			}
			s.daemons = s.daemons.With(r, c)
		}
	}
	s.fromFile = wanted
}

// Sync is how connections are to be synchronised with other directors.
func (s *State) Sync() daemon.Wish {
	g := &s.plan.config.Global.Sync
	w := daemon.Wish{Set: s.daemons, Number: s.backups, Peering: daemon.Peering{Secret: g.Secret, Peers: g.Peers, TLS: g.TLS}}
	for _, r := range daemon.Roles {
		if c := w.Of(r); c.Runs() {
			l, _ := s.LinkNamed(c.Interface)
			w.Links[r] = l.Index
		}
	}
	return w
}

// syncChanged reports whether new synchronises connections otherwise than old.
func syncChanged(old, new *State) bool {
	if old.daemons == new.daemons && old.host == new.host && old.plan == new.plan {
		return false
	}
	before, after := old.Sync(), new.Sync()
	return !before.Equal(&after)
}

// isMaster reports whether a VRRP instance is master on this host.
func (s *State) isMaster(instance string) bool { return s.RoleOf(instance) == vrrp.Master }
