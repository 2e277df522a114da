package vrrp

import "slices"

// How roles change. Members of a group change theirs together, in one call.

// team is the members of i's group, or i alone.
func (i *instance) team() []*instance {
	if i.group == nil {
		return []*instance{i}
	}
	return i.group.members
}

// started reports whether i is past Init.
func (i *instance) started() bool { return i.role != Init && i.role != Stopped }

// faults is how much keeps i from being a backup.
func (i *instance) faults() int {
	n := i.down
	if !i.source.IsValid() {
		n++
	}
	if i.s.NeedsPeer && len(i.s.Peers) == 0 {
		n++
	}
	return n
}

// broken reports whether i or another member of its group is in fault.
func (i *instance) broken() bool {
	return slices.ContainsFunc(i.team(), func(x *instance) bool { return x.faults() > 0 })
}

// start ends Init. One that comes to a group has its role.
func (m *Machine) start(now int64, i *instance) {
	role, joins := Backup, false
	for _, x := range i.team() {
		if x.started() {
			role, joins = x.role, true
		}
	}
	if !joins {
		role = m.first(now, i)
	}
	for _, x := range i.team() {
		if x == i || !joins {
			x.startAt = 0
			m.enter(now, x, role)
		}
	}
	m.tell(i)
	m.settle(now, i)
}

// first is the role at the start, and after a fault: an owner is the master at once, unless it has to listen first
// whether there is another one.
func (m *Machine) first(now int64, i *instance) Role {
	owns := func(x *instance) bool { return x.s.StartMaster && x.priority == Owner }
	switch {
	case i.broken():
		return Fault
	case !m.held(now) && !slices.ContainsFunc(i.team(), func(x *instance) bool { return !owns(x) }):
		return Master
	}
	return Backup
}

// settle puts i in fault, or takes it out, and unites its group.
func (m *Machine) settle(now int64, i *instance) {
	if !i.started() {
		return
	}
	broken := i.broken()
	switch {
	case broken && i.role != Fault:
		m.together(now, i, Fault)
	case !broken && i.role == Fault:
		m.together(now, i, m.first(now, i))
	case slices.ContainsFunc(i.team(), func(x *instance) bool { return x.started() && x.role != i.role }):
		m.together(now, i, Backup) // a new group of masters and others
	}
}

// together gives all members of i's group the role. Masters that stop being masters say so.
func (m *Machine) together(now int64, i *instance, role Role) {
	for _, x := range i.team() {
		if x.role == Master && role != Master {
			m.send(x, 0)
		}
		if x.started() {
			m.enter(now, x, role)
		}
	}
	m.tell(i)
}

// leave makes i, which has heard a better master, a backup: that one need not be told. The others of its group are.
func (m *Machine) leave(now int64, i *instance) {
	m.enter(now, i, Backup)
	m.together(now, i, Backup)
}

// enter gives i alone the role.
func (m *Machine) enter(now int64, i *instance, role Role) {
	if i.role == role {
		return
	}
	i.role = role
	i.wants, i.told = false, false
	i.downAt, i.advertAt, i.preemptAt, i.answeredAt = 0, 0, 0, 0
	i.interval = i.s.Interval
	switch role {
	case Backup:
		i.downAt = now + i.patience()
	case Master:
		i.stats.Became++
		i.master = i.source
		m.send(i, i.priority)
		i.advertAt = now + int64(i.s.Interval)
	}
	m.changes = append(m.changes, Change{Instance: i.s.Name, Role: role, Priority: i.priority})
}

// tell reports the role of i's group, if that is another one now.
func (m *Machine) tell(i *instance) {
	g := i.group
	if g == nil || g.role == i.role || slices.ContainsFunc(g.members, func(x *instance) bool { return x.role != i.role }) {
		return
	}
	g.role = i.role
	m.changes = append(m.changes, Change{Group: g.s.Name, Role: g.role})
}

// timeout makes i the master. In a group that happens when the timers of all members have run out.
func (m *Machine) timeout(now int64, i *instance) {
	i.wants = true
	if slices.ContainsFunc(i.team(), func(x *instance) bool { return !x.wants }) {
		i.downAt = now + i.patience()
		return
	}
	m.together(now, i, Master)
}

// tracks reports whether t counts for i.
func (i *instance) tracks(t Tracker) bool {
	is := func(x Track) bool { return x.Tracker == t }
	return slices.ContainsFunc(i.s.Tracks, is) || i.group != nil && slices.ContainsFunc(i.group.s.Tracks, is)
}

// weigh works out what the trackers of i come to; report says that a new priority is told of.
func (m *Machine) weigh(now int64, i *instance, report bool) {
	add, down := 0, 0
	lists := [][]Track{i.s.Tracks}
	if i.group != nil {
		lists = append(lists, i.group.s.Tracks)
	}
	for _, list := range lists {
		for _, t := range list {
			a, fault := t.judge(m.trackers)
			add += a
			if fault {
				down++
			}
		}
	}
	i.down = down
	if p := i.effective(add); p != i.priority {
		i.priority = p
		if report && i.started() {
			m.changes = append(m.changes, Change{Instance: i.s.Name, Role: i.role, Priority: p, Cause: PriorityChanged})
		}
	}
}

// lowest is the product of a file's number and its weight that means a fault.
const lowest = -254

// judge returns what t adds to a priority, or that it means a fault.
func (t Track) judge(known map[Tracker]Tracked) (add int, fault bool) {
	n, heard := known[t.Tracker]
	up := n.Up || !heard
	switch {
	case t.Factor && t.Weight == 0:
		return 0, (n.Value != 0) != t.Reverse
	case t.Factor:
		if add = n.Value * t.Weight; t.Reverse {
			add = -add
		}
		return min(max(add, lowest), -lowest), add <= lowest
	case t.Weight == 0:
		return 0, up == t.Reverse
	case up != (t.Weight > 0):
		return 0, false
	case t.Reverse:
		return -t.Weight, false
	}
	return t.Weight, false
}
