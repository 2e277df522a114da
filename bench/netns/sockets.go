package netns

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Listen is net.Listen inside the host, with plain TCP (no MPTCP). Give a
// literal address with its family, as 0.0.0.0:80; names are not resolved in
// the host. The listener is the caller's.
func (h *Host) Listen(network, addr string) (l net.Listener, err error) {
	var c net.ListenConfig
	c.SetMultipathTCP(false) // Go asks for it by default; its options would show in captures
	err = h.Do(func() (err error) {
		l, err = c.Listen(context.Background(), network, addr)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", h.name, err)
	}
	return l, nil
}

// ListenPacket is net.ListenPacket inside the host. The socket is the
// caller's.
func (h *Host) ListenPacket(network, addr string) (c net.PacketConn, err error) {
	err = h.Do(func() (err error) {
		c, err = net.ListenPacket(network, addr)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", h.name, err)
	}
	return c, nil
}

// Dial connects from the host to a literal address. The connection is the
// caller's.
func (h *Host) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return h.DialFrom(ctx, network, netip.AddrPort{}, addr)
}

// DialFrom is Dial with a chosen source, TCP or UDP. Port 0 of local means any
// port; the zero AddrPort means any address and port.
func (h *Host) DialFrom(ctx context.Context, network string, local netip.AddrPort, addr string) (c net.Conn, err error) {
	var d net.Dialer
	if local.IsValid() {
		if strings.HasPrefix(network, "udp") {
			d.LocalAddr = net.UDPAddrFromAddrPort(local)
		} else {
			d.LocalAddr = net.TCPAddrFromAddrPort(local)
		}
	}
	err = h.Do(func() (err error) {
		c, err = d.DialContext(ctx, network, addr)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dial from %s: %w", h.name, err)
	}
	return c, nil
}

// HTTPOptions shape an HTTP client. The zero value keeps connections alive and
// lets the kernel choose the source address.
type HTTPOptions struct {
	// Local is the source address; the zero Addr leaves it to the kernel.
	Local netip.Addr
	// Fresh uses a new connection for each request.
	Fresh bool
	// Timeout of a whole request. Default 10 s.
	Timeout time.Duration
}

// HTTPClient makes a client whose connections come from the host. It uses no
// proxy. Its idle connections are closed by the host's Close.
func (h *Host) HTTPClient(o HTTPOptions) *http.Client {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	var local netip.AddrPort
	if o.Local.IsValid() {
		local = netip.AddrPortFrom(o.Local, 0)
	}
	tr := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return h.DialFrom(ctx, network, local, addr)
		},
		DisableKeepAlives:   o.Fresh,
		MaxIdleConnsPerHost: 256,
	}
	// A closed host fails the first request; there is nothing to keep then.
	_, _ = h.Keep(func() error {
		tr.CloseIdleConnections()
		return nil
	})
	return &http.Client{Transport: tr, Timeout: o.Timeout}
}
