package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"lvsdr/bench/netlab"
)

// A labSite is a lab at work: its real servers serve HTTP and its director runs.
type labSite struct {
	*netlab.Lab
	spec     *labSpec
	self     string           // path of this program
	config   string           // the director's
	director *netlab.Director // nil: none runs
	url      string           // of the service
	ports    atomic.Uint32    // used by the clients so far
}

// openSite builds the lab of spec and starts its director. It must be called in
// a world, and the site is to be closed.
func openSite(ctx context.Context, spec *labSpec) (*labSite, error) {
	s, err := buildSite(ctx, spec)
	if err != nil {
		return nil, err
	}
	if err := s.direct(ctx, spec.service()); err != nil {
		return nil, errors.Join(err, s.Lab.Close())
	}
	return s, nil
}

// buildSite is openSite without a director.
func buildSite(ctx context.Context, spec *labSpec) (*labSite, error) {
	if err := spec.complete(); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	lab, err := netlab.Build(ctx, spec.spec())
	if err != nil {
		return nil, err
	}
	s := &labSite{Lab: lab, spec: spec, self: self, url: "http://" + netip.AddrPortFrom(lab.Spec.VIP, labPort).String() + "/"}
	if err := lab.StartHTTP(labPort); err != nil {
		return nil, errors.Join(err, lab.Close())
	}
	return s, nil
}

// direct starts the director.
func (s *labSite) direct(ctx context.Context, service netlab.Service) (err error) {
	s.config = s.Config(service)
	s.director, err = s.StartDirector(ctx, s.self, s.config)
	return err
}

// close ends the director, if one runs, and the lab. Being interrupted is no
// failure of the director.
func (s *labSite) close(ctx context.Context) error {
	var err error
	if s.director != nil {
		err = s.director.Stop()
	}
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("the director ended badly: %w; it wrote:\n%s", err, s.director.Log.String())
	} else {
		err = ctx.Err()
	}
	return errors.Join(err, s.Lab.Close())
}

// firstPort is below the ports that kernels choose.
const firstPort = 10000

// requestTimeout is for one request of the lab's clients.
const requestTimeout = 10 * time.Second

// client makes a connection for each request, from an address of the kernel's
// choice and a port that was not used before. The kernel would sometimes choose
// one whose last connection the director still knows in FIN_WAIT; the new one
// would stay with the old one's server, as in IPVS, and not be for the scheduler
// or the template to decide.
func (s *labSite) client(from *netlab.Node) *http.Client {
	anyAddr := netip.IPv4Unspecified()
	if from.Addr.Is6() {
		anyAddr = netip.IPv6Unspecified()
	}
	return &http.Client{Timeout: requestTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			n := firstPort + s.ports.Add(1)
			if n > 0xffff {
				return nil, errors.New("all ports were used")
			}
			return from.DialFrom(ctx, network, netip.AddrPortFrom(anyAddr, uint16(n)), addr)
		},
	}}
}

// keepCaptures captures on all interfaces until the returned function is called,
// which keeps the captures in the folder dir; without dir it does nothing.
func (s *labSite) keepCaptures(dir string) (keep func() error, err error) {
	if dir == "" {
		return func() error { return nil }, nil
	}
	c, err := s.CaptureAll(netlab.CaptureConfig{})
	if err != nil {
		return nil, err
	}
	return func() error { return errors.Join(c.Keep(dir, s.comment), c.Stop()) }, nil
}

// pcapFlag adds --pcap.
func pcapFlag(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "pcap", "", "keep captures of every interface in the folder `DIR`, as pcapng files with comments")
}

// A report is what a lab shows, and what did not come out as it should.
type report struct {
	out   io.Writer
	wrong []string
}

// title begins a part of the report.
func (r *report) title(t string) {
	fmt.Fprintf(r.out, "\n%s\n%s\n\n", t, strings.Repeat("─", len([]rune(t))))
}

// expect notes what is wrong.
func (r *report) expect(right bool, format string, args ...any) {
	if !right {
		r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
	}
}

// verdict ends the report with right, or with all that is wrong.
func (r *report) verdict(right string) error {
	r.title("Verdict")
	if len(r.wrong) > 0 {
		for _, w := range r.wrong {
			fmt.Fprintf(r.out, "WRONG: %s\n", w)
		}
		return exitError{1, errors.New("the lab did not come out as it should")}
	}
	fmt.Fprintln(r.out, right)
	return nil
}

// bar draws n of total.
func bar(n, total int) string {
	const width = 30
	k := n * width / max(total, 1)
	return strings.Repeat("█", k) + strings.Repeat("·", width-k)
}
