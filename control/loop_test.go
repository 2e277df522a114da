package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lvsdr/arp"
	"lvsdr/control/actor/actortest"
	"lvsdr/control/api"
	"lvsdr/control/check"
	"lvsdr/control/health"
	"lvsdr/control/hostnet"
	"lvsdr/control/site"
	"lvsdr/dataplane/frame"
)

const (
	vip   = "192.168.1.100"
	other = "192.168.1.101"
	rs1   = "192.168.1.11"
	rs2   = "192.168.1.12"
	rs3   = "10.1.1.1" // on eth1
)

func TestAVIPIsAnnouncedWhenItsServersHaveMACsOrPatienceEnds(t *testing.T) {
	for _, c := range []struct {
		law   string
		known []string // servers that answer after 300 ms
		at    time.Duration
	}{
		{"all servers answer", []string{rs1, rs2}, 300 * time.Millisecond},
		{"one does not", []string{rs1}, neighbourPatience},
		{"none does", nil, neighbourPatience},
	} {
		t.Run(c.law, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, service(vip, rs1, rs2)).start()
				if len(r.VIPs) != 0 || len(r.Received()) != 0 || len(r.NICs) != 1 || len(r.Guards) == 0 || len(r.content()) != 1 {
					t.Errorf("at the start:\n%s", r.world())
				}
				if slices.Contains(r.notified, "READY=1") || r.l.view.Load().Active {
					t.Error("ready before anything is announced")
				}
				r.pass(300 * time.Millisecond)
				for _, a := range c.known {
					r.put(site.Neighbour{Addr: ip(a), Ifindex: eth0.Index, MAC: mac(ip(a))})
				}
				r.pass(c.at - 300*time.Millisecond - 1)
				if announced := len(r.VIPs) == 1; announced != (len(c.known) == 2) {
					t.Errorf("just before %v: announced %v", c.at, announced)
				}
				r.pass(1)
				if len(r.VIPs) != 1 || !slices.Equal(r.Received(), []string{vip + " eth0", vip + " lvsdr-l1"}) {
					t.Errorf("at %v:\n%s", c.at, r.world())
				}
				if !slices.Equal(r.notified, []string{"READY=1"}) || !r.l.view.Load().Active || r.lines("announcing") != 1 {
					t.Errorf("told %q; log:\n%s", r.notified, &r.log)
				}
			})
		})
	}
}

// The way in comes last and goes first.
func TestTheOrderLetsNothingBePromisedThatIsNotThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		both := service(vip, rs1) + service(other, rs2)
		r := newRig(t, service(vip, rs1)).start()
		want := []string{"host.Read", "shield.Set", "director.Change", "interfaces.Set", "ARP.SetTargets", "shield.SetAnswers", "routes.Set", "checks.Set", "redirect.Set", "sync.Set"}
		if !slices.Equal(r.Calls, want) {
			t.Errorf("a start calls %v,\nwant %v", r.Calls, want)
		}
		r.Calls = nil
		r.resolve()
		if want := []string{"director.Change", "redirect.Open", "shield.Set", "interfaces.Set", "redirect.Set", "ARP.SetVIPs"}; !slices.Equal(r.Calls, want) {
			t.Errorf("MAC addresses call %v,\nwant %v", r.Calls, want)
		}
		if _, err := r.reload(both); err != nil {
			t.Fatal(err)
		}
		r.resolve()
		r.Calls = nil
		if _, err := r.reload(service(vip, rs1)); err != nil {
			t.Fatal(err)
		}
		calls := slices.DeleteFunc(r.Calls, func(s string) bool {
			return s == "host.Read" || s == "ARP.SetTargets" || s == "routes.Set" || s == "checks.Set"
		})
		for i, first := range []string{"ARP.SetVIPs", "redirect.Set", "director.Change", "interfaces.Set"} {
			rest := slices.Index(calls, first)
			if rest < 0 || i > 0 && rest == 0 {
				t.Errorf("a VIP that goes calls %v: %s is missing, or too early", calls, first)
			}
		}
		if calls[0] != "ARP.SetVIPs" || calls[len(calls)-1] != "shield.Set" {
			t.Errorf("a VIP that goes calls %v; want the announcement first and the shield last", calls)
		}
	})
}

