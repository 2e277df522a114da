//go:build long

package main_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	"lvsdr/control/api"
	"lvsdr/control/localclient"
)

func TestClientsOnTheDirectorsHostInIPv6(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Net: lab6, Servers: weighted(1, 2, 3)})
	d := direct(t, lab, lab.Config(rotating()))
	wantLocalServed(t, status(t, d))
	atServer := capture(t, lab.Servers[0])
	host := onDirector(lab)
	getByWeight(t, host)
	wantOwnAddress(t, lab, []*netlab.Capture{atServer}, 10)
	ping6(t, host)
	refusedTCP(t, host)
	refusedUDP(t, host)
	getByWeight(t, lab)
}

func TestWhatServesClientsOnTheHostSurvivesACrashAndGoesWithAStop(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	for _, test := range []struct {
		name string
		spec netlab.Spec
	}{{"IPv4", netlab.Spec{}}, {"IPv6", netlab.Spec{Net: lab6}}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			lab := newHTTPLab(t, test.spec)
			dir := shortDir(t)
			file := filepath.Join(dir, "keepalived.conf")
			if err := os.WriteFile(file, []byte(lab.Config(rotating())), 0o600); err != nil {
				t.Fatal(err)
			}
			// A late packet of a connection from before the crash must not take a turn of
			// the scheduler.
			start := func() *process { return launchWith(t, lab, dir, "-c", file, "--resume", "0") }
			untouched := footprint(t, lab.Director.Host)
			host := onDirector(lab)

			first := start()
			getByWeight(t, host)
			running := footprint(t, lab.Director.Host)
			if !strings.Contains(strings.Join(running, "\n"), "link "+localclient.HostEnd) {
				t.Errorf("no interface %s: this test proves nothing", localclient.HostEnd)
			}
			first.end(t, unix.SIGKILL)
			if left := footprint(t, lab.Director.Host); !slices.Equal(left, running) {
				t.Errorf("SIGKILL changed the host from\n%s to\n%s", strings.Join(running, "\n"), strings.Join(left, "\n"))
			}
			second := start()
			if again := footprint(t, lab.Director.Host); !slices.Equal(again, running) {
				t.Errorf("the second director's host is\n%s, the first's was\n%s", strings.Join(again, "\n"), strings.Join(running, "\n"))
			}
			getByWeight(t, host)
			getByWeight(t, lab)
			if code := second.end(t, unix.SIGTERM); code != 0 {
				t.Errorf("SIGTERM ended the director with %d", code)
			}
			if left := footprint(t, lab.Director.Host); !slices.Equal(left, untouched) {
				t.Errorf("left behind:\n%s\nfound:\n%s", strings.Join(left, "\n"), strings.Join(untouched, "\n"))
			}
		})
	}
}

func TestClientsOnTheHostFollowAReload(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	other := netip.MustParseAddr("192.168.1.101")
	for _, s := range lab.Servers {
		if err := netlab.SetUpServer(s.Host, other); err != nil {
			t.Fatal(err)
		}
	}
	config := lab.Config(rotating())
	d := direct(t, lab, config)
	host := onDirector(lab)
	getByWeight(t, host)
	if err := d.Reload(t.Context(), strings.ReplaceAll(config, lab.Spec.VIP.String(), other.String())); err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(footprint(t, lab.Director.Host), "\n"); strings.Contains(text, lab.Spec.VIP.String()) {
		t.Errorf("something of the old VIP is left:\n%s", text)
	}
	host.Spec.VIP = other
	getByWeight(t, host)
}

// Somebody removes the pair: the log says so, everybody else is served on, and the
// director makes it again, of which a reload knows.
func TestALostPairIsNotTheEnd(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	config := lab.Config(rotating())
	d := direct(t, lab, config)
	host := onDirector(lab)
	near, err := lab.Director.Netlink().LinkByName(localclient.HostEnd)
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.Director.Netlink().LinkDel(near); err != nil {
		t.Fatal(err)
	}
	// The status says it too, but only until the pair is made again.
	lost := regexp.MustCompile(`(?m)^.*"clients on this host: failed".*interface is gone.*remedy="--local-clients=false`)
	await(t, "the loss to be logged", func() bool { return lost.MatchString(d.Log.String()) })
	getByWeight(t, lab)
	await(t, "the pair to be made again", func() bool {
		again, err := lab.Director.Netlink().LinkByName(localclient.HostEnd)
		return err == nil && again.Attrs().Index != near.Attrs().Index && status(t, d).Local == api.LocalServed
	})
	getByWeight(t, host)
	if err := d.Reload(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	wantLocalServed(t, status(t, d))
	getByWeight(t, host)
}
