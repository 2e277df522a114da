//go:build !linux

package afpacket

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"

	"lvsdr/dataplane"
)

var _ dataplane.Port = (*Port)(nil)

// A Port exists on Linux only; there is no way to get one elsewhere.
type Port struct{}

// Open is not implemented on this system.
func Open(cfg Config) (*Port, error) {
	_, err := OpenGroup(cfg, 1)
	return nil, err
}

// OpenGroup is not implemented on this system.
func OpenGroup(cfg Config, _ int) ([]*Port, error) {
	if _, err := cfg.withDefaults(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("packet sockets on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// SetVIPs is not implemented on this system.
func (*Port) SetVIPs([]netip.Addr) error { return errors.ErrUnsupported }

// SetVisible does nothing.
func (*Port) SetVisible(bool) {}

// ProbeXDP says that there are none.
func ProbeXDP() error { return errors.ErrUnsupported }

// XDPError is nil.
func (*Port) XDPError() error { return nil }

// Recv is not implemented on this system.
func (*Port) Recv(*dataplane.Batch) error { return errors.ErrUnsupported }

// Send is not implemented on this system.
func (*Port) Send(*dataplane.Batch) error { return errors.ErrUnsupported }

// Stop does nothing.
func (*Port) Stop() {}

// Close does nothing.
func (*Port) Close() error { return nil }

// Stats are zero.
func (*Port) Stats() dataplane.PortStats { return dataplane.PortStats{} }
