package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/fault"
	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	"lvsdr/control/doctor/findings"
)

// examined runs lvsdr doctor on a host and reads its report.
func examined(t *testing.T, h *netns.Host, args ...string) *findings.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	var out, progress strings.Builder
	cmd := h.Command(ctx, binary(), append([]string{"doctor", "--json"}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &progress
	_ = cmd.Run() // the exit code says it
	report := &findings.Report{}
	if err := json.Unmarshal([]byte(out.String()), report); err != nil {
		t.Fatalf("lvsdr doctor %v on %s ended with %d and wrote %q, %q: %v", args, h.Name(), cmd.ProcessState.ExitCode(), out.String(), progress.String(), err)
	}
	if code := cmd.ProcessState.ExitCode(); code != report.ExitCode() {
		t.Errorf("the exit code is %d, the worst finding says %d", code, report.ExitCode())
	}
	if lines := strings.Count(progress.String(), "\n"); lines != len(report.Checks) {
		t.Errorf("%d lines of progress for %d checks:\n%s", lines, len(report.Checks), progress.String())
	}
	return report
}

// shown is a report as a person reads it.
func shown(r *findings.Report) string {
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		return err.Error()
	}
	return b.String()
}

// find is the first finding of a name, about something that has about in it,
// nil if there is none.
func find(r *findings.Report, name, about string) *findings.Finding {
	i := slices.IndexFunc(r.Findings, func(f findings.Finding) bool {
		return f.Name == name && strings.Contains(f.About+f.Text, about)
	})
	if i < 0 {
		return nil
	}
	return &r.Findings[i]
}

// newScene is a site that works.
func newScene(t *testing.T, spec netlab.Spec) *fault.Scene {
	t.Helper()
	lab := newHTTPLab(t, spec)
	s := &fault.Scene{Lab: lab.Lab, Port: port, Config: lab.Config(rotating()), Binary: binary()}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the scene: %v", err)
		}
		if s.Director == nil {
			return
		}
		if err := s.Director.Stop(); err != nil {
			t.Errorf("the director ended badly: %v", err)
		}
	})
	var err error
	if s.Director, err = lab.StartDirector(context.WithoutCancel(t.Context()), binary(), s.Config, netlab.SmallTable); err != nil {
		t.Fatal(err)
	}
	return s
}

// directorArgs are the arguments of doctor on the scene's director.
func directorArgs(t *testing.T, s *fault.Scene) []string {
	socket := filepath.Join(shortDir(t), "none")
	if s.Director != nil {
		socket = s.Director.Socket
	}
	return []string{"-c", file(t, s.Config), "--socket", socket}
}

// serverArgs are the arguments of doctor on a real server.
func serverArgs(s *fault.Scene) []string {
	return []string{"--rs", "--vip", s.Lab.Spec.VIP.String(), "--port", fmt.Sprint(s.Port)}
}

