//go:build !linux

package routing

import (
	"errors"

	"lvsdr/control/keepalived"
)

// kernel is not implemented.
type kernel struct{}

var _ Kernel = kernel{}

// AddRoute is part of Kernel.
func (kernel) AddRoute(*keepalived.Route) error { return errors.ErrUnsupported }

// RemoveRoute is part of Kernel.
func (kernel) RemoveRoute(*keepalived.Route) error { return errors.ErrUnsupported }

// AddRule is part of Kernel.
func (kernel) AddRule(*keepalived.Rule) error { return errors.ErrUnsupported }

// RemoveRule is part of Kernel.
func (kernel) RemoveRule(*keepalived.Rule) error { return errors.ErrUnsupported }
