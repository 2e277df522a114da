package nics

import "fmt"

// Bounds of the number of workers.
const (
	workersPerCPU = 8
	// fanoutMembers is how many sockets the kernel takes into a fan-out group
	// (PACKET_FANOUT_MAX in net/packet/internal.h before Linux 5.12, later the default of
	// max_num_members).
	fanoutMembers = 256
)

// CheckWorkers says why a host with that many CPUs cannot have n workers for each
// interface; nil: it can. More than CPUs gain nothing, and each takes 12 MiB and time
// to open: a thousand kept a director from starting, and from ending, for 48 seconds.
func CheckWorkers(n, cpus int) error {
	most := min(workersPerCPU*cpus, fanoutMembers)
	switch {
	case n < 1:
		return fmt.Errorf("%d is too few: at least one worker is needed", n)
	case n > fanoutMembers:
		return fmt.Errorf("%d is too many: the kernel shares frames among %d at most, and more than one for each of the %d CPUs gain nothing", n, fanoutMembers, cpus)
	case n > most:
		return fmt.Errorf("%d is too many: more than one for each of the %d CPUs gain nothing, more than %d are refused", n, cpus, most)
	}
	return nil
}