// busy makes clients use the service until the test ends; they do not care how
// they fare.
func busy(t *testing.T, s *fault.Scene) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	url := "http://" + netip.AddrPortFrom(s.Lab.Spec.VIP, s.Port).String() + "/"
	done := make(chan struct{})
	go func() {
		defer close(done)
		client := s.Lab.Clients[0].HTTPClient(netns.HTTPOptions{Fresh: true, Timeout: patience})
		for pace := time.NewTicker(200 * time.Millisecond); ctx.Err() == nil; <-pace.C {
			netlab.Get(ctx, client, url, 12, 12)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// Where a fault is named: by the director's doctor, by the real server's, or by
// both.
const (
	byDirector = 1 << iota
	byServer
	byBoth = byDirector | byServer
)

// wantNamed wants the fault among the errors or warnings, with what shows and
// a remedy, and no other real server accused.
func wantNamed(t *testing.T, r *findings.Report, s *fault.Scene, name string) {
	t.Helper()
	f := find(r, name, "")
	if f == nil || f.Severity == findings.Info || len(f.Evidence) == 0 || f.Remedy == "" {
		t.Errorf("the doctor of the %s does not name %s:\n%s", r.Place, name, shown(r))
		return
	}
	for _, other := range s.Lab.Servers[1:] {
		for _, f := range r.Findings {
			if f.Severity > findings.Info && strings.Contains(f.About+" ", other.Addr.String()+" ") {
				t.Errorf("a server that is well is accused: %+v", f)
			}
		}
	}
	t.Logf("%s: %s", f.About, f.Text)
}

// wantHealthy wants no finding that needs a fix.
func wantHealthy(t *testing.T, r *findings.Report) {
	t.Helper()
	if r.Worst != findings.Info {
		t.Errorf("a healthy %s is not reported as healthy:\n%s", r.Place, shown(r))
	}
}

func TestDoctorFindsAHealthySiteHealthy(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	for name, spec := range shapes() {
		if name != "one arm" && name != "two arms IPv6" && !long() { // which have most of what the others have
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, spec)
			busy(t, s)
			args := directorArgs(t, s)
			r := examined(t, s.Lab.Director.Host, args...)
			wantHealthy(t, r)
			if f := find(r, findings.TrafficSeen, "no client's frame"); f != nil {
				t.Errorf("the traffic was not seen: %+v", *f)
			}
			wantHealthy(t, examined(t, s.Lab.Director.Host, append(args, "--passive", "--timeout", "100ms")...))
			for _, n := range s.Lab.Servers {
				wantHealthy(t, examined(t, n.Host, serverArgs(s)...))
			}
			if name != "one arm" {
				return
			}
			if err := s.Director.Stop(); err != nil {
				t.Fatal(err)
			}
			s.Director = nil
			r = examined(t, s.Lab.Director.Host, directorArgs(t, s)...)
			wantHealthy(t, r)
			if find(r, findings.NotRunning, "") == nil {
				t.Error("that no director runs is not said")
			}
		})
	}
}

// shapes are labs of every kind; in a short test, of one.
func shapes() map[string]netlab.Spec {
	all := map[string]netlab.Spec{
		"one arm":       {},
		"one arm IPv6":  {Net: netip.MustParsePrefix("fd00:1::/64")},
		"two arms":      {TwoArmed: true},
		"two arms IPv6": {Net: netip.MustParsePrefix("fd00:1::/64"), TwoArmed: true},
		"routed":        {Routed: true},
	}
	if testing.Short() {
		maps.DeleteFunc(all, func(shape string, _ netlab.Spec) bool { return shape != "one arm" })
	}
	return all
}

// What could not be done has an exit code of its own, and says what to do.
func TestDoctorSaysWhyItCannotWork(t *testing.T) {
	t.Parallel()
	good := file(t, minimal)
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"an argument", []string{"now"}, "--help"},
		{"an unknown flag", []string{"--now"}, "--help"},
		{"no such configuration", []string{"-c", "/none"}, "/none"},
		{"a time that is none", []string{"-c", good, "--timeout", "0s"}, "--timeout"},
		{"a VIP without --rs", []string{"-c", good, "--vip", "192.168.1.100"}, "--rs"},
		{"--rs without a VIP", []string{"--rs"}, "--vip"},
		{"a VIP that is none", []string{"--rs", "--vip", "a"}, `"a"`},
	} {
		r := verb(t, append([]string{"doctor"}, c.args...)...)
		if r.code != findings.ExitNotRun || !strings.Contains(r.stderr, c.want) || r.stdout != "" {
			t.Errorf("%s: exit code %d, stderr %q, stdout %q", c.name, r.code, r.stderr, r.stdout)
		}
	}
}

func TestDoctorNamesThePrivilegeItNeeds(t *testing.T) {
	t.Parallel()
	lab := newLab(t, netlab.Spec{})
	cmd := lab.Director.Command(t.Context(), binary(), "doctor", "-c", file(t, lab.Config(rotating())))
	cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER // its capabilities do not reach the lab's networks
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != findings.ExitNotRun || !strings.Contains(string(out), "CAP_NET_RAW") {
		t.Errorf("%v, it wrote %s", err, out)
	}
}