// What ipvsadm made and changed stays, whatever else happens.
func TestRuntimeEditsOutliveEverythingElse(t *testing.T) {
	file := service(vip, checkedServer(rs1)+" weight 3", checkedServer(rs2), rs3)
	for _, c := range []struct {
		event string
		do    func(r *rig)
		file  string // the service of the file, with what ipvsadm changed
	}{
		{"nothing", func(*rig) {}, " 10.1.1.1*7 192.168.1.12*1 192.168.1.11*3"},
		{"a reload of the same file", func(r *rig) {
			if done, err := r.reload(file); err != nil || len(done.Changes) != 0 {
				r.Errorf("changes %v, error %v", done, err)
			}
		}, " 10.1.1.1*7 192.168.1.12*1 192.168.1.11*3"},
		{"a reload with another weight", func(r *rig) {
			if done, err := r.reload(strings.Replace(file, "weight 3", "weight 5", 1)); err != nil || len(done.Changes) != 1 {
				r.Errorf("changes %v, error %v", done, err)
			}
		}, " 10.1.1.1*7 192.168.1.12*1 192.168.1.11*5"},
		{"a reload that is refused", func(r *rig) {
			if _, err := r.reload("virtual_server {"); err == nil {
				r.Error("it was accepted")
			}
		}, " 10.1.1.1*7 192.168.1.12*1 192.168.1.11*3"},
		{"a server that goes and comes back", func(r *rig) {
			r.check(rs2, false)
			if got := r.content()[0]; strings.Contains(got, rs2) {
				r.Errorf("the dead server is in use: %s", got)
			}
			r.check(rs2, true)
		}, " 192.168.1.12*1 10.1.1.1*7 192.168.1.11*3"},
		{"another MAC address of a server", func(r *rig) {
			r.put(site.Neighbour{Addr: ip(rs1), Ifindex: eth0.Index, MAC: frame.MAC{2, 9}})
			if got := r.Hops[ip(rs1)].MAC; got != (frame.MAC{2, 9}) {
				r.Errorf("the engine sends to %v", got)
			}
		}, " 10.1.1.1*7 192.168.1.12*1 192.168.1.11*3"},
		{"another MAC address of the interface", func(r *rig) {
			changed := eth0
			changed.MAC = frame.MAC{2, 7}
			r.Snapshot = network(changed, eth1)
			r.put(hostChanged{})
			if got := r.VIPs[ip(vip)].MAC; got != changed.MAC {
				r.Errorf("the VIP is announced at %v", got)
			}
			if got := r.Hops[ip(rs1)].Link.MAC; got != changed.MAC {
				r.Errorf("frames leave from %v", got)
			}
		}, " 10.1.1.1*7 192.168.1.12*1 192.168.1.11*3"},
		{"an interface that goes and comes back", func(r *rig) {
			r.Snapshot = network(eth1)
			r.put(hostChanged{})
			if len(r.VIPs) != 0 || len(r.Received()) != 0 || len(r.l.view.Load().Problems) == 0 {
				r.Errorf("without eth0:\n%s%v", r.world(), r.l.view.Load().Problems)
			}
			again := eth0
			again.Index = 12
			r.Snapshot = network(again, eth1)
			r.put(hostChanged{})
			r.resolve()
			if got := r.VIPs[ip(vip)]; got.Ifindex != 12 || len(r.l.view.Load().Problems) != 0 {
				r.Errorf("with eth0 again:\n%s%v", r.world(), r.l.view.Load().Problems)
			}
		}, ""},
		{"somebody flushes the shield", func(r *rig) {
			clear(r.Guards)
			r.put(guardChanged{})
		}, " 10.1.1.1*7 192.168.1.12*1 192.168.1.11*3"},
	} {
		t.Run(c.event, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := running(t, file)
				edits := append(add(other, server(rs1, 2)), site.Edit{Op: site.EditServer, Service: site.Edit{}.Service, Server: server(rs3, 7)})
				edits[len(edits)-1].Service.Key = key(vip)
				for i, err := range r.edit(edits...) {
					if err != nil {
						t.Fatalf("edit %d: %v", i, err)
					}
				}
				r.pass(2 * neighbourPatience)
				c.do(r)
				r.pass(2 * neighbourPatience)
				got := r.content()
				if len(got) != 2 || got[1] != other+": "+rs1+"*2" {
					t.Fatalf("the runtime service has become %q", got)
				}
				if c.file != "" && got[0] != vip+":"+c.file {
					t.Errorf("the file's service is %q, want %q", got[0], c.file)
				}
				if !strings.Contains(got[0], rs3+"*7") {
					t.Errorf("the weight that ipvsadm set is gone: %q", got[0])
				}
				if len(r.Announced()) != 2 || len(r.Guards) != 4 {
					t.Errorf("announced %v, guards %v", r.Announced(), r.Guards)
				}
			})
		})
	}
}

