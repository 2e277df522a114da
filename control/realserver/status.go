package realserver

import (
	"fmt"
	"net/netip"
	"slices"
)

// A Status is how far a host is a real server.
type Status struct {
	VIP     netip.Addr `json:"vip"`
	InPlace bool       `json:"in_place"`
	Notes   []string   `json:"notes,omitempty"`
	Items   []State    `json:"items"`
}

// A State is one item of a real server.
type State struct {
	Item string `json:"item"`
	OK   bool   `json:"ok"`
	Is   string `json:"is"`
	Want string `json:"want"`
	// Ours says that start has set it; Was is then what it found.
	Ours bool   `json:"ours"`
	Was  string `json:"was,omitempty"`
}

// Status compares the host with o and with what was asked for in recorded
// starts. It changes nothing.
func (h *Host) Status(o Options) (*Status, error) {
	failed := func(err error) error { return fmt.Errorf("look at real server %s: %w", o.VIP, err) }
	if err := o.Check(); err != nil {
		return nil, failed(err)
	}
	st := &Status{VIP: o.VIP}
	rec, note, err := h.own(o.VIP)
	if err != nil {
		note = err.Error()
	}
	if note != "" {
		st.Notes = append(st.Notes, note)
	}
	var own []change
	if rec != nil {
		own = rec.Changes
		rec.ask(o)
		o.Balance, o.Interface, o.Source, o.Tunnels = rec.Balance, rec.Interface, rec.Source, rec.Tunnels
	}
	v, err := h.kernel.look()
	if err != nil {
		return nil, failed(err)
	}
	o, gs, err := h.desired(o, v)
	if err != nil {
		return nil, failed(err)
	}
	wrong := v.misplaced(o.VIP)
	if wrong != nil {
		st.Notes = append(st.Notes, wrong.Error())
	}
	found, err := h.kernel.values(itemsOf(gs))
	if err != nil {
		return nil, failed(err)
	}
	for _, g := range gs {
		c, ours := find(own, g.item)
		st.Items = append(st.Items, State{
			Item: g.item.String(), OK: g.satisfied(found[g.item]), Is: found[g.item], Want: g.value, Ours: ours, Was: c.Was,
		})
	}
	st.InPlace = wrong == nil && !slices.ContainsFunc(st.Items, func(s State) bool { return !s.OK })
	return st, nil
}
