package realserver

import (
	"cmp"
	"slices"
)

// A change is an entry of a record: an item as it was found before the first
// start, and as start set it.
type change struct {
	Item Item   `json:"item"`
	Was  string `json:"was"`
	Is   string `json:"is"`
}

// A step is the plan for an item. With a result other than Set nothing is
// done.
type step struct {
	item   Item
	result Result
	was    string // as found
	is     string // as it is to be
	before string // for LeftAlone: as it was before the first start
}

// find finds the entry for an item.
func find(record []change, i Item) (change, bool) {
	k := slices.IndexFunc(record, func(c change) bool { return c.Item == i })
	if k < 0 {
		return change{}, false
	}
	return record[k], true
}

// planStart decides what start does, and what own, the VIP's record, is to be
// before it is done. found has the item of every goal; others are the entries of
// other VIPs' records. If one of them has the item, its Was is the value before
// the first start; the present value was set by a start.
func planStart(goals []goal, found map[Item]string, own, others []change) (steps []step, record []change) {
	record = slices.Clone(own)
	for _, g := range goals {
		value := found[g.item]
		s := step{item: g.item, result: AlreadySo, was: value, is: value}
		if !g.satisfied(value) {
			s.result, s.is = Set, g.value
		}
		steps = append(steps, s)
		_, mine := find(own, g.item)
		shared, theirs := find(others, g.item)
		switch {
		case mine:
		case theirs:
			record = append(record, shared)
		case s.result == Set:
			record = append(record, change{Item: g.item, Was: value, Is: g.value})
		}
	}
	// Stop goes through it backwards.
	slices.SortStableFunc(record, func(a, b change) int { return cmp.Compare(rank(a), rank(b)) })
	return steps, record
}

// rank is the place of a change in the order of goals.
func rank(c change) int {
	switch {
	case ofTunnelDevice(c.Item.Sysctl):
		return 2
	case c.Item.Sysctl != "":
		return 0
	case c.Item.Device.Name != "":
		return 1
	case c.Item.GUE.Port != 0:
		return 3
	case c.Item.Address.IsValid():
		return 4
	case c.Item.Route.To.IsValid():
		return 5
	case c.Is == Present:
		return 6
	}
	return 7 // a rule that is in the way
}

// planStop decides what stop does about each entry of a VIP's record.
func planStop(own []change, found map[Item]string, others []change) []step {
	var steps []step
	for _, c := range slices.Backward(own) {
		value := found[c.Item]
		s := step{item: c.Item, was: value, is: value, before: c.Was}
		_, shared := find(others, c.Item)
		switch {
		case shared:
			s.result = Kept
		case value == c.Was:
			s.result = AlreadySo
		case value != c.Is:
			s.result = LeftAlone
		default:
			s.result, s.is = Set, c.Was
		}
		steps = append(steps, s)
	}
	return steps
}