// A scene is a life with all that can happen to a director.
func scene(r *rig) {
	file := service(vip, checkedServer(rs1), checkedServer(rs2))
	r.resolve()
	r.pass(2 * time.Second)
	_ = r.edit(add(other, server(rs2, 2))...)
	r.pass(2 * time.Second)
	r.check(rs1, false)
	r.file = file + service("192.168.1.102", rs3)
	r.put(reloadRequest{})
	r.pass(2 * time.Second)
	r.resolve()
	r.check(rs1, true)
	r.Snapshot = network(eth1)
	r.put(hostChanged{})
	r.put(portsLost{eth0.Index, errors.New("interface is gone")})
	r.pass(time.Second)
	r.Snapshot = network(eth0, eth1)
	r.put(hostChanged{})
	r.resolve()
	r.file = file
	r.put(reloadRequest{})
	r.pass(2 * time.Second)
	r.put(guardChanged{})
	r.put(editRequest{event: site.TimeoutsSet{Timeouts: site.Timeouts{TCP: 60}}, reply: make(chan []error, 1)})
	// By now every part that failed is told its wish again.
	r.pass(5 * time.Minute)
	r.resolve()
	r.pass(5 * time.Minute)
}

// Each call of each actor fails once. Everything comes to where it would be
// without, and the log names the actor.
func TestWhateverFailsOnceTheStateIsReached(t *testing.T) {
	names := map[string]string{"director": "director", "shield": "shield", "interfaces": "interfaces", "routes": "routes of checks",
		"checks": "health checks", "redirect": "clients on this host", "host": "networks of this host",
		"ARP.SetTargets": "ARP for real servers", "ARP.SetVIPs": "ARP for VIPs"}
	var want string
	calls := 1
	for n := -1; n < calls; n++ {
		bubble(t, func(t *testing.T) {
			r := newRig(t, service(vip, checkedServer(rs1), checkedServer(rs2)))
			failed := ""
			r.Fail = func(call string) error {
				if len(r.Calls)-1 == n {
					failed = call
					return errors.New("out of luck")
				}
				return nil
			}
			r.start()
			scene(r)
			got := r.world()
			if n < 0 {
				want, calls = got, len(r.Calls)
				if calls < 30 || len(r.VIPs) != 2 {
					t.Fatalf("%d calls lead to\n%s", calls, got)
				}
				return
			}
			if failed == "" {
				return // the call cannot fail
			}
			if got != want {
				t.Errorf("call %d, %s, fails once:\n%s\nwant\n%s", n, failed, got, want)
			}
			if p := r.l.view.Load().Problems; len(p) != 0 {
				t.Errorf("call %d, %s, fails once: problems %q are left", n, failed, p)
			}
			actor, _, _ := strings.Cut(failed, ".")
			name := names[actor] + names[failed]
			if r.lines(name+": failed") == 0 || r.lines(name+": works again") == 0 || r.lines("out of luck") == 0 {
				t.Errorf("call %d, %s, fails once: the log does not name %q:\n%s", n, failed, name, &r.log)
			}
		})
	}
}

// While an actor fails for good, everything else goes on.
func TestAnActorThatFailsForGoodStopsNoOther(t *testing.T) {
	for _, call := range []string{"routes.Set", "checks.Set", "redirect.Open", "redirect.Set", "ARP.SetTargets", "host.Read"} {
		t.Run(call, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := running(t, service(vip, checkedServer(rs1), rs2))
				r.Fail = func(c string) error {
					if c == call {
						return errors.New("out of luck")
					}
					return nil
				}
				r.put(hostChanged{})
				if _, err := r.reload(service(vip, checkedServer(rs1), rs2) + service(other, checkedServer(rs3))); err != nil {
					t.Fatal(err)
				}
				r.pass(time.Hour)
				if len(r.content()) != 2 || len(r.VIPs) != 2 {
					t.Errorf("\n%s", r.world())
				}
				if n := r.lines("out of luck"); n > 2 {
					t.Errorf("%d lines about it in an hour:\n%s", n, &r.log)
				}
				if p := r.l.view.Load().Problems; len(p) != 1 || !strings.Contains(p[0], "out of luck") {
					t.Errorf("problems %q", p)
				}
			})
		})
	}
}

