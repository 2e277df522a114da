package arp

import (
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/mdlayher/packet"

	"lvsdr/dataplane/frame"
)

// sendWait is the longest a Send waits for room in the socket's send buffer.
const sendWait = 10 * time.Millisecond

// A PacketSender sends by packet sockets (packet(7)), one for each interface,
// opened when it is first used. It needs CAP_NET_RAW and works in the network
// namespace of the thread that calls Send. It is safe for concurrent use.
type PacketSender struct {
	mu    sync.Mutex
	conns map[int32]*packet.Conn
	done  bool
}

var _ Sender = (*PacketSender)(nil)

// NewPacketSender makes a PacketSender; it opens nothing yet.
func NewPacketSender() *PacketSender {
	return &PacketSender{conns: make(map[int32]*packet.Conn)}
}

// Send transmits f, which starts with its Ethernet header, by the interface. It
// waits at most 10 ms. After an error the interface's socket is closed, since
// the interface may be gone, and the next Send opens it anew. After Close the error is os.ErrClosed.
func (s *PacketSender) Send(ifindex int32, f []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return fmt.Errorf("send on interface %d: %w", ifindex, os.ErrClosed)
	}
	if len(f) < frame.EtherLen {
		return fmt.Errorf("send on interface %d: frame of %d bytes: %w", ifindex, len(f), os.ErrInvalid)
	}
	c, err := s.conn(ifindex)
	if err != nil {
		return err
	}
	err = c.SetWriteDeadline(time.Now().Add(sendWait))
	if err == nil {
		_, err = c.WriteTo(f, &packet.Addr{HardwareAddr: f[0:6]})
	}
	if err != nil {
		delete(s.conns, ifindex)
		_ = c.Close() // the error that counts is err
		return fmt.Errorf("send on interface %d: %w", ifindex, err)
	}
	return nil
}

// conn is the socket of an interface. It is bound to protocol 0, with which the
// kernel delivers nothing to it: the frames come from the packet path's ring.
func (s *PacketSender) conn(ifindex int32) (*packet.Conn, error) {
	if c, ok := s.conns[ifindex]; ok {
		return c, nil
	}
	ifi, err := net.InterfaceByIndex(int(ifindex))
	if err != nil {
		return nil, fmt.Errorf("find interface %d: %w", ifindex, err)
	}
	c, err := packet.Listen(ifi, packet.Raw, 0, nil)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket on %s: %w", ifi.Name, err)
	}
	s.conns[ifindex] = c
	return c, nil
}

// Close closes the sockets. It may be called more than once.
func (s *PacketSender) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = true
	var first error
	for i, c := range s.conns {
		if err := c.Close(); err != nil && first == nil {
			first = fmt.Errorf("close the packet socket of interface %d: %w", i, err)
		}
	}
	clear(s.conns)
	return first
}
