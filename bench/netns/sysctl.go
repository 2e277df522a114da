package netns

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Sysctl writes a setting of the host, such as net.ipv4.conf.all.arp_ignore.
// As with sysctl(8), a key with slashes may have dots in its parts:
// net/ipv4/conf/eth0.10/arp_ignore. Only settings below net are the host's
// own.
func (h *Host) Sysctl(key, value string) error {
	return h.Do(func() error { return h.writeSysctl(key, value) })
}

// writeSysctl is Sysctl from inside the host.
func (h *Host) writeSysctl(key, value string) error {
	err := os.WriteFile(sysctlPath(key), []byte(value), 0)
	if errors.Is(err, unix.EROFS) {
		err = fmt.Errorf("%w: /proc/sys is read-only in this container; run it with --privileged or --security-opt systempaths=unconfined", err)
	}
	if err != nil {
		return fmt.Errorf("set %s=%s on %s: %w", key, value, h.name, err)
	}
	return nil
}

// ReadSysctl reads a setting of the host; key is as in Sysctl.
func (h *Host) ReadSysctl(key string) (string, error) {
	var b []byte
	err := h.Do(func() (err error) {
		b, err = os.ReadFile(sysctlPath(key))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read %s on %s: %w", key, h.name, err)
	}
	return strings.TrimSpace(string(b)), nil
}

// sysctlPath is the file of a setting.
func sysctlPath(key string) string {
	if !strings.Contains(key, "/") {
		key = strings.ReplaceAll(key, ".", "/")
	}
	return "/proc/sys/" + key
}
