package control

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"lvsdr/control/api"
	"lvsdr/control/inspect"
	"lvsdr/control/keepalived"
	"lvsdr/control/notify"
	"lvsdr/control/site"
	"lvsdr/control/vrrp"
)

// changed takes news of VRRP. Roles go to the State first; people and programs are told
// after it, and the actors follow in the same turn.
func (l *loop) changed(c vrrp.Change) {
	v := &l.state.Config().VRRP
	if c.Cause == vrrp.LowerPriority {
		l.repeat(v, c)
		return
	}
	key := roleKey(c)
	if c.Instance != "" {
		_ = l.apply(site.Role{Instance: c.Instance, Role: c.Role}) // it is not refused
	}
	was := l.roles[key]
	now := inspect.Role{Role: c.Role, Priority: c.Priority, Since: was.Since}
	if c.Cause == vrrp.RoleChanged {
		now.Since = l.wall()
	}
	l.roles = maps.Clone(l.roles) // views have it
	l.roles[key] = now
	s, ok := subjectOfRole(v, c)
	if !ok {
		return // it was under way when a reload took the instance away
	}
	if c.Cause == vrrp.PriorityChanged {
		l.log.Info("VRRP priority is another one", s.kind, s.name, "priority", c.Priority)
		if s.priorities {
			l.tellRole(&s, c, keepalived.Command{})
		}
		return
	}
	l.log.Info("VRRP role", s.kind, s.name, "role", c.Role.String(), "priority", c.Priority)
	l.feed.Publish(api.Event{Time: l.wall(), Kind: api.RoleChanged, Text: s.text(c)})
	l.tellRole(&s, c, s.commandOf(c.Role))
	l.runAny(&s, c.Role, c.Priority)
}

// roleKey names the instance or the group of c in loop.roles.
func roleKey(c vrrp.Change) string { return cmp.Or(c.Instance, "group "+c.Group) }

// runAny runs the command that is told of every role.
func (l *loop) runAny(s *roleSubject, r vrrp.Role, priority uint8) {
	if r != vrrp.Init {
		l.runFor(s, s.notify.Any, s.word(), s.name, r.String(), fmt.Sprint(priority))
	}
}

// tellStopped tells programs that the instances end with the director: those that took
// part.
func (l *loop) tellStopped() {
	v := &l.state.Config().VRRP
	tell := func(c vrrp.Change) {
		was := l.roles[roleKey(c)]
		if was.Role == vrrp.Init || was.Role == vrrp.Stopped {
			return
		}
		c.Role, c.Priority = vrrp.Stopped, was.Priority
		if s, ok := subjectOfRole(v, c); ok {
			l.tellRole(&s, c, s.commandOf(c.Role))
			l.runAny(&s, c.Role, c.Priority)
		}
	}
	for _, g := range v.Groups {
		tell(vrrp.Change{Group: g.Name})
	}
	for _, i := range v.Instances {
		tell(vrrp.Change{Instance: i.Name})
	}
}

// tellDeleted tells programs of the instances and groups of the configuration before that are not
// in the one in force. It is a fault for those who do not ask for more (notify_deleted), as with
// keepalived.
func (l *loop) tellDeleted(before *keepalived.VRRP) {
	now := &l.state.Config().VRRP
	tell := func(c vrrp.Change) {
		key := roleKey(c)
		was := l.roles[key]
		s, _ := subjectOfRole(before, c)
		if _, still := subjectOfRole(now, c); still || was.Role == vrrp.Init {
			return
		}
		l.roles = maps.Clone(l.roles)
		delete(l.roles, key)
		c.Role, c.Priority = vrrp.Fault, was.Priority
		command := s.notify.Fault
		if s.notify.Deleted.Line != "" {
			s.deleted, command = true, s.notify.Deleted
		}
		l.tellRole(&s, c, command)
		l.runFor(&s, s.notify.Any, s.word(), s.name, s.roleWord(c), fmt.Sprint(c.Priority))
	}
	for _, i := range before.Instances {
		tell(vrrp.Change{Instance: i.Name})
	}
	for _, g := range before.Groups {
		tell(vrrp.Change{Group: g.Name})
	}
}

// roleWord is the role of c as keepalived writes it.
func (s *roleSubject) roleWord(c vrrp.Change) string {
	switch {
	case s.deleted:
		return "DELETED"
	case c.Cause == vrrp.PriorityChanged:
		return c.Role.String() + "_PRIO"
	}
	return c.Role.String()
}

// maxLinger bounds linger: an end is not to take long.
const maxLinger = time.Second

