package scheduler

import (
	"fmt"
	"slices"
	"strings"
)

// Flags are a service's flags for its scheduler (ipvsadm -b). They are looked at
// with every choice, so that a change of flags alone leaves the scheduler's
// state as it is. The bits are those of IP_VS_SVC_F_SCHED1 to 3 in
// <linux/ip_vs.h>.
type Flags uint8

// The flags by number, and by what they say to sh and mh; no other scheduler
// looks at them.
const (
	Flag1 Flags = 0x08
	Flag2 Flags = 0x10
	Flag3 Flags = 0x20

	Fallback = Flag1 // another server for the clients of one that is not fit
	HashPort = Flag2 // the source port counts, not the address alone
)

// A flagName is the name that a flag has with a scheduler, or with any.
type flagName struct {
	name      string
	flag      Flags
	scheduler string // empty: any
}

// flagNames are all names, by bit. A scheduler's own name for a bit goes before
// the common one.
var flagNames = [...]flagName{
	{"sh-fallback", Fallback, "sh"}, {"mh-fallback", Fallback, "mh"}, {"flag-1", Flag1, ""},
	{"sh-port", HashPort, "sh"}, {"mh-port", HashPort, "mh"}, {"flag-2", Flag2, ""},
	{"flag-3", Flag3, ""},
}

// ParseFlags reads flags by their names, as ipvsadm -b does, for the scheduler
// called name. Its errors are ipvsadm's own: a flag that does not exist, or one
// of another scheduler.
func ParseFlags(name string, flags []string) (Flags, error) {
	var all Flags
	for _, flag := range flags {
		i := slices.IndexFunc(flagNames[:], func(n flagName) bool { return n.name == flag })
		switch {
		case i < 0:
			return 0, fmt.Errorf("invalid scheduler flag `%s'", flag)
		case flagNames[i].scheduler != "" && flagNames[i].scheduler != name:
			return 0, fmt.Errorf("incompatible scheduler flag `%s'", flag)
		}
		all |= flagNames[i].flag
	}
	return all, nil
}

// Text lists the flags as ipvsadm does for the scheduler called name: by bit,
// with commas between. It is empty for none.
func (f Flags) Text(name string) string {
	var names []string
	for _, n := range flagNames {
		if f&n.flag != 0 && (n.scheduler == name || n.scheduler == "") {
			names = append(names, n.name)
			f &^= n.flag
		}
	}
	return strings.Join(names, ",")
}
