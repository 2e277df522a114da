package boot

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// bootID is the file of the kernel's identity of this boot: random(4).
const bootID = "/proc/sys/kernel/random/boot_id"

// ID is the identity of this boot of the host, as the kernel writes it. It cannot be read where a service manager shows the
// process no more of /proc than itself.
func ID() (string, error) {
	b, err := os.ReadFile(bootID)
	if err != nil {
		return "", fmt.Errorf("read the boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// Namespace is the cookie of the calling thread's network namespace, which no other one has until the next boot
// (SO_NETNS_COOKIE); 0 before Linux 5.14.
func Namespace() (uint64, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("ask for the network namespace: %w", err)
	}
	defer func() { _ = unix.Close(fd) }() // nothing was sent
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil && !errors.Is(err, unix.ENOPROTOOPT) {
		return 0, fmt.Errorf("ask for the network namespace: %w", err)
	}
	return cookie, nil
}
