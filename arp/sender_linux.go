package arp

import (
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/mdlayher/packet"
)

// sendWait is the longest a Send waits for room in the socket's send buffer.
const sendWait = 10 * time.Millisecond

// A PacketSender sends by packet sockets (packet(7)), one for each interface,
// opened when it is first used. It needs CAP_NET_RAW and works in the network
// namespace of the thread that calls Send. It is safe for concurrent use.
//
// Its sockets also hold the memberships of Join (PACKET_MR_MULTICAST): the
// kernel then has the interface receive the group, and the packet path's ring,
// a socket of its own, gets the frames.
type PacketSender struct {
	mu     sync.Mutex
	conns  map[int32]*packet.Conn
	groups []Group // joined by whichever of conns is there
	done   bool
}

var (
	_ Sender = (*PacketSender)(nil)
	_ Joiner = (*PacketSender)(nil)
)

// NewPacketSender makes a PacketSender; it opens nothing yet.
func NewPacketSender() *PacketSender {
	return &PacketSender{conns: make(map[int32]*packet.Conn)}
}

// Send transmits f, which starts with its Ethernet header, by the interface. It
// waits at most 10 ms. After an error the interface's socket is closed, since
// the interface may be gone, and the next Send opens it anew and joins its
// groups again. After Close the error is os.ErrClosed.
func (s *PacketSender) Send(ifindex int32, f []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return fmt.Errorf("send on interface %d: %w", ifindex, os.ErrClosed)
	}
	if len(f) < etherLen {
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
	for _, g := range s.groups {
		if g.Ifindex != ifindex {
			continue
		}
		if err := g.join(c); err != nil {
			_ = c.Close() // the error that counts is err
			return nil, err
		}
	}
	s.conns[ifindex] = c
	return c, nil
}

// Join replaces the groups that the interfaces receive. It needs what Send
// needs, and after Close its error is os.ErrClosed.
func (s *PacketSender) Join(groups []Group) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return fmt.Errorf("join %d multicast groups: %w", len(groups), os.ErrClosed)
	}
	var joined []Group
	for _, g := range groups {
		c, err := s.conn(g.Ifindex) // joins those of s.groups if it is opened anew
		if err == nil && !slices.Contains(s.groups, g) && !slices.Contains(joined, g) {
			err = g.join(c)
		}
		if err != nil {
			s.leave(joined, s.groups)
			return err
		}
		joined = append(joined, g)
	}
	s.leave(s.groups, groups)
	s.groups = slices.Clone(groups)
	return nil
}

// leave gives up the memberships of groups, but not those of keep. Where that
// fails the interface is gone, and they with it.
func (s *PacketSender) leave(groups, keep []Group) {
	for _, g := range groups {
		if c, ok := s.conns[g.Ifindex]; ok && !slices.Contains(keep, g) {
			_ = c.LeaveGroup(net.HardwareAddr(g.MAC[:]))
		}
	}
}

// join makes c a member of g.
func (g Group) join(c *packet.Conn) error {
	if err := c.JoinGroup(net.HardwareAddr(g.MAC[:])); err != nil {
		return fmt.Errorf("join multicast group %v on interface %d: %w", g.MAC, g.Ifindex, err)
	}
	return nil
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
	s.groups = nil
	return first
}
