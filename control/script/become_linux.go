package script

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ErrRights means that this process may not run programs as another user.
var ErrRights = errors.New("this process may not run programs as another user")

// Own reports whether a program of this user and group, which may be empty, runs with those
// of this process. The error says that there is no such user.
func Own(user, group string) (bool, error) {
	c := Command{User: user, Group: group}
	who, err := c.credential()
	return who == nil, err
}

// CanBecome reports with ErrRights that this process cannot run programs as user and group,
// or could not kill them.
func CanBecome(user, group string) error {
	if own, err := Own(user, group); own || err != nil {
		return err
	}
	const needed = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_KILL
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return fmt.Errorf("read the capabilities of this process: %w", err)
	}
	if data[0].Effective&needed != needed {
		return ErrRights
	}
	return nil
}
