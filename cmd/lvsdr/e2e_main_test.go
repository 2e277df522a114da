// The tests of this package are those of the program as a user meets it: the
// real binary, in networks of namespaces, judged by what it prints, by its exit
// code, and by the frames on the wire.
package main_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	"lvsdr/bench/uml"
	program "lvsdr/cmd/lvsdr"
	"lvsdr/control/api"
)

// binaryEnv names the program under test; TestMain builds it where it is not
// set.
const binaryEnv = "LVSDR_E2E_BINARY"

func TestMain(m *testing.M) {
	os.Exit(uml.Main(func() int { return netns.RunTestsWith(m, binaryEnv, "lvsdr/cmd/lvsdr") }))
}

func binary() string { return os.Getenv(binaryEnv) }

// patience bounds what a loaded machine may take, with a dozen tests at a time;
// no test says that anything is faster than that.
const patience = 2 * time.Minute

// port is the port of the service in all labs.
const port = 8080

// await waits until done holds.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	netns.Eventually(t, what, done)
}

// weighted are real servers of these weights.
func weighted(weights ...int) []netlab.ServerSpec {
	var all []netlab.ServerSpec
	for _, w := range weights {
		all = append(all, netlab.ServerSpec{Weight: w})
	}
	return all
}

// A network is a lab with clients that never use a port twice.
type network struct {
	*netlab.Lab
	ports atomic.Uint32 // the last one used
}

// firstPort is below the ports that the kernel chooses.
const firstPort = 10000

// What client is to do with its connections after a request.
const (
	freshConnections = true // a new one for each request
	keptConnections  = false
)

// client is an HTTP client with a as its address, whose connections come from
// ports that no other client of the network has had. The kernel's own choice
// would sometimes be a port whose last connection the director still knows in
// FIN_WAIT: the new one then stays with the old one's server, as in IPVS,
// whatever the scheduler would say.
func (n *network) client(t *testing.T, a netip.Addr, fresh bool) *http.Client {
	tr := &http.Transport{
		DisableKeepAlives: fresh,
		DialContext: func(ctx context.Context, proto, addr string) (net.Conn, error) {
			port := firstPort + n.ports.Add(1)
			if port > 0xffff {
				return nil, errors.New("all ports were used")
			}
			return n.Clients[0].DialFrom(ctx, proto, netip.AddrPortFrom(a, uint16(port)), addr)
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Timeout: 4 * patience, Transport: tr}
}

// newLab builds a network for one test.
func newLab(t *testing.T, spec netlab.Spec) *network {
	t.Helper()
	netns.Require(t)
	lab, err := netlab.Build(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Errorf("close the lab: %v", err)
		}
	})
	return &network{Lab: lab}
}

// newHTTPLab is a newLab whose real servers serve HTTP on port.
func newHTTPLab(t *testing.T, spec netlab.Spec) *network {
	t.Helper()
	lab := newLab(t, spec)
	if err := lab.StartHTTP(port); err != nil {
		t.Fatal(err)
	}
	return lab
}

// direct runs the program on the lab's director until the test ends, and wants
// it to end well. It announces its VIPs when direct returns.
func direct(t *testing.T, lab *network, config string, args ...string) *netlab.Director {
	t.Helper()
	// The test's own context ends before its clean-ups begin.
	d, err := lab.StartDirector(context.WithoutCancel(t.Context()), binary(), config, append([]string{netlab.SmallTable}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Errorf("the director ended badly: %v", err)
		}
		if strings.Contains(d.Log.String(), "panic:") {
			t.Error("the director panicked")
		}
		if t.Failed() {
			t.Logf("the director wrote:\n%s", d.Log.String())
		}
	})
	return d
}

// rotating is a service without persistence.
func rotating() netlab.Service { return netlab.Service{Port: port, Persistence: "0"} }

// status is the director's own view.
func status(t *testing.T, d *netlab.Director) *api.Status {
	t.Helper()
	st, err := d.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// url is the service's.
func url(lab *network) string {
	return fmt.Sprintf("http://%s/", netip.AddrPortFrom(lab.Spec.VIP, port))
}

// get makes n requests from the first client and wants all answered.
func get(t *testing.T, lab *network, n int) netlab.Tally {
	t.Helper()
	tally := netlab.Get(t.Context(), lab.client(t, lab.Clients[0].Addr, freshConnections), url(lab), n, 4)
	if tally.Errors > 0 {
		t.Fatalf("%d of %d requests failed: %v", tally.Errors, n, tally.First)
	}
	return tally
}

// A result is how a command ended.
type result struct {
	stdout, stderr string
	code           int
}

// lvsdr runs the program where the test runs, in a temporary folder.
func lvsdr(t *testing.T, args ...string) result {
	t.Helper()
	var out, errs strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// verb carries out a command line in this process. It is what lvsdr does, and
// spares the start of a process, where a verb only prints, refuses, or asks the
// director at a socket. The verbs that change their process, leave it for another
// namespace, or depend on its folder are for lvsdr; so is one case of each kind
// that verb is used for.
func verb(t *testing.T, args ...string) result {
	t.Helper()
	var out, errs strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	code := program.Execute(ctx, args, strings.NewReader(""), &out, &errs)
	return result{out.String(), errs.String(), code}
}

// shortDir is a temporary folder with a short name: the path of a unix socket
// has at most 107 bytes, and t.TempDir spends many on the test's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// tool is the path of a program that Debian has in package. Without it the
// test is skipped, or fails where CI=true, so that a build machine cannot skip
// unnoticed.
func tool(t *testing.T, name, pkg string) string {
	t.Helper()
	return netns.Tool(t, name, pkg)
}

// sized is much where the environment has LVSDR_LONG=1, as in a step of its own
// of .ci/run, normal where it has not, and little where only a short test is
// wanted.
func sized(much, normal, little int) int {
	switch {
	case testing.Short():
		return little
	case long():
		return much
	}
	return normal
}

// part is all of the cases where tests may take long, and the first n of them
// otherwise: the cases stand in an order in which those show the most.
func part[T any](n int, all []T) []T {
	if long() {
		return all
	}
	return all[:n]
}

// long reports whether tests may take long. Tests that only run then are in files
// with the build tag long.
func long() bool { return os.Getenv("LVSDR_LONG") != "" }

// start runs a server program on a host until the test ends.
func start(t *testing.T, h *netns.Host, name string, args ...string) {
	t.Helper()
	var out netlab.Output
	cmd := h.Command(context.WithoutCancel(t.Context()), name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // it may have ended
		_ = cmd.Wait()                                // its error is that it was killed
		if t.Failed() {
			t.Logf("%s on %s wrote:\n%s", name, h.Name(), out.String())
		}
	})
}

// askStatus asks the director at socket for its status.
func askStatus(ctx context.Context, socket string) (*api.Status, error) {
	c := api.NewClient(socket)
	defer c.Close()
	return c.Status(ctx)
}
