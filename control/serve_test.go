package control

import (
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lvsdr/control/shield"
	"lvsdr/control/site"
)

// What forwards frames comes first at a start; what does not waits for the MAC addresses for a
// moment, and no longer.
func TestAStartServesBeforeEverythingElse(t *testing.T) {
	needed := []string{"host.Read", "shield.Set", "director.Change", "interfaces.Set", "ARP.SetTargets"}
	for _, c := range []struct {
		name    string
		answers func(r *rig) // of real servers, while the loop waits for them
		calls   []string     // those that follow
	}{
		{"all answer", func(r *rig) { r.resolve() },
			[]string{"director.Change", "director.Change", "director.Change", "redirect.Open", "shield.Set", "shield.SetAnswers", "interfaces.Set", "routes.Set", "checks.Set"}},
		{"one answers", func(r *rig) {
			r.put(site.Neighbour{Addr: r.Targets[0].IP, Ifindex: int(r.Targets[0].Ifindex), MAC: mac(r.Targets[0].IP)})
			if len(r.Calls) != len(needed)+1 {
				t.Errorf("while another answer is missing: %v", r.Calls)
			}
			r.pass(answerPatience)
		}, []string{"director.Change", "shield.SetAnswers", "routes.Set", "checks.Set"}},
		{"none answers", func(r *rig) { r.pass(answerPatience) }, []string{"shield.SetAnswers", "routes.Set", "checks.Set"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, service(vip, rs1, rs2))
				r.l.patience = answerPatience
				served := 0
				r.l.served = func() { served++ }
				r.start()
				if !slices.Equal(r.Calls, needed) || served != 0 || len(r.notified) != 0 {
					t.Errorf("before the answers: calls %v, served %d, told %q; want %v alone", r.Calls, served, r.notified, needed)
				}
				c.answers(r)
				if got := r.Calls[len(needed):]; len(got) < len(c.calls) || !slices.Equal(got[:len(c.calls)], c.calls) {
					t.Errorf("then it calls %v,\nwant first %v", got, c.calls)
				}
				if served != 1 {
					t.Errorf("served is called %d times", served)
				}
			})
		})
	}
}

// An end that is asked for while the answers are waited for ends the loop at once.
func TestAStartThatWaitsForAnswersMayEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, service(vip, rs1))
		r.l.patience = time.Hour
		r.start()
		began := time.Now()
		if err := r.stop(); err != nil || time.Since(began) != 0 {
			t.Errorf("it ends with %v after %v", err, time.Since(began))
		}
	})
}

// A director without real servers to be found, and one without a file, wait for no answers.
func TestAStartWithNothingToFindDoesNotWait(t *testing.T) {
	for _, file := range []string{"", service(vip)} {
		bubble(t, func(t *testing.T) {
			r := newRig(t, file)
			r.l.patience = time.Hour
			served := false
			r.l.served = func() { served = true }
			r.start()
			synctest.Wait()
			if !served {
				t.Errorf("a start with the file %q waits", file)
			}
		})
	}
}

// The garbage collector is as before when the start is over, and a user's own setting is left
// alone.
func TestTheCollectorRunsSeldomDuringAStartOnly(t *testing.T) {
	set := func() int {
		n := debug.SetGCPercent(100)
		debug.SetGCPercent(n)
		return n
	}
	usual := set()
	t.Setenv("GOGC", "")
	if err := os.Unsetenv("GOGC"); err != nil { // t sets it back
		t.Fatal(err)
	}
	over := collectSeldom()
	if got := set(); got != startGC {
		t.Errorf("during the start GOGC is %d, want %d", got, startGC)
	}
	over()
	if got := set(); got != usual {
		t.Errorf("after the start GOGC is %d, before it was %d", got, usual)
	}
	t.Setenv("GOGC", "50")
	over = collectSeldom()
	if got := set(); got != usual {
		t.Errorf("with a setting of the user it is %d, want %d", got, usual)
	}
	over()
}

// What the first State does not serve is a problem from the first moment, though the actors were told of the State before.
func TestAProblemOfTheFirstStateIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, "virtual_server fwmark 8 {\n lb_algo rr\n lb_kind DR\n protocol TCP\n real_server "+rs1+" 0 {\n }\n}\n")
		r.start()
		r.resolve()
		if p := r.l.view.Load().Problems; len(p) != 1 || !strings.Contains(p[0], "FWM 8 of IPv4 gets no packets") {
			t.Errorf("problems %q", p)
		}
	})
}

// What a process before has hidden stays so until frames are served: removing the rest costs time.
func TestAStartRemovesNoGuardBeforeItServes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, service(vip, rs1))
		old := shield.Guard{VIP: netip.MustParseAddr(other), Interface: "eth0"}
		r.Guards[old] = true
		stood := false
		r.Fail = func(call string) error {
			if call == "interfaces.Set" && !stood {
				stood = r.Guards[old] && len(r.Guards) == 2
			}
			return nil
		}
		r.start()
		if !stood || r.Guards[old] || len(r.Guards) != 1 {
			t.Errorf("at the first port all guards stood: %v; after the start %v", stood, r.Guards)
		}
	})
}

// The host is kept from answers of servers that NAT reaches before any can come.
func TestWithNATAStartKeepsTheHostFromAnswersFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, natFile(rs1+" 8080")).start()
		if guard, ports := slices.Index(r.Calls, "shield.SetAnswers"), slices.Index(r.Calls, "interfaces.Set"); guard < 0 || ports < guard {
			t.Errorf("a start calls %v", r.Calls)
		}
	})
}
