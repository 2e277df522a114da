//go:build !linux

package arp

import (
	"errors"
	"fmt"
)

// A PacketSender sends by packet sockets, which only Linux has.
type PacketSender struct{}

var _ Sender = (*PacketSender)(nil)

// NewPacketSender makes a PacketSender that cannot send.
func NewPacketSender() *PacketSender { return &PacketSender{} }

// Send returns an error that wraps errors.ErrUnsupported.
func (*PacketSender) Send(ifindex int32, _ []byte) error {
	return fmt.Errorf("send on interface %d: %w", ifindex, errors.ErrUnsupported)
}

// Close does nothing.
func (*PacketSender) Close() error { return nil }
