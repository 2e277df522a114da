package script

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// credential is the user and the groups that c runs as; nil: those of this process.
func (c *Command) credential() (*syscall.Credential, error) {
	uid, gid := uint32(os.Geteuid()), uint32(os.Getegid())
	var groups []uint32
	if c.User != "" {
		u, err := lookupUser(c.User)
		if err != nil {
			return nil, err
		}
		if uid, err = number(u.Uid); err != nil {
			return nil, err
		}
		if gid, err = number(u.Gid); err != nil {
			return nil, err
		}
		groups = groupsOf(u)
	}
	if c.Group != "" {
		g, err := user.LookupGroup(c.Group)
		if _, e := number(c.Group); err != nil && e == nil {
			g, err = user.LookupGroupId(c.Group)
		}
		if err != nil {
			return nil, fmt.Errorf("run as a member of %s: %w", c.Group, err)
		}
		if gid, err = number(g.Gid); err != nil {
			return nil, err
		}
	}
	if uid == uint32(os.Geteuid()) && gid == uint32(os.Getegid()) {
		return nil, nil
	}
	return &syscall.Credential{Uid: uid, Gid: gid, Groups: groups}, nil
}

// lookupUser finds a user by name or number.
func lookupUser(name string) (*user.User, error) {
	u, err := user.Lookup(name)
	if _, e := number(name); err != nil && e == nil {
		u, err = user.LookupId(name)
	}
	if err != nil {
		return nil, fmt.Errorf("run as %s: %w", name, err)
	}
	return u, nil
}

// groupsOf are the further groups of u; none where they cannot be read.
func groupsOf(u *user.User) []uint32 {
	ids, err := u.GroupIds()
	if err != nil {
		return nil
	}
	var all []uint32
	for _, id := range ids {
		if n, err := number(id); err == nil {
			all = append(all, n)
		}
	}
	return all
}

func number(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err
}
