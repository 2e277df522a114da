package actor_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lvsdr/control/actor"
	"lvsdr/control/actor/actortest"
)

// What was promised last is taken back first, and one that fails keeps no other
// from ending. The commands of notifications have time when all else is done.
func TestTheEndTakesBackWhatWasPromisedLastFirst(t *testing.T) {
	want := []string{"ARP.SetVIPs", "routing.Close", "addresses.Close", "VRRP.Close", "trackers.Close", "redirect.Close", "checks.Close", "interfaces.Close", "sync.Close", "routes.Close", "shield.Close(false)", "notifier.Close"}
	for _, fails := range append([]string{""}, want...) {
		f := actortest.New(nil)
		f.Fail = func(call string) error {
			if call == fails {
				return errors.New("out of luck")
			}
			return nil
		}
		all := f.Actors()
		err := all.Close(false, 0)
		if !slices.Equal(f.Calls, want) {
			t.Errorf("%q fails: calls %v", fails, f.Calls)
		}
		if told := err != nil && strings.Contains(err.Error(), "out of luck"); told != (fails != "" && fails != "checks.Close" && fails != "trackers.Close" && fails != "notifier.Close") {
			t.Errorf("%q fails: error %v", fails, err)
		}
	}
}

func TestAnEndBeforeTheStartLeavesTheHostAlone(t *testing.T) {
	f := actortest.New(nil)
	all := f.Actors()
	if err := all.Close(true, 0); err != nil || !slices.Contains(f.Calls, "shield.Close(true)") {
		t.Errorf("calls %v, error %v", f.Calls, err)
	}
	if err := new(actor.All).Close(true, 0); err != nil {
		t.Error(fmt.Errorf("without actors: %w", err))
	}
}

// What VRRP gave up is still forwarded until another host has it: the ports stay open for
// the longest wait of a backup, and nothing is answered for meanwhile.
func TestThePortsOutliveWhatVRRPGaveUp(t *testing.T) {
	for _, linger := range []time.Duration{0, 300 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			f := actortest.New(nil)
			start, at := time.Now(), map[string]time.Duration{}
			f.Fail = func(call string) error {
				at[call] = time.Since(start)
				return nil
			}
			all := f.Actors()
			if err := all.Close(false, linger); err != nil {
				t.Fatal(err)
			}
			for call, want := range map[string]time.Duration{"ARP.SetVIPs": 0, "VRRP.Close": 0, "interfaces.Close": linger, "shield.Close(false)": linger} {
				if at[call] != want {
					t.Errorf("linger %v: %s is called at %v, want %v", linger, call, at[call], want)
				}
			}
		})
	}
}
