//go:build !linux

package drroute

import (
	"errors"
	"fmt"
	"net/netip"
)

// A Router is not implemented on this system.
type Router struct{}

// New returns an error that wraps errors.ErrUnsupported.
func New() (*Router, error) {
	return nil, fmt.Errorf("policy routing for DR checks: not implemented on this system: %w", errors.ErrUnsupported)
}

// Set returns an error that wraps errors.ErrUnsupported.
func (r *Router) Set([]Path) error { _, err := New(); return err }

// Mark returns an error that wraps errors.ErrUnsupported.
func (r *Router) Mark(Path) (uint32, error) { _, err := New(); return 0, err }

// Gateway returns an error that wraps errors.ErrUnsupported.
func (r *Router) Gateway(Path) (netip.Addr, error) {
	_, err := New()
	return netip.Addr{}, err
}

// Cleanup does nothing.
func (r *Router) Cleanup() error { return nil }

// Close does nothing.
func (r *Router) Close() error { return nil }
