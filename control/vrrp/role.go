package vrrp

// A Role is the part that an instance, or a group of instances, plays.
type Role uint8

// The roles. Only a Master has the addresses.
const (
	Init    Role = iota // it has not started
	Backup              // it listens to the master
	Master              // it sends adverts, and has the addresses
	Fault               // something that is tracked is down
	Stopped             // it was closed, or left out of the settings
)

// String is the role as keepalived spells it in the arguments of notify and in its FIFOs.
func (r Role) String() string {
	switch r {
	case Init:
		return "INIT"
	case Backup:
		return "BACKUP"
	case Master:
		return "MASTER"
	case Fault:
		return "FAULT"
	case Stopped:
		return "STOP"
	}
	return "ROLE?"
}

// A Cause says why there is a Change.
type Cause uint8

// The causes.
const (
	RoleChanged Cause = iota
	// PriorityChanged says that the role is what it was.
	PriorityChanged
	// LowerPriority says that a master has heard an advert of a lower priority. The role is what it was, and
	// the addresses are to be announced again (garp_lower_prio_repeat).
	LowerPriority
)

// String is the cause in words.
func (c Cause) String() string {
	switch c {
	case RoleChanged:
		return "role changed"
	case PriorityChanged:
		return "priority changed"
	case LowerPriority:
		return "advert of a lower priority"
	}
	return "cause?"
}

// A Change is news of an instance or of a group.
type Change struct {
	// Instance is its name. With Group set it is empty: all members of that group have the role now. The
	// Changes of the members come first.
	Instance string
	Group    string
	Role     Role
	Priority uint8 // the one in force: 1 to 255; of a group 0
	Cause    Cause
}
