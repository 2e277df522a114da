package scheduler_test

import (
	"fmt"
	"slices"

	"lvsdr/scheduler"
)

// Servers enter at the head of the list, and wrr's first pass is one each.
func Example() {
	s, err := scheduler.New("wrr", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	var dests []*scheduler.Dest
	for i, weight := range []int{1, 3} {
		d := &scheduler.Dest{Addr: [16]byte{10: 0xff, 11: 0xff, 12: 10, 15: byte(1 + i)}, Weight: weight}
		dests = slices.Insert(dests, 0, d)
		s.Update(dests, scheduler.Added, 0)
	}
	for range 6 {
		i := s.Pick(dests, &scheduler.Flow{})
		fmt.Print(" 10.0.0.", dests[i].Addr[15])
	}
	// Output: 10.0.0.2 10.0.0.1 10.0.0.2 10.0.0.2 10.0.0.2 10.0.0.1
}
