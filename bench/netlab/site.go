package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"lvsdr/bench/netns"
)

// A Site is a lab at work: its real servers serve HTTP and its director runs.
type Site struct {
	*Lab
	Topology *Topology
	Binary   string    // path of lvsdr
	URL      string    // of the service
	Text     string    // the configuration of the director, or of both
	Running  *Director // on the lab's director; nil: none runs
	Second   *Director // on its Standby; nil: none runs

	ports atomic.Uint32 // used by the clients so far
}

// OpenSite builds the lab of t and starts its director, or both, each of which is the lvsdr at
// path binary. It must be called in a world, and the site is to be closed.
func OpenSite(ctx context.Context, binary string, t *Topology) (*Site, error) {
	s, err := BuildSite(ctx, binary, t)
	if err != nil {
		return nil, err
	}
	if s.Standby() != nil {
		err = s.DirectPair(ctx, s.Config(t.Service()))
	} else {
		err = s.Direct(ctx, t.Service())
	}
	if err != nil {
		return nil, errors.Join(err, s.Lab.Close())
	}
	return s, nil
}

// BuildSite is OpenSite without a director.
func BuildSite(ctx context.Context, binary string, t *Topology) (*Site, error) {
	if err := t.Complete(); err != nil {
		return nil, err
	}
	lab, err := Build(ctx, t.Spec())
	if err != nil {
		return nil, err
	}
	s := &Site{Lab: lab, Topology: t, Binary: binary, URL: "http://" + netip.AddrPortFrom(lab.Spec.VIP, ServicePort).String() + "/"}
	if err := lab.StartHTTP(ServicePort); err != nil {
		return nil, errors.Join(err, lab.Close())
	}
	return s, nil
}

// SmallTable is the argument of run for a director that will have few
// connections. In the default table each of the first connections meets memory
// that is still to be given, and cleared, as a huge page of its own.
const SmallTable = "--conn-limit=65536"

// Direct starts the director, with a SmallTable.
func (s *Site) Direct(ctx context.Context, service Service) (err error) {
	s.Text = s.Config(service)
	s.Running, err = s.StartDirector(ctx, s.Binary, s.Text, SmallTable)
	return err
}

// Close ends the directors that run, and the lab. Being interrupted is no failure
// of a director.
func (s *Site) Close(ctx context.Context) error {
	err := s.Stop()
	if err == nil || ctx.Err() != nil {
		err = ctx.Err()
	}
	return errors.Join(err, s.Lab.Close())
}

// Files are the paths of the first director's control socket and configuration. Where no
// director runs any more, nothing listens at the socket, and release removes the
// configuration.
func (s *Site) Files() (socket, config string, release func() error, err error) {
	if s.Running != nil {
		return s.Running.Socket, s.Running.config, func() error { return nil }, nil
	}
	dir, release, err := netns.TempDir()
	if err != nil {
		return "", "", nil, fmt.Errorf("keep the lab's configuration: %w", err)
	}
	config = filepath.Join(dir, configName)
	if err := os.WriteFile(config, []byte(s.Text), 0o600); err != nil {
		return "", "", nil, errors.Join(fmt.Errorf("keep the lab's configuration: %w", err), release())
	}
	return filepath.Join(dir, socketName), config, release, nil
}

// firstPort is below the ports that kernels choose.
const firstPort = 10000

// requestTimeout is for one request of the lab's clients.
const requestTimeout = 10 * time.Second

// Client makes a connection for each request, from an address of the kernel's
// choice and a port that was not used before. The kernel would sometimes choose
// one whose last connection the director still knows in FIN_WAIT; the new one
// would stay with the old one's server, as in IPVS, and not be for the scheduler
// or the template to decide.
func (s *Site) Client(from *Node) *http.Client {
	return &http.Client{Timeout: requestTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return s.dial(ctx, from, network, addr)
		},
	}}
}

// Dial makes a connection to the service, as those of a Client.
func (s *Site) Dial(ctx context.Context, from *Node) (net.Conn, error) {
	return s.dial(ctx, from, "tcp", netip.AddrPortFrom(s.Spec.VIP, ServicePort).String())
}

func (s *Site) dial(ctx context.Context, from *Node, network, addr string) (net.Conn, error) {
	anyAddr := netip.IPv4Unspecified()
	if from.Addr.Is6() {
		anyAddr = netip.IPv6Unspecified()
	}
	n := firstPort + s.ports.Add(1)
	if n > 0xffff {
		return nil, errors.New("all ports were used")
	}
	return from.DialFrom(ctx, network, netip.AddrPortFrom(anyAddr, uint16(n)), addr)
}

// LastPort is the port of the connection that a Client made last.
func (s *Site) LastPort() uint32 { return firstPort + s.ports.Load() }

// KeepCaptures captures on all interfaces until the returned function is called,
// which keeps the captures in the folder dir; without dir it does nothing.
func (s *Site) KeepCaptures(dir string) (keep func() error, err error) {
	if dir == "" {
		return func() error { return nil }, nil
	}
	c, err := s.CaptureAll(CaptureConfig{})
	if err != nil {
		return nil, err
	}
	return func() error { return errors.Join(c.Keep(dir, s.Comment), c.Stop()) }, nil
}