// A VIP whose guard or port fails is not announced: the host's own stack would
// speak for it. Those that were there before are.
func TestAVIPWithoutGuardOrPortIsNotAnnounced(t *testing.T) {
	for _, call := range []string{"shield.Set", "interfaces.Set"} {
		for _, fresh := range []string{other, "10.0.0.100"} {
			bubble(t, func(t *testing.T) {
				r := running(t, service(vip, rs1))
				r.Fail = func(c string) error {
					if c == call {
						return errors.New("out of luck")
					}
					return nil
				}
				if _, err := r.reload(service(vip, rs1) + service(fresh, rs3)); err != nil {
					t.Fatal(err)
				}
				r.resolve()
				got := r.Announced()
				// The fake refuses the first interface alone.
				if served := slices.Contains(got, ip(fresh)); !slices.Contains(got, ip(vip)) || served != (call == "interfaces.Set" && fresh != other) {
					t.Errorf("%s fails for %s: announced %v", call, fresh, got)
				}
				r.Fail = nil
				r.pass(2 * maxRetry)
				if got := r.Announced(); len(got) != 2 {
					t.Errorf("%s fails no more: announced %v", call, got)
				}
			})
		}
	}
}

func TestAStartWithoutTheRightsFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, service(vip, rs1))
		r.Fail = func(c string) error {
			if c == "shield.Set" {
				return fmt.Errorf("shield: %w (needs CAP_NET_ADMIN)", os.ErrPermission)
			}
			return nil
		}
		first := loaded{}
		first.cfg, _, _ = parse(r.file)
		if err := r.l.run(t.Context(), first, nil); !errors.Is(err, os.ErrPermission) {
			t.Errorf("error %v", err)
		}
	})
}

// An actor hangs: status answers, requests end with their own patience.
func TestAnActorThatHangsStopsNoReader(t *testing.T) {
	for _, call := range []string{"host.Read", "shield.Set", "director.Change", "interfaces.Set", "ARP.SetTargets", "ARP.SetVIPs", "checks.Set", "routes.Set", "redirect.Set"} {
		t.Run(call, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := running(t, service(vip, rs1))
				release := r.Hang(call)
				r.file = service(vip, rs1) + service(other, checkedServer(rs2))
				r.put(hostChanged{})
				r.put(guardChanged{})
				r.put(reloadRequest{})
				r.put(site.Neighbour{Addr: ip(rs1), Ifindex: eth0.Index, MAC: frame.MAC{2, 9}})
				r.pass(2 * neighbourPatience)
				before := r.l.view.Load()
				if before == nil || before.State.Table().Len() == 0 {
					t.Error("there is no view")
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := r.l.Reload(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a reload meanwhile: %v", err)
				}
				release()
				r.pass(10 * time.Second)
				r.resolve()
				r.pass(2 * neighbourPatience)
				if len(r.content()) != 2 || len(r.VIPs) != 2 {
					t.Errorf("when it goes on:\n%s", r.world())
				}
			})
		})
	}
}

func TestATaskThatFailsEndsTheLoop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, service(vip, rs1))
		failed := make(chan error, 1)
		failed <- errors.New("control socket: gone")
		if err := r.l.run(t.Context(), loaded{}, failed); err == nil || err.Error() != "control socket: gone" {
			t.Errorf("error %v", err)
		}
		if _, err := r.l.Reload(t.Context()); !errors.Is(err, errStopping) {
			t.Errorf("a reload after the end: %v", err)
		}
		if _, err := r.l.ask(t.Context(), editRequest{event: site.Admin{}}); !errors.Is(err, errStopping) {
			t.Errorf("an edit after the end: %v", err)
		}
	})
}

