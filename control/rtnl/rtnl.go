// Package rtnl is what those who keep rules and routes in the kernel have in
// common: listings that a change interrupts, and removals of what is gone.
package rtnl

import (
	"errors"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Dump repeats a listing that a change in the kernel interrupted, ten times at
// most. A kernel without the family has nothing to list.
func Dump[T any](list func() ([]T, error)) ([]T, error) {
	all, err := list()
	for range 10 {
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
		all, err = list()
	}
	return all, Ignore(err, unix.EAFNOSUPPORT)
}

// Ignore is err unless it is expected.
func Ignore(err error, expected unix.Errno) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}
