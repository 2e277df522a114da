package control

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lvsdr/control/keepalived"
)

func TestAReloadIsPutInForceOrRefusedAsAWhole(t *testing.T) {
	start := service(vip, rs1+" weight 3", rs2) + "unheard_of yes\n"
	for _, c := range []struct {
		law     string
		file    string
		loadErr error
		changes []string
		refused string // "": it is not
	}{
		{"the same file changes nothing, its old mistake included", start, nil, []string{}, ""},
		{"a weight", strings.Replace(start, "weight 3", "weight 5", 1), nil,
			[]string{"change " + rs1 + ":80 of tcp " + vip + ":80, weight 5"}, ""},
		{"a server less", service(vip, rs1+" weight 3"), nil, []string{"remove " + rs2 + ":80 from tcp " + vip + ":80"}, ""},
		{"a service more", start + service(other, rs1), nil,
			[]string{"add tcp " + other + ":80, wrr", "add " + rs1 + ":80 to tcp " + other + ":80, weight 1"}, ""},
		{"a new mistake", start + "another_word no\n", nil, nil, "another_word"},
		{"a brace that is missing", strings.TrimSuffix(start, "}\nunheard_of yes\n"), nil, nil, "not closed"},
		{"an empty file", "", nil, nil, "no virtual server"},
		{"a file that cannot be read", start, errors.New("open test.conf: no such file"), nil, "no such file"},
	} {
		t.Run(c.law, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := running(t, start)
				before := r.world()
				r.loadErr = c.loadErr
				done, err := r.reload(c.file)
				v := r.l.view.Load()
				if !slices.Equal(r.notified, []string{"READY=1", "RELOADING=1", "READY=1"}) || v.Reloads != 1 {
					t.Errorf("told %q, %d reloads", r.notified, v.Reloads)
				}
				if c.refused != "" {
					if err == nil || !strings.Contains(err.Error(), c.refused) || v.ConfigErr != err.Error() || v.Refused != 1 || r.lines("reload refused") != 1 {
						t.Errorf("error %v, published %q; log:\n%s", err, v.ConfigErr, &r.log)
					}
					if got := r.world(); got != before {
						t.Errorf("a refused file leads to\n%s\nbefore\n%s", got, before)
					}
					r.loadErr = nil
					if _, err := r.reload(start); err != nil || r.l.view.Load().ConfigErr != "" || r.l.view.Load().Refused != 1 {
						t.Errorf("the file as it was is refused too: %v", err)
					}
					return
				}
				if err != nil || !slices.Equal(done.Changes, c.changes) || v.ConfigErr != "" || v.Refused != 0 || r.lines("configuration reloaded") != 1 {
					t.Errorf("error %v, changes %q; log:\n%s", err, done, &r.log)
				}
			})
		})
	}
}

// The mistakes of a file that is in force are problems until they are corrected.
func TestMistakesOfAStartAreProblems(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1)+"unheard_of yes\n")
		if p := r.l.view.Load().Problems; len(p) != 1 || !strings.Contains(p[0], "unheard_of") || len(r.VIPs) != 1 {
			t.Errorf("problems %q\n%s", p, r.world())
		}
		if _, err := r.reload(service(vip, rs1)); err != nil || len(r.l.view.Load().Problems) != 0 {
			t.Errorf("error %v, problems %q", err, r.l.view.Load().Problems)
		}
	})
}

// A reload is over when its new VIPs are announced.
func TestAReloadWaitsForItsNewVIPs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1))
		r.file += service(other, rs2)
		reply := make(chan reloaded, 1)
		r.put(reloadRequest{reply})
		r.pass(neighbourPatience - 1)
		if len(reply) != 0 || len(r.VIPs) != 1 || r.l.view.Load().Reloads != 0 {
			t.Errorf("it is over after %v:\n%s", neighbourPatience-1, r.world())
		}
		r.pass(1)
		if len(reply) != 1 || len(r.VIPs) != 2 {
			t.Errorf("it is not over after %v:\n%s", neighbourPatience, r.world())
		}
	})
}

// The file may be changed while it is read: a request that comes then reads it
// once more.
func TestARequestDuringAReloadReadsTheFileAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, service(vip, rs1))
		reading, read := 0, make(chan bool)
		text := ""
		r.l.load = func() (*keepalived.Config, keepalived.Diagnostics, error) {
			reading++
			cfg, found, err := parse(text)
			<-read
			return cfg, found, err
		}
		r.start()
		r.resolve()
		text = service(vip, rs1+" weight 5")
		var replies []chan reloaded
		for range 3 {
			c := make(chan reloaded, 1)
			replies = append(replies, c)
			r.put(reloadRequest{c})
			text = service(vip, rs1+" weight 7")
		}
		for round, want := range [][]int{{1, 0, 0}, {1, 1, 1}} {
			read <- true
			synctest.Wait()
			for i, c := range replies {
				if len(c) != want[i] {
					t.Errorf("after reading %d times request %d has %d answers, want %d", round+1, i, len(c), want[i])
				}
			}
		}
		if reading != 2 || r.content()[0] != vip+": "+rs1+"*7" {
			t.Errorf("read %d times; in force %q", reading, r.content())
		}
	})
}

func TestADirectorWithoutAFileRefusesReloads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, "")
		r.l.load = nil
		r.start()
		if !slices.Equal(r.notified, []string{"READY=1"}) || !r.l.view.Load().Active {
			t.Errorf("told %q", r.notified)
		}
		if _, err := r.l.Reload(t.Context()); !errors.Is(err, errNoFile) {
			t.Errorf("error %v", err)
		}
		r.put(reloadRequest{}) // SIGHUP
		for _, err := range r.edit(add(vip, server(rs1, 1))...) {
			if err != nil {
				t.Error(err)
			}
		}
		r.resolve()
		r.pass(time.Second)
		if len(r.VIPs) != 1 {
			t.Errorf("made up at runtime:\n%s", r.world())
		}
	})
}

// A reload said again what was noted about the file that it replaced, for each
// service, and so hid what was new.
func TestAReloadLogsWhatIsNewAboutTheFile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sticky := strings.Replace(service(vip, rs1), "persistence_timeout 0\n", "", 1)
		r := running(t, sticky)
		before := r.lines("persistence_timeout is absent")
		if before != 1 {
			t.Fatalf("noted %d times at the start:\n%s", before, &r.log)
		}
		r.put(reloadRequest{})
		r.pass(2 * time.Second)
		if n := r.lines("persistence_timeout is absent"); n != 1 {
			t.Errorf("noted %d times after a reload of the same file", n)
		}
		r.file = sticky + strings.Replace(service(other, rs2), "persistence_timeout 0\n", "", 1)
		r.put(reloadRequest{})
		r.pass(2 * time.Second)
		if n := r.lines("persistence_timeout is absent"); n != 2 {
			t.Errorf("noted %d times after a reload with another service:\n%s", n, &r.log)
		}
		r.file += "nonsense\n"
		for want := 1; want <= 2; want++ {
			r.put(reloadRequest{})
			r.pass(2 * time.Second)
			if n := r.lines("keyword=nonsense"); n != want {
				t.Errorf("the error that refuses a reload is logged %d times, want %d", n, want)
			}
		}
		if n := r.lines(`keyword=""`); n != 0 {
			t.Errorf("%d lines have an empty keyword", n)
		}
	})
}
