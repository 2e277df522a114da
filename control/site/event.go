package site

import (
	"bytes"
	"cmp"
	"errors"
	"net/netip"
	"time"

	"lvsdr/control/health"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// An Event is something that happened. The events are the types of this file.
// Their times are durations since one moment, the same for all.
type Event interface {
	apply(*State) ([]Notice, error)
}

// Loaded says that a configuration was read and is to be put in force.
type Loaded struct {
	Config *keepalived.Config // not changed afterwards
	Host   Host
	At     time.Duration
}

// HostChanged says that the networks of the host may be others now.
type HostChanged struct{ Host Host }

// Checked is the news of a check. An attempt that could not be made is none. A
// check that is not one of State.Checks changes nothing.
type Checked struct {
	ID     string
	Result health.Result
	Now    time.Duration
}

// Counted says what servers were sent, as counted since some moment: of those services that
// State.Watched gives. One that it does not name was sent nothing.
type Counted struct {
	SYNs map[ServerOf]health.SYNs
	Now  time.Duration
}

// A ServerOf names a real server of a service.
type ServerOf struct {
	Service dataplane.ServiceKey
	Addr    frame.Addr
	Port    uint16
}

// Compare is for tree.Map.
func (k ServerOf) Compare(o ServerOf) int {
	return cmp.Or(key(k.Service).Compare(key(o.Service)), bytes.Compare(k.Addr[:], o.Addr[:]), cmp.Compare(k.Port, o.Port))
}

// Admin asks for edits on behalf of ipvsadm, in order. One that is refused changes
// nothing, and the others are done: then the error is of type Refusals.
type Admin struct{ Edits []Edit }

// Refusals are one error for each edit of an Admin; nil: it was done.
type Refusals []error

// Error joins the refusals.
func (r Refusals) Error() string { return errors.Join(r...).Error() }

// Unwrap are the refusals.
func (r Refusals) Unwrap() []error { return r }

// TimeoutsSet changes timeouts as ipvsadm --set does: those that are 0 stay.
type TimeoutsSet struct{ Timeouts }

// Timeouts are how long idle connections are kept, in seconds; 0 is the default
// of IPVS.
type Timeouts struct{ TCP, TCPFin, UDP int }

// Neighbour says which MAC address a real server has on an interface; zero:
// none that can be used.
type Neighbour struct {
	Addr    netip.Addr
	Ifindex int
	MAC     frame.MAC
}

// Activate makes a VIP active, or no more. The zero VIP means all that have a
// place now. One without a place is not active, and is not when it gets one.
type Activate struct {
	VIP    netip.Addr
	Active bool
}

// Tick says how late it is. It is due when State.NextTick says so.
type Tick struct{ Now time.Duration }
