package script

import (
	"errors"

	"lvsdr/control/privileges"
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
	if held, err := privileges.Users.Held(); held || err != nil {
		return err
	}
	return ErrRights
}
