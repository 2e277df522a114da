//go:build !linux

package check

import (
	"errors"
	"fmt"
	"net/netip"
)

// A Router is not implemented on this system.
type Router struct{}

// NewRouter returns an error that wraps errors.ErrUnsupported.
func NewRouter() (*Router, error) {
	return nil, fmt.Errorf("policy routing for DR checks: not implemented on this system: %w", errors.ErrUnsupported)
}

// Set returns an error that wraps errors.ErrUnsupported.
func (r *Router) Set([]Path) error { _, err := NewRouter(); return err }

// Mark returns an error that wraps errors.ErrUnsupported.
func (r *Router) Mark(Path) (uint32, error) { _, err := NewRouter(); return 0, err }

func (r *Router) gateway(Path, uint32) (netip.Addr, error) {
	_, err := NewRouter()
	return netip.Addr{}, err
}

// Cleanup does nothing.
func (r *Router) Cleanup() error { return nil }

// Close does nothing.
func (r *Router) Close() error { return nil }