// linger is how long this host goes on with what it is the master of, after it has given
// that up: a backup waits for less than the time between two adverts.
func (l *loop) linger() (d time.Duration) {
	if l.state == nil {
		return 0 // it has not begun
	}
	for _, i := range l.state.Config().VRRP.Instances {
		if l.state.RoleOf(i.Name) == vrrp.Master {
			d = max(d, i.Interval)
		}
	}
	return min(d, maxLinger)
}

// repeat announces the addresses of a master again that has heard another one of a lower
// priority: that may have announced them.
func (l *loop) repeat(v *keepalived.VRRP, c vrrp.Change) {
	at := slices.IndexFunc(v.Instances, func(i *keepalived.Instance) bool { return i.Name == c.Instance })
	if at < 0 {
		return
	}
	i := v.Instances[at]
	rounds, delay := repeats(i)
	for ifindex, vips := range l.converge.vipsOf(i) {
		l.converge.actors.ARP.Repeat(ifindex, vips, rounds, delay)
	}
	if s, ok := subjectOfRole(v, c); ok {
		l.runFor(&s, i.Notify.LowerPriority)
	}
}

// A roleSubject is an instance or a group as it is told of.
type roleSubject struct {
	kind, name string
	notify     *keepalived.VRRPNotify
	alert      bool
	priorities bool
	deleted    bool // a reload took it away
}

// subjectOfRole is the subject of c; false: the file does not have it any more.
func subjectOfRole(v *keepalived.VRRP, c vrrp.Change) (roleSubject, bool) {
	for _, g := range v.Groups {
		if c.Instance == "" && g.Name == c.Group {
			return roleSubject{kind: "group", name: g.Name, notify: &g.Notify, alert: g.Alert, priorities: g.NotifyPriority}, true
		}
	}
	for _, i := range v.Instances {
		if c.Instance != "" && i.Name == c.Instance {
			return roleSubject{kind: "instance", name: i.Name, notify: &i.Notify, alert: i.Alert, priorities: i.NotifyPriority}, true
		}
	}
	return roleSubject{}, false
}

// word is the kind as keepalived writes it.
func (s *roleSubject) word() string {
	if s.kind == "group" {
		return "GROUP"
	}
	return "INSTANCE"
}

// commandOf is the command for a role.
func (s *roleSubject) commandOf(r vrrp.Role) keepalived.Command {
	switch r {
	case vrrp.Master:
		return s.notify.Master
	case vrrp.Backup:
		return s.notify.Backup
	case vrrp.Fault:
		return s.notify.Fault
	case vrrp.Stopped:
		return s.notify.Stop
	}
	return keepalived.Command{}
}

// text is c for people.
func (s *roleSubject) text(c vrrp.Change) string {
	if s.kind == "group" {
		return fmt.Sprintf("group %s is %v", s.name, c.Role)
	}
	return fmt.Sprintf("instance %s is %v with priority %d", s.name, c.Role, c.Priority)
}

// line is c as keepalived writes it to FIFOs.
func (s *roleSubject) line(c vrrp.Change) string {
	return fmt.Sprintf("%s \"%s\" %s %d", s.word(), s.name, s.roleWord(c), c.Priority)
}

// tellRole has programs told of c: by the FIFOs, a mail and a command.
func (l *loop) tellRole(s *roleSubject, c vrrp.Change, run keepalived.Command) {
	to := l.converge.actors.Notifier
	if to == nil || c.Role == vrrp.Init {
		return
	}
	m := notify.Message{Topic: notify.VRRP, Subject: s.word() + " " + s.name, Line: s.line(c), Command: run}
	if s.alert && c.Cause == vrrp.RoleChanged && !s.deleted {
		m.Title, m.Text = roleMail(l.state.Config().Global.RouterID, s, c.Role)
	}
	to.Tell(m)
}

// runFor runs a command about s, if there is one, with more arguments.
func (l *loop) runFor(s *roleSubject, run keepalived.Command, more ...string) {
	if to := l.converge.actors.Notifier; to != nil && run.Line != "" {
		to.Tell(notify.Message{Subject: s.word() + " " + s.name, Command: run, Args: more})
	}
}

// roleMail is the subject and the text of a mail about a role, as keepalived words them.
func roleMail(router string, s *roleSubject, r vrrp.Role) (title, text string) {
	if router != "" {
		title = "[" + router + "] "
	}
	if s.kind == "group" {
		title += "VRRP Group " + s.name
	} else {
		title += "VRRP Instance " + s.name
	}
	switch r {
	case vrrp.Master:
		return title + " - Entering MASTER state", "=> All addresses of it are here now <="
	case vrrp.Backup:
		return title + " - Entering BACKUP state", "=> Another router has its addresses <="
	case vrrp.Fault:
		return title + " - Entering FAULT state", "=> Something that it tracks is down <="
	}
	return title + " - Stopped", "=> It does not take part any more <="
}
