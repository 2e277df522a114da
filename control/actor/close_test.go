package actor_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"lvsdr/control/actor"
	"lvsdr/control/actor/actortest"
)

// What was promised last is taken back first, and one that fails keeps no other
// from ending. The commands of notifications have time when all else is done.
func TestTheEndTakesBackWhatWasPromisedLastFirst(t *testing.T) {
	want := []string{"ARP.SetVIPs", "sync.Close", "redirect.Close", "checks.Close", "interfaces.Close", "routes.Close", "shield.Close(false)", "notifier.Close"}
	for _, fails := range append([]string{""}, want...) {
		f := actortest.New(nil)
		f.Fail = func(call string) error {
			if call == fails {
				return errors.New("out of luck")
			}
			return nil
		}
		all := f.Actors()
		err := all.Close(false)
		if !slices.Equal(f.Calls, want) {
			t.Errorf("%q fails: calls %v", fails, f.Calls)
		}
		if told := err != nil && strings.Contains(err.Error(), "out of luck"); told != (fails != "" && fails != "checks.Close" && fails != "notifier.Close") {
			t.Errorf("%q fails: error %v", fails, err)
		}
	}
}

func TestAnEndBeforeTheStartLeavesTheHostAlone(t *testing.T) {
	f := actortest.New(nil)
	all := f.Actors()
	if err := all.Close(true); err != nil || !slices.Contains(f.Calls, "shield.Close(true)") {
		t.Errorf("calls %v, error %v", f.Calls, err)
	}
	if err := new(actor.All).Close(true); err != nil {
		t.Error(fmt.Errorf("without actors: %w", err))
	}
}
