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
func (k *Keeper) Status(o Options) (*Status, error) {
	what := func(err error) error { return fmt.Errorf("look at real server %s: %w", o.VIP, err) }
	if err := o.Check(); err != nil {
		return nil, what(err)
	}
	st := &Status{VIP: o.VIP}
	rec, note, err := k.own(o.VIP)
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
		o.Balance, o.Interface, o.Source = rec.Balance, rec.Interface, rec.Source
	}
	o, ws, err := k.wanted(o)
	if err != nil {
		return nil, what(err)
	}
	wrong := k.misplaced(o.VIP)
	if wrong != nil {
		st.Notes = append(st.Notes, wrong.Error())
	}
	found, err := k.host.values(itemsOf(ws))
	if err != nil {
		return nil, what(err)
	}
	for _, w := range ws {
		c, ours := find(own, w.item)
		st.Items = append(st.Items, State{
			Item: w.item.String(), OK: w.satisfied(found[w.item]), Is: found[w.item], Want: w.value, Ours: ours, Was: c.Was,
		})
	}
	st.InPlace = wrong == nil && !slices.ContainsFunc(st.Items, func(s State) bool { return !s.OK })
	return st, nil
}
