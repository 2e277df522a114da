package ladder

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
	"lvsdr/control/keepalived"
)

// reloadSite is a site without hosts.
func reloadSite() *site {
	lab := &netlab.Lab{Spec: netlab.Spec{Net: netip.MustParsePrefix("192.168.1.0/24"), VIP: netip.MustParseAddr("192.168.1.100")}}
	lab.Servers = []*netlab.Node{{Addr: netip.MustParseAddr("192.168.1.11")}}
	return &site{Lab: lab}
}

// differing is how many lines of two files of equally many lines differ.
func differing(t *testing.T, a, b string) (n int) {
	t.Helper()
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	if len(x) != len(y) {
		t.Fatalf("%d lines became %d", len(x), len(y))
	}
	for i := range x {
		if x[i] != y[i] {
			n++
		}
	}
	return n
}

// The files are good ones of 1000 services with ten servers, and one in which nothing
// ever changes; they differ as their names say.
func TestTheFilesOfTheReloadsDifferAsTheyAreNamed(t *testing.T) {
	s := reloadSite()
	usual := s.reloadConfig(nil)
	changed := map[string]int{"no reload": 0, "another process": 0, "nothing changes": 0, "one weight": 1,
		"all weights": reloadServices * reloadServers, "all servers": reloadServices * reloadServers}
	if len(changed) != len(reloadCases) {
		t.Fatalf("%d cases, want %d", len(reloadCases), len(changed))
	}
	for _, c := range reloadCases {
		text := s.reloadConfig(c.change)
		if n, want := differing(t, usual, text), changed[c.name]; n != want {
			t.Errorf("%s: %d lines differ, want %d", c.name, n, want)
		}
		if first, _, _ := strings.Cut(text, "virtual_server 192.168.1.100 10001"); !strings.HasPrefix(usual, first) {
			t.Errorf("%s: the service that is measured changes:\n%s", c.name, first)
		}
		// A mistake would stand in each of the services.
		few := strings.Join(slices.Collect(strings.Lines(text))[:200], "")
		if _, problems, err := keepalived.Load("x", keepalived.Options{Files: keepalived.Files{Open: func(string) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(few[:strings.LastIndex(few, "virtual_server")])), nil
		}}}); err != nil || len(problems) > 0 {
			t.Errorf("%s: %v, %v", c.name, problems, err)
		}
	}
	if n := strings.Count(usual, "virtual_server"); n != reloadServices+1 {
		t.Errorf("%d services, want %d", n, reloadServices+1)
	}
	if n := strings.Count(usual, "real_server"); n != reloadServices*reloadServers+1 {
		t.Errorf("%d servers, want %d", n, reloadServices*reloadServers+1)
	}
}

// A reload that the director refuses, or does not answer, is no measurement.
func TestAReloadThatFailsIsAnError(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		want   string
	}{"done": {http.StatusOK, ""}, "refused": {http.StatusConflict, "409"}} {
		near, far := net.Pipe()
		go func() {
			_, _ = far.Read(make([]byte, 4096))
			answer := &http.Response{StatusCode: c.status, ProtoMajor: 1, ProtoMinor: 1, Body: io.NopCloser(strings.NewReader("{}")), ContentLength: 2}
			_ = answer.Write(far)
		}()
		r := &reloader{texts: [2]string{"a", "b"}, client: &http.Client{Transport: &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil }}}}
		err := r.run(t.Context())
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		_ = near.Close()
	}
	failed := errors.New("failed")
	r := &reloader{texts: [2]string{"a", "b"}, instead: func(context.Context) error { return failed }}
	if err := r.run(t.Context()); !errors.Is(err, failed) {
		t.Errorf("what happened instead of a reload failed: %v", err)
	}
	var none reloader
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := none.run(ctx); err == nil {
		t.Error("a wait that was interrupted is no error")
	}
}

// While a rung is measured nothing is collected and there are turns to spare; then all is as
// it was.
func TestGoDoesNotHinderClientAndServer(t *testing.T) {
	settings := func() (percent, turns int) {
		percent = debug.SetGCPercent(-1)
		debug.SetGCPercent(percent)
		return percent, runtime.GOMAXPROCS(0)
	}
	percent, turns := settings()
	restore := unhindered()
	if p, n := settings(); p != -1 || n != turns+spareTurns {
		t.Errorf("GOGC is %d and GOMAXPROCS %d, want -1 and %d", p, n, turns+spareTurns)
	}
	restore()
	if p, n := settings(); p != percent || n != turns {
		t.Errorf("afterwards GOGC is %d and GOMAXPROCS %d, want %d and %d", p, n, percent, turns)
	}
}
