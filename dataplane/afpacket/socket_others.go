//go:build !linux

package afpacket

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"

	"lvsdr/dataplane"
)

var _ dataplane.NIC = (*NIC)(nil)

// A NIC exists on Linux only; there is no way to get one elsewhere.
type NIC struct{}

// Open is not implemented on this system.
func Open(cfg Config) (*NIC, error) {
	_, err := OpenGroup(cfg, 1)
	return nil, err
}

// OpenGroup is not implemented on this system.
func OpenGroup(cfg Config, _ int) ([]*NIC, error) {
	if _, err := cfg.withDefaults(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("packet sockets on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// SetVIPs is not implemented on this system.
func (*NIC) SetVIPs([]netip.Addr) error { return errors.ErrUnsupported }

// SetRouters does nothing.
func (*NIC) SetRouters(bool) {}

// SetVisible does nothing.
func (*NIC) SetVisible(bool) {}

// ProbeXDP says that there are none.
func ProbeXDP() error { return errors.ErrUnsupported }

// XDPError is nil.
func (*NIC) XDPError() error { return nil }

// Sockets is 0.
func (*NIC) Sockets() int { return 0 }

// Recv is not implemented on this system.
func (*NIC) Recv(*dataplane.Batch) error { return errors.ErrUnsupported }

// Send is not implemented on this system.
func (*NIC) Send(*dataplane.Batch) error { return errors.ErrUnsupported }

// Wake does nothing.
func (*NIC) Wake() {}

// Stop does nothing.
func (*NIC) Stop() {}

// Close does nothing.
func (*NIC) Close() error { return nil }

// Stats are zero.
func (*NIC) Stats() dataplane.NICStats { return dataplane.NICStats{} }