// A VIP that has no place waits; all others are served.
func TestWhatHasNoPlaceIsAProblemAndIsTakenUpLater(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, service(vip, rs1)+service("10.0.0.100", rs3))
		r.Snapshot = network(eth0)
		r.start()
		r.resolve()
		r.pass(2 * neighbourPatience)
		if got := r.Announced(); len(got) != 1 || !slices.Contains(r.notified, "READY=1") {
			t.Errorf("announced %v, told %q", got, r.notified)
		}
		if p := r.l.view.Load().Problems; len(p) == 0 || !strings.Contains(strings.Join(p, " "), "10.0.0.100") {
			t.Errorf("problems %q", p)
		}
		r.Snapshot = network(eth0, eth1)
		r.put(hostChanged{})
		r.resolve()
		r.pass(2 * neighbourPatience)
		if got := r.Announced(); len(got) != 2 || len(r.l.view.Load().Problems) != 0 {
			t.Errorf("announced %v, problems %q", got, r.l.view.Load().Problems)
		}
	})
}

// A port that is lost again and again is opened once a second at most.
func TestLostPortsAreNotOpenedInAHotLoop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1))
		r.Calls = nil
		for range 100 {
			r.put(portsLost{eth0.Index, errors.New("receive on eth0: input/output error")})
			r.pass(100 * time.Millisecond)
		}
		n := 0
		for _, c := range r.Calls {
			if c == "interfaces.Set" {
				n++
			}
		}
		if n > 12 {
			t.Errorf("opened %d times in 10 s", n)
		}
		r.pass(2 * maxRetry)
		if len(r.VIPs) != 1 {
			t.Errorf("at the end:\n%s", r.world())
		}
	})
}

func TestNoticesAreLoggedAndPassedOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, checkedServer(rs1)))
		events := r.l.feed.Subscribe("")
		defer events.Close()
		r.check(rs1, false)
		r.check(rs1, true)
		all, err := events.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var kinds []api.EventKind
		for _, e := range all {
			kinds = append(kinds, e.Kind)
		}
		if !slices.Contains(kinds, api.ServerDown) || !slices.Contains(kinds, api.ServerUp) {
			t.Errorf("events %v", kinds)
		}
		if r.lines("real server is down") != 1 || r.lines("real server is up") != 1 || r.lines("connection refused") != 1 {
			t.Errorf("log:\n%s", &r.log)
		}
	})
}

var _ site.Host = (*hostnet.Snapshot)(nil)

// The loop wakes up only for what is due.
func TestTheLoopRestsWhenThereIsNothingToDo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1))
		if rest := r.l.rest(); rest < time.Minute {
			t.Errorf("it rests %v", rest)
		}
		synctest.Wait()
	})
}

func TestTheInterfaceOfClientsOnThisHostIsMadeAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1))
		if text := r.l.view.Load().Local; text != "served" {
			t.Errorf("clients on this host: %q", text)
		}
		r.put(portsLost{actortest.Near.Index, errors.New("interface is gone")})
		if text := r.l.view.Load().Local; !strings.Contains(text, "interface is gone") || len(r.Redirects) != 0 || len(r.VIPs) != 1 {
			t.Errorf("without their interface: %q\n%s", text, r.world())
		}
		if r.lines("--local-clients=false") != 1 {
			t.Errorf("log:\n%s", &r.log)
		}
		r.pass(time.Second)
		if text := r.l.view.Load().Local; text != "served" || len(r.Redirects) != 1 {
			t.Errorf("a second later: %q\n%s", text, r.world())
		}
	})
}

// Rules for clients on this host that somebody removed stayed away, while the
// status said "served".
func TestRulesForClientsOnThisHostAreRestored(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1))
		want := slices.Clone(r.Redirects)
		r.Redirects = nil
		r.put(redirectChanged{})
		if len(want) != 1 || !reflect.DeepEqual(r.Redirects, want) {
			t.Errorf("redirected %v, want %v", r.Redirects, want)
		}
		if text := r.l.view.Load().Local; text != "served" || len(r.VIPs) != 1 {
			t.Errorf("clients on this host: %q\n%s", text, r.world())
		}
		r.Fail = func(call string) error {
			if call == "redirect.Set" {
				return errors.New("no luck")
			}
			return nil
		}
		r.Redirects = nil
		r.put(redirectChanged{})
		if text := r.l.view.Load().Local; text == "served" || r.l.view.Load().Problems == nil {
			t.Errorf("what is not restored is said to be %q", text)
		}
		r.Fail = nil
		r.pass(5 * time.Second)
		if text := r.l.view.Load().Local; text != "served" || !reflect.DeepEqual(r.Redirects, want) {
			t.Errorf("a moment later: %q, %v", text, r.Redirects)
		}
	})
}

