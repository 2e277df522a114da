package control

import "golang.org/x/sys/unix"

// lowest is for how many sockets of ports the lowest descriptors are kept: those of two interfaces.
const lowest = 8

// keepLowest takes the lowest free descriptors until release is called, which is once: the ports are to have them. The kernel closes
// the sockets of a process that was killed in the order of their descriptors, the highest first, and waits tens of
// milliseconds for each packet socket. All others are closed by then, and the next process
// has the lock and the addresses.
func keepLowest() (release func()) {
	var fds []int
	for range lowest {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		if err != nil {
			break
		}
		fds = append(fds, fd)
	}
	return func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
		fds = nil
	}
}
