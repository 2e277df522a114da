//go:build !linux

package script

import (
	"context"
	"errors"
)

// errNotHere is the answer of all systems but Linux.
var errNotHere = errors.New("programs are run on Linux only")

// Run fails.
func Run(context.Context, Command) (Outcome, error) { return Outcome{}, errNotHere }

// Trusted fails.
func Trusted(string) error { return errNotHere }

// ErrRights means that this process may not run programs as another user.
var ErrRights = errNotHere

// Own fails.
func Own(user, group string) (bool, error) { return false, errNotHere }

// CanBecome fails.
func CanBecome(user, group string) error { return errNotHere }