// An attempt that this host could not make says nothing about the server.
func TestACheckThatCouldNotBeMadeChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, checkedServer(rs1)))
		id := r.l.state.Checks()[0].ID
		r.l.checked(check.Change{ID: id, Result: check.Result{Err: fmt.Errorf("%w: no route", check.ErrNotMade)}})
		synctest.Wait()
		if got := r.content()[0]; got != vip+": "+rs1+"*1" {
			t.Errorf("the service is %q", got)
		}
	})
}

// A check that went with its server and came back runs on as it was, and does not
// tell what it has told before.
func TestACheckThatRunsOnIsTakenAsItIs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		file := service(vip, checkedServer(rs1), rs2)
		r := running(t, file)
		id := r.l.state.Checks()[0].ID
		r.States = map[string]check.State{id: {ID: id, Up: false, LastError: "connection refused"}}
		if _, err := r.reload(service(vip, rs2)); err != nil {
			t.Fatal(err)
		}
		if _, err := r.reload(file); err != nil {
			t.Fatal(err)
		}
		if got := r.content()[0]; got != vip+": "+rs2+"*1" {
			t.Errorf("the service is %q", got)
		}
		r.check(rs1, true)
		if got := r.content()[0]; !strings.Contains(got, rs1) {
			t.Errorf("when it is up again: %q", got)
		}
	})
}

// The weight that such a check gave its server was told before, too.
func TestAWeightOfACheckThatRunsOnIsTakenAsItIs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		file := service(vip, checkedServer(rs1), rs2)
		r := running(t, file)
		id := r.l.state.Checks()[0].ID
		set := func(n int) health.Weight { return health.Weight{Kind: health.SetWeight, N: n} }
		r.l.checked(check.Change{ID: id, Up: true, Result: check.Result{Weight: set(9)}})
		synctest.Wait()
		if got := r.content()[0]; !strings.Contains(got, rs1+"*9") {
			t.Fatalf("the service is %q", got)
		}
		r.States = map[string]check.State{id: {ID: id, Up: true, Weight: set(9)}}
		for _, text := range []string{service(vip, rs2), file} {
			if _, err := r.reload(text); err != nil {
				t.Fatal(err)
			}
		}
		if got := r.content()[0]; !strings.Contains(got, rs1+"*9") {
			t.Errorf("after the reloads the service is %q", got)
		}
	})
}

// A site of thousands writes some lines about what happens to all of it, and how
// many they would have been.
func TestTheLogOfALargeSiteStaysReadable(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var file strings.Builder
		for i := range 100 {
			file.WriteString(service(fmt.Sprintf("192.168.1.%d", 100+i), fmt.Sprintf("10.1.1.%d", i+1)))
		}
		r := newRig(t, file.String()).start()
		release := r.Hang("host.Read") // all events come at once
		r.put(hostChanged{})
		for i := range 100 {
			e := arp.Event{Kind: arp.RealServerLost, Text: fmt.Sprintf("real server 10.1.1.%d has no MAC", i+1)}
			r.l.box.put(eventKey(e.Text), e)
		}
		release()
		synctest.Wait()
		r.pass(neighbourPatience)
		r.Snapshot = network(eth0)
		r.put(hostChanged{})
		r.Snapshot = network(eth0, eth1)
		r.put(hostChanged{})
		for _, c := range []struct {
			words string
			lines int
		}{
			{"keyword=persistence_timeout", maxLines}, {"80 more notes about the file", 1},
			{"has no MAC", maxLines}, {"80 more such events", 1},
			{"msg=announcing vip", maxLines}, {"announcing 80 more VIPs", 1},
			{"is left out", 2 * maxLines}, {"80 more problems", 1}, {"80 more are solved", 1},
		} {
			if n := r.lines(c.words); n != c.lines {
				t.Errorf("%d lines with %q, want %d", n, c.words, c.lines)
			}
		}
	})
}
