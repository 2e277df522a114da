package check

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"

	"lvsdr/control/ask"
)

// UDP sends a datagram; keepalived's UDP_CHECK. Where no reply is required the attempt
// lasts until a reply comes or its time is over, because an ICMP error may come until then.
type UDP struct {
	Peer Peer
	Ask  *ask.UDP
}

var _ Probe = UDP{}

// Kind is keepalived's word for it.
func (p UDP) Kind() string { return "UDP_CHECK" }

// String is such as "UDP_CHECK 192.168.1.11:53 payload 0102".
func (p UDP) String() string { return fmt.Sprintf("%s %v %v", p.Kind(), p.Peer, p.Ask) }

// lane is that of attempts which last for all of their time.
func (p UDP) lane() lane {
	if p.Ask.Reply {
		return swift
	}
	return silent
}

// randomPayload is the length of a payload that is not given, in bytes.
const randomPayload = 32

// Check sends. Errors read "send to 192.168.1.11:53: connection refused".
func (p UDP) Check(ctx context.Context) Result {
	err := p.Peer.talk(ctx, "udp", "send to "+p.Peer.Addr.String(), 0, func(c net.Conn) error { return p.send(ctx, c) })
	return Result{Err: err}
}

// send is the conversation.
func (p UDP) send(ctx context.Context, c net.Conn) error {
	payload := []byte(p.Ask.Payload)
	if len(payload) == 0 {
		payload = make([]byte, randomPayload)
		_, _ = rand.Read(payload) // it never fails
	}
	if _, err := c.Write(payload); err != nil {
		return err
	}
	reply := make([]byte, ask.MaxReply)
	n, err := c.Read(reply)
	switch {
	case err != nil && !p.Ask.Reply && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil
	case err != nil:
		return err
	case p.Ask.Reply && !p.Ask.Good(reply[:n]):
		const most = 16 // bytes of a reply that are told
		return fmt.Errorf("the reply of %d bytes is not as it must be: %x", n, reply[:min(n, most)])
	}
	return nil
}
