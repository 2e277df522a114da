package control

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lvsdr/arp"
	"lvsdr/control/neighbour"
)

// A director is ready when other hosts were looked for, not before.
func TestADirectorIsReadyWhenItsVIPsAreLookedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, service(vip, rs1))
		r.Looked = 1
		r.start()
		r.resolve()
		r.pass(10 * time.Second)
		if len(r.VIPs) != 1 || slices.Contains(r.notified, "READY=1") || r.l.view.Load().Active {
			t.Errorf("told %q while the VIP is looked for\n%s", r.notified, r.world())
		}
		r.Looked = 0
		r.pass(lookEvery)
		if !slices.Contains(r.notified, "READY=1") || !r.l.view.Load().Active {
			t.Errorf("told %q when nothing was found", r.notified)
		}
	})
}

func TestALookThatIsOverCostsNothingMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1))
		if rest := r.l.rest(); rest < time.Minute {
			t.Errorf("the loop wakes after %v without a reason", rest)
		}
		r.Looked = 1
		r.put(hostChanged{})
		if rest := r.l.rest(); rest > lookEvery {
			t.Errorf("the loop wakes after %v while VIPs are looked for", rest)
		}
	})
}

// A VIP that another host has is a problem that the status names, until it is not.
func TestAVIPThatAnotherHostHasIsAProblem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1))
		r.Held = []arp.Holder{{VIP: ip(vip), Ifindex: int32(eth0.Index), MAC: mac(ip(rs2))}}
		r.put(arp.Event{Kind: arp.VIPHeld, VIP: ip(vip), Text: "another host has it"})
		want := "VIP " + vip + " is not announced: " + mac(ip(rs2)).String() + " has it (--force announces it all the same)"
		if got := r.l.view.Load().Problems; !slices.Contains(got, want) {
			t.Errorf("problems %q, want %q", got, want)
		}
		if !strings.Contains(r.log.String(), "another host has it") {
			t.Errorf("log:\n%s", &r.log)
		}
		r.Held = nil
		r.put(arp.Event{Kind: arp.VIPFree, VIP: ip(vip), Text: "it is free"})
		if got := r.l.view.Load().Problems; slices.Contains(got, want) {
			t.Errorf("problems %q after it is free", got)
		}
	})
}

// A neighbour entry that was set back is a line, with how often it was; many of them are
// bounded as other events of neighbours are.
func TestNeighbourEntriesThatWereSetBackAreLogged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1))
		e := neighbour.Event{Place: neighbour.Place{Link: eth0.Index, Addr: ip(rs1)}, Was: mac(ip(rs2)), MAC: mac(ip(rs1)), Times: 7}
		r.put(e)
		if want := fmt.Sprintf("level=WARN msg=%q event=neighbour-set-back times=7", e.Text()); r.lines(want) != 1 {
			t.Errorf("no line %s in:\n%s", want, &r.log)
		}
		e.Times, e.Err = 0, os.ErrPermission
		r.put(e)
		if r.lines("event=neighbour-not-set error=\"permission denied\"") != 1 {
			t.Errorf("log:\n%s", &r.log)
		}
		e.Times, e.Err = 1, nil
		release := r.Hang("host.Read")
		r.put(hostChanged{})
		for range maxLines + 5 {
			r.l.box.put(nil, e)
		}
		release()
		synctest.Wait()
		if r.lines("event=neighbour-set-back times=1") != maxLines || r.lines("5 more such events") != 1 {
			t.Errorf("log:\n%s", &r.log)
		}
	})
}

// `lvsdr reload` says that it is done when a new VIP is announced.
func TestAReloadWaitsForTheLook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1))
		r.file = service(vip, rs1) + service(other, rs1)
		r.Looked = 1
		reply := make(chan reloaded, 1)
		r.put(reloadRequest{reply})
		r.pass(lookEvery)
		if len(reply) != 0 {
			t.Error("the reload is over while the new VIP is looked for")
		}
		r.Looked = 0
		r.pass(lookEvery)
		if len(reply) != 1 {
			t.Error("the reload is not over though nothing was found")
		}
	})
}
