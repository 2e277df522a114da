//go:build !linux

package vrrp

import (
	"errors"
	"fmt"
	"net/netip"
)

// unsupported is a network without interfaces: raw sockets are made for Linux only.
type unsupported struct{}

func newNetwork() network { return unsupported{} }

func (unsupported) Listen([]port) error {
	return fmt.Errorf("listen for VRRP: %w", errors.ErrUnsupported)
}
func (unsupported) Source(string, bool, []netip.Addr) netip.Addr          { return netip.Addr{} }
func (unsupported) Send(Packet) error                                     { return errors.ErrUnsupported }
func (unsupported) Ready() <-chan struct{}                                { return nil }
func (unsupported) Receive(func(Packet), func(string, bool) []netip.Addr) {}
func (unsupported) Close()                                                {}
