package control

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/dataplane/frame"
)

// sources are addresses as the engine is told them.
func sources(all ...string) []frame.Addr {
	var out []frame.Addr
	for _, a := range all {
		out = append(out, frame.AddrFrom(ip(a)))
	}
	return out
}

// The director knows from which addresses nothing of another host can come, from the
// start on and when an address comes or goes; it is told of changes only.
func TestTheDirectorKnowsTheHostsAddresses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service("192.168.1.100", "192.168.1.11"))
		want := sources("10.0.0.0", "10.0.0.10", "10.255.255.255", "192.168.1.0", "192.168.1.10", "192.168.1.255")
		if !slices.Equal(r.Martians, want) {
			t.Errorf("at the start: %v, want %v", r.Martians, want)
		}
		again := network(eth0, eth1)
		again.Addrs = slices.Clone(again.Addrs)
		r.Calls = nil
		r.Snapshot = again
		r.put(hostChanged{})
		if slices.Contains(r.Calls, "director.Change") {
			t.Errorf("told again, though no address has changed: %v", r.Calls)
		}
		more := network(eth0)
		more.Addrs[0].Prefix = more.Addrs[0].Prefix.Masked()
		r.Snapshot = more
		r.put(hostChanged{})
		if want := sources("192.168.1.0", "192.168.1.255"); !slices.Equal(r.Martians, want) {
			t.Errorf("then: %v, want %v", r.Martians, want)
		}
	})
}

// Where the director could not be told it is told later.
func TestTheDirectorIsToldTheHostsAddressesAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, service("192.168.1.100", "192.168.1.11"))
		failing := true
		r.Fail = func(call string) error {
			if failing && strings.HasPrefix(call, "host.Read") {
				return errors.New("no answer")
			}
			return nil
		}
		r.start()
		if len(r.Martians) != 0 {
			t.Errorf("told %v of a host that is not known", r.Martians)
		}
		failing = false
		r.pass(time.Minute)
		if len(r.Martians) != 6 {
			t.Errorf("told %v", r.Martians)
		}
	})
}
