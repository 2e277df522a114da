package lesson

import (
	"context"
	"fmt"

	"lvsdr/bench/netlab"
)

// introduce says who has the VIP.
func (s *demo) introduce(ctx context.Context) error {
	if s.Second == nil {
		fmt.Fprintf(s.out, "\nThe director does not have the VIP: it answers ARP for it, and no port\nis open on it.%s\n", s.servers())
		return nil
	}
	master, err := s.Master(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "\nVRRP decides which of the two directors takes what is sent to the VIP; the master\nis %s now. "+
		"Neither has the VIP: the master answers ARP for it, the other is\nsilent, and no port is open on either.\n", s.HostOf(master).Name())
	return nil
}

// servers says how real servers get packets, where it is not by Direct Routing.
func (s *demo) servers() string {
	switch s.Spec.Method {
	case netlab.NAT:
		return "\nReal servers do not have it either: the director translates addresses (NAT)."
	case netlab.TUN:
		return fmt.Sprintf("\nReal servers have it on %s, where the packets come out of the tunnel.", s.Servers[0].Tunnel)
	}
	return ""
}

// connections are how many each director that runs has had.
func (s *demo) connections(ctx context.Context) ([]int, error) {
	var all []int
	for _, d := range s.Directors() {
		st, err := d.Status(ctx)
		if err != nil {
			return nil, err
		}
		n := 0
		for _, v := range st.Services {
			n += int(v.Traffic.Conns)
		}
		all = append(all, n)
	}
	return all, nil
}

// byDirector shows how many connections each director has had since before, and wants
// all of them at the master.
func (s *demo) byDirector(ctx context.Context, before []int, requests int) error {
	if s.Second == nil {
		return nil
	}
	after, err := s.connections(ctx)
	if err != nil {
		return err
	}
	master, err := s.Master(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(s.out)
	for i, d := range s.Directors() {
		name, n, want := s.HostOf(d).Name(), after[i]-before[i], 0
		role := "is the backup and"
		if d == master {
			role, want = "is the master and", requests
		}
		fmt.Fprintf(s.out, "%-9s %s has had %d of %d connections\n", name, role, n, requests)
		s.expect(n == want, "%s has had %d connections, not %d", name, n, want)
	}
	return nil
}

// named is a director at the beginning of a sentence.
func (s *demo) named(director *netlab.Node) string {
	if s.Second == nil {
		return "The director"
	}
	return "The master, " + director.Name() + ","
}
