package rtnl_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/control/rtnl"
)

func TestDumpRepeatsWhatWasInterrupted(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		interruptions int
		err, want     error
		calls         int
	}{
		{0, nil, nil, 1},
		{3, nil, nil, 4},
		{99, nil, netlink.ErrDumpInterrupted, 11},
		{0, broken, broken, 1},
		{1, fmt.Errorf("list: %w", unix.EAFNOSUPPORT), nil, 2},
	} {
		calls := 0
		_, err := rtnl.Dump(func() ([]int, error) {
			if calls++; calls <= c.interruptions {
				return nil, netlink.ErrDumpInterrupted
			}
			return []int{calls}, c.err
		})
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || calls != c.calls {
			t.Errorf("%+v: %v after %d calls", c, err, calls)
		}
	}
}
