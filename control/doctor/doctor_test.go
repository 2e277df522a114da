package doctor

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"lvsdr/bench/netns"
	"lvsdr/control/api"
	"lvsdr/control/doctor/facts"
	"lvsdr/control/doctor/findings"
	"lvsdr/control/keepalived"
	"lvsdr/scheduler"
)

func TestMain(m *testing.M) { os.Exit(netns.RunTests(m)) }

// names are the names of a report's findings above Info.
func names(r *findings.Report) []string {
	var all []string
	for _, f := range r.Findings {
		if f.Severity > findings.Info {
			all = append(all, f.Name)
		}
	}
	return all
}

func TestAHostWithoutTheVIPIsNoRealServer(t *testing.T) {
	h := netns.NewTestHost(t, "rs", netns.HostConfig{})
	var r *findings.Report
	err := h.Do(func() (err error) {
		r, err = Server(t.Context(), ServerOptions{VIPs: []netip.Addr{netip.MustParseAddr("192.168.1.100")}})
		return err
	})
	if err != nil || !slices.Equal(names(r), []string{findings.RSWithoutVIP}) || r.Place != "real server" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestADirectorsHostIsExaminedWithoutARunningDirector(t *testing.T) {
	h := netns.NewTestHost(t, "director", netns.HostConfig{})
	sw, err := netns.NewSwitch("switch")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sw.Close() })
	if err := sw.Connect(t.Context(), h, netns.Cable{Ifname: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("192.168.1.10/24")}}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "keepalived.conf")
	const text = "virtual_server 192.168.1.100 80 {\n lb_algo rr\n lb_kind DR\n protocol TCP\n real_server 192.168.1.11 80 {\n }\n}\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	o := DirectorOptions{File: file, Reading: keepalived.Options{Schedulers: scheduler.Names(), IPv6: true},
		Socket: filepath.Join(dir, "no socket"), Timeout: 100 * time.Millisecond}
	var r *findings.Report
	if err := h.Do(func() (err error) { r, err = Director(t.Context(), o); return err }); err != nil {
		t.Fatal(err)
	}
	if got := names(r); !slices.Equal(got, []string{findings.RSSilent}) || r.Place != "director" {
		t.Errorf("found %v: %+v", got, r)
	}
	o.File = filepath.Join(dir, "no file")
	if r, err := Director(t.Context(), o); r != nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a configuration: %v, %v", r, err)
	}
}

func TestTheRunningDirectorIsNoForeignForwarder(t *testing.T) {
	taps := []facts.Tap{{Ifindex: 2, PID: 7}, {Ifindex: 2, PID: 8}}
	for _, c := range []struct {
		status *api.Status
		left   int
	}{{nil, 2}, {&api.Status{PID: 7}, 1}, {&api.Status{PID: 9}, 2}} {
		h := &facts.Host{Taps: slices.Clone(taps)}
		if leaveOut(h, c.status); len(h.Taps) != c.left {
			t.Errorf("%+v: %v are left, want %d", c.status, h.Taps, c.left)
		}
	}
}
