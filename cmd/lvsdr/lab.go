package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
)

// The lab's service.
const labPort = 8080

// labWeights are the real servers' weights.
var labWeights = []int{3, 2, 1}

func newLab() *cobra.Command {
	var ipv6 bool
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Build a complete LVS-DR lab in namespaces and show it at work",
		Long: `lab builds a client, a director, three real servers and a switch as network
namespaces, without root where user namespaces are allowed, runs real HTTP
servers, a real director and a real HTTP client in them, and shows the way of a
packet from captured frames, the share of each real server, and what persistence
does. It ends by itself, leaves nothing behind, and exits with 0 only if all it
showed was right.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return inWorld(cmd.Context(), func() error { return showLab(cmd.Context(), cmd.OutOrStdout(), ipv6) })
		},
	}
	ipv6Flag(cmd, &ipv6)
	cmd.AddCommand(newLabShell())
	return cmd
}

// interruptedCode is the exit code after SIGINT, as shells have it: 128+2.
const interruptedCode = 130

// inWorld runs f in a world of its own: this program is run once more there.
func inWorld(ctx context.Context, f func() error) error {
	if netlab.Inside() {
		err := f()
		if ctx.Err() != nil {
			return exitError{code: interruptedCode} // who entered the world says it
		}
		return err
	}
	if err := os.Setenv(uidVariable, strconv.Itoa(os.Getuid())); err != nil {
		return err
	}
	code, err := netlab.Reexec(ctx)
	switch {
	case ctx.Err() != nil:
		return exitError{interruptedCode, errors.New("interrupted; nothing is left behind")}
	case err != nil:
		return err
	case code != 0:
		return exitError{code: code}
	}
	return nil
}

// ipv6Flag adds --ipv6.
func ipv6Flag(cmd *cobra.Command, ipv6 *bool) {
	cmd.Flags().BoolVarP(ipv6, "ipv6", "6", false, "build the lab with IPv6 addresses")
}

// net6 is the network of the IPv6 lab.
var net6 = netip.MustParsePrefix("fd00:1::/64")

// buildLab builds the default lab with its HTTP servers.
func buildLab(ctx context.Context, ipv6 bool) (*netlab.Lab, error) {
	var servers []netlab.ServerSpec
	for _, w := range labWeights {
		servers = append(servers, netlab.ServerSpec{Weight: w})
	}
	spec := netlab.Spec{Servers: servers}
	if ipv6 {
		spec.Net = net6
	}
	lab, err := netlab.Build(ctx, spec)
	if err != nil {
		return nil, err
	}
	if err := lab.StartHTTP(labPort); err != nil {
		return nil, errors.Join(err, lab.Close())
	}
	return lab, nil
}

// A labShow is the lab while it is shown.
type labShow struct {
	*netlab.Lab
	director *netlab.Director
	out      io.Writer
	url      string
	wrong    []string      // what did not come out as it should
	ports    atomic.Uint32 // used by the client so far
}

func showLab(ctx context.Context, out io.Writer, ipv6 bool) (err error) {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	lab, err := buildLab(ctx, ipv6)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	s := &labShow{Lab: lab, out: out, url: "http://" + netip.AddrPortFrom(lab.Spec.VIP, labPort).String() + "/"}
	s.title("The lab")
	fmt.Fprint(out, lab.Drawing())
	fmt.Fprintf(out, "\nThe director does not have the VIP: it answers ARP for it, and no port is open on it.\n")

	s.director, err = lab.StartDirector(ctx, self, lab.Config(netlab.Service{Port: labPort, Persistence: "0"}))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop(ctx)) }()
	for _, step := range []func(context.Context) error{s.journey, s.shares, s.sticky, s.status} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	s.title("Verdict")
	if len(s.wrong) > 0 {
		for _, w := range s.wrong {
			fmt.Fprintf(out, "WRONG: %s\n", w)
		}
		return exitError{1, errors.New("the lab did not come out as it should")}
	}
	fmt.Fprintln(out, "All as it should be.")
	return nil
}

// stop ends the director; being interrupted is no failure of it.
func (s *labShow) stop(ctx context.Context) error {
	err := s.director.Stop()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("the director ended badly: %w; it wrote:\n%s", err, s.director.Log.String())
	}
	return nil
}

func (s *labShow) title(t string) {
	fmt.Fprintf(s.out, "\n%s\n%s\n\n", t, strings.Repeat("─", len([]rune(t))))
}

// expect notes what is wrong.
func (s *labShow) expect(right bool, format string, args ...any) {
	if !right {
		s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
	}
}

// firstPort is below the ports that kernels choose.
const firstPort = 10000

// client makes a connection for each request, from a port that was not used
// before. The kernel would sometimes choose one whose last connection the
// director still knows in FIN_WAIT; the new one would stay with the old one's
// server, as in IPVS, and not be for the scheduler or the template to decide.
func (s *labShow) client() *http.Client {
	from := s.Clients[0]
	return &http.Client{Timeout: requestTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			port := uint16(firstPort + s.ports.Add(1))
			return from.DialFrom(ctx, network, netip.AddrPortFrom(from.Addr, port), addr)
		},
	}}
}

// requestTimeout is for one request of the lab's client.
const requestTimeout = 10 * time.Second

// shares makes 600 requests and compares each server's share with its weight.
// Weighted round robin is exact but for the first pass of a fresh service,
// which gives every server one connection, and the pass that is under way.
func (s *labShow) shares(ctx context.Context) error {
	const requests = 600
	s.title(fmt.Sprintf("%d requests, persistence_timeout 0", requests))
	t := netlab.Get(ctx, s.client(), s.url, requests, 8)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.expect(t.Errors == 0, "%d of %d requests failed: %v", t.Errors, requests, t.First)
	sum := 0
	for _, n := range s.Servers {
		sum += n.Weight
	}
	for _, n := range s.Servers {
		got, want := t.ByServer[n.Name()], requests*n.Weight/sum
		fmt.Fprintf(s.out, "%s  weight %d  %s %3d of %d, %4.1f %% (weight says %4.1f %%)\n", n.Name(), n.Weight,
			bar(got, requests), got, requests, 100*float64(got)/requests, 100*float64(n.Weight)/float64(sum))
		s.expect(got-want <= sum && want-got <= sum, "%s served %d requests, not %d", n.Name(), got, want)
	}
	return ctx.Err()
}

// bar draws n of total.
func bar(n, total int) string {
	const width = 30
	k := n * width / max(total, 1)
	return strings.Repeat("█", k) + strings.Repeat("·", width-k)
}

// sticky takes persistence_timeout away, so that the default holds, and makes
// requests from one client.
func (s *labShow) sticky(ctx context.Context) error {
	const requests = 60
	s.title(fmt.Sprintf("%d requests with the default persistence of 120 s", requests))
	if err := s.director.Reload(ctx, s.Config(netlab.Service{Port: labPort})); err != nil {
		return err
	}
	t := netlab.Get(ctx, s.client(), s.url, requests, 8)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.expect(t.Errors == 0, "%d of %d requests failed: %v", t.Errors, requests, t.First)
	for _, name := range slices.Sorted(maps.Keys(t.ByServer)) {
		fmt.Fprintf(s.out, "%s  %s %d of %d\n", name, bar(t.ByServer[name], requests), t.ByServer[name], requests)
	}
	s.expect(len(t.ByServer) == 1, "one client was served by %d real servers in spite of persistence", len(t.ByServer))
	fmt.Fprintln(s.out, "\nOne client stays on one real server until 120 s after its last new connection, and")
	fmt.Fprintln(s.out, "as long as one of its connections is known. For load tests: persistence_timeout 0.")
	return ctx.Err()
}

// status shows what the director says of itself.
func (s *labShow) status(ctx context.Context) error {
	s.title("lvsdr status")
	st, err := s.director.Status(ctx)
	if err != nil {
		return err
	}
	s.checkStatus(st)
	return printStatus(s.out, st)
}

// checkStatus compares the director's counters with each other and with what
// was seen.
func (s *labShow) checkStatus(st *api.Status) {
	var frames, received uint64
	for _, n := range st.Reasons {
		frames += n
	}
	for _, p := range st.Ports {
		received += p.Received
		s.expect(p.Missed == 0 && p.SendError == 0 && p.SendFull == 0, "frames were lost: %+v", p)
	}
	// The port counts first; between the two readings frames may arrive.
	s.expect(frames <= received, "%d frames were counted and only %d received", frames, received)
	s.expect(st.Reasons["no-mac"] == 0, "%d frames had no MAC address to go to", st.Reasons["no-mac"])
}
