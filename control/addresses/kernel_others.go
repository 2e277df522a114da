//go:build !linux

package addresses

import (
	"errors"
	"net/netip"
)

// kernel is not there.
type kernel struct{}

// Has says that there is none.
func (kernel) Has(string) ([]netip.Prefix, error) { return nil, errors.ErrUnsupported }

// Add says that there is none.
func (kernel) Add(Address) error { return errors.ErrUnsupported }

// Remove says that there is none.
func (kernel) Remove(string, netip.Prefix) error { return errors.ErrUnsupported }
