package lock

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A holder is the process that listens at a name.
type holder struct {
	pid, uid int
	name     string
}

// isDirector reports whether the holder can be a director: it has CAP_NET_RAW and
// CAP_NET_ADMIN in our user namespace. Where that cannot be seen, a process of root or
// of our own user can be one.
func (h holder) isDirector() bool {
	trusted := h.uid == 0 || h.uid == os.Geteuid()
	if h.pid == 0 { // of another PID namespace
		return trusted
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.pid))
	if err != nil {
		return trusted || errors.Is(err, fs.ErrNotExist) // it has ended meanwhile: ask again
	}
	caps, ok := effective(status)
	if !ok {
		return trusted
	}
	const needed = 1<<unix.CAP_NET_RAW | 1<<unix.CAP_NET_ADMIN
	return caps&needed == needed && !inOtherUserNamespace(h.pid)
}

// inOtherUserNamespace reports whether the process is known to be in another user
// namespace, where capabilities mean nothing here.
func inOtherUserNamespace(pid int) bool {
	ours, err := os.Readlink("/proc/self/ns/user")
	if err != nil {
		return false
	}
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", pid))
	return err == nil && theirs != ours
}

// effective reads the effective capabilities in a /proc/PID/status (proc(5)).
func effective(status []byte) (caps uint64, ok bool) {
	for s := bufio.NewScanner(bytes.NewReader(status)); s.Scan(); {
		if v, is := strings.CutPrefix(s.Text(), "CapEff:"); is {
			caps, err := strconv.ParseUint(strings.TrimSpace(v), 16, 64)
			return caps, err == nil
		}
	}
	return 0, false
}
