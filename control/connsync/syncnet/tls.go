package syncnet

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"lvsdr/control/certs"
)

// A tlsOf puts TLS around connections; without a Source it leaves them as they are.
type tlsOf struct {
	*certs.Source
	wall func() time.Time
}

// wrap makes conn a connection of TLS, of which both sides have shown certificates. side
// is that of a session.
func (t tlsOf) wrap(ctx context.Context, conn net.Conn, side byte) (net.Conn, error) {
	if t.Source == nil {
		return conn, nil
	}
	config, err := t.Mutual(t.wall)
	if err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	wrap := tls.Server
	if side == 'c' {
		// The other side would refuse it, and say less. One that listens leaves that to
		// the one that has dialled, whose status shows it.
		if err := t.Pair().Valid(t.wall()); err != nil {
			return nil, fmt.Errorf("TLS: %w", err)
		}
		wrap = tls.Client
	}
	c := wrap(conn, config)
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return c, nil
}
