package control

import (
	"strings"
	"testing"

	"lvsdr/dataplane"
)

func TestTunablesAreTheDefaultsWithSomeReplaced(t *testing.T) {
	want := dataplane.DefaultTunables()
	if got, err := Tunables(nil); err != nil || got != want {
		t.Errorf("nothing replaced: %+v, %v; want the defaults", got, err)
	}
	if err := want.Set("sloppy_tcp", "1"); err != nil {
		t.Fatal(err)
	}
	if got, err := Tunables(map[string]string{"sloppy_tcp": "1"}); err != nil || got != want {
		t.Errorf("sloppy_tcp=1: %+v, %v; want %+v", got, err, want)
	}
	if _, err := Tunables(map[string]string{"sloppy": "1"}); err == nil || !strings.Contains(err.Error(), "sloppy") {
		t.Errorf("an unknown tunable: error %v, want one that names it", err)
	}
}
