package control

import (
	"fmt"

	"lvsdr/conntrack"
	"lvsdr/control/actor"
	"lvsdr/control/site"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

var _ actor.Engine = (*engine)(nil)

// An engine is the actor.Engine over a director.
type engine struct {
	director *dataplane.Director
	now      func() int64 // its clock
}

// Change implements actor.Engine. The director publishes the changes as one and lets
// its workers in between edits.
func (e *engine) Change(c actor.Change) []error {
	if c.Keep != nil {
		e.director.SetVIPs(c.Keep)
	}
	var errs []error
	e.director.Edit(e.now(), func(tx *dataplane.Tx) {
		for _, h := range c.Hops {
			link := dataplane.Link{Index: int32(h.Link.Index), MAC: h.Link.MAC, MTU: h.Link.MTU, Source: frame.AddrFrom(h.Source)}
			if h.Local && h.Link.Index != 0 {
				tx.SetLocal(frame.AddrFrom(h.Addr), h.MAC, link)
			} else {
				tx.SetNeighbour(frame.AddrFrom(h.Addr), h.MAC, link)
			}
		}
		for i := range c.Edits {
			if err := edit(tx, &c.Edits[i]); err != nil {
				if errs == nil {
					errs = make([]error, len(c.Edits))
				}
				errs[i] = err
			}
		}
		if c.Own != nil {
			tx.SetVIPs(c.Own)
		}
		if c.Marks != nil {
			tx.SetMarks(*c.Marks)
		}
		if c.Martians != nil {
			tx.SetMartians(c.Martians)
		}
		if c.Interfaces != nil {
			tx.SetInterfaces(c.Interfaces)
		}
	})
	if c.Timeouts != nil {
		e.setTimeouts(*c.Timeouts)
	}
	return errs
}

// edit makes one edit.
func edit(tx *dataplane.Tx, e *site.Edit) error {
	k := e.Service.Key
	switch e.Op {
	case site.AddService:
		return tx.AddService(e.Service)
	case site.EditService:
		return tx.EditService(e.Service)
	case site.DelService:
		return tx.DelService(k)
	case site.AddServer:
		return tx.AddServer(k, e.Server)
	case site.EditServer:
		return tx.EditServer(k, e.Server)
	case site.DelServer:
		return tx.DelServer(k, e.Server.Addr, e.Server.Port)
	}
	return fmt.Errorf("%v: not an edit of a director", e.Op)
}

// setTimeouts puts t in force, and the defaults where it says nothing, whatever
// was in force before.
func (e *engine) setTimeouts(t site.Timeouts) {
	all := conntrack.DefaultTimeouts()
	all.Set(t.TCP, t.TCPFin, t.UDP)
	e.director.SetTimeouts(all.TCP[conntrack.Established], all.TCP[conntrack.FinWait], all.UDP)
}
