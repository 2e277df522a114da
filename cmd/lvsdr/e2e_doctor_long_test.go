//go:build long

package main_test

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"lvsdr/bench/fault"
	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	"lvsdr/control/doctor/findings"
)

func TestDoctorNamesEveryFault(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	named := map[string]int{
		"rs-without-vip": byBoth, "rs-answers-arp": byBoth, "rs-wrong-port": byBoth, "rs-firewall": byBoth, "rp-filter": byBoth,
		"small-mtu": byDirector, "rs-mac-changed": byDirector, "vip-on-director": byDirector, "two-directors": byDirector,
		"checksum-offload": byDirector,
	}
	for i, f := range fault.All() {
		if f.Method != netlab.DR {
			continue
		}
		fitting := shapes()
		maps.DeleteFunc(fitting, func(_ string, spec netlab.Spec) bool { return f.Fits(spec) != nil })
		// One arm, and what is least like it.
		other := "one arm"
		for _, shape := range []string{"one arm IPv6", "two arms", "two arms IPv6"} {
			if _, ok := fitting[shape]; ok {
				other = shape
			}
		}
		wanted := slices.Compact([]string{"one arm", other})
		if !long() { // a third of the faults, in turn on the one and on the other
			wanted = wanted[i%len(wanted):][:1]
			if i%3 != 0 {
				continue
			}
		}
		for _, shape := range wanted {
			spec := fitting[shape]
			t.Run(f.Name+", "+shape, func(t *testing.T) {
				t.Parallel()
				s := newScene(t, spec)
				if err := f.Break(context.WithoutCancel(t.Context()), s); err != nil {
					t.Fatal(err)
				}
				busy(t, s)
				where := named[f.Name]
				if where&byDirector != 0 {
					wantNamed(t, examined(t, s.Lab.Director.Host, directorArgs(t, s)...), s, f.Name)
				}
				if where&byServer != 0 {
					wantNamed(t, examined(t, s.Victim().Host, serverArgs(s)...), s, f.Name)
				}
				if where == 0 {
					t.Error("it is not said who names this fault")
				}
			})
		}
	}
}

// A rule of nftables that drops what is for the VIP is seen on the real server,
// and its effect from the director; that rules for others are there is no more
// than worth knowing.
func TestDoctorSeesRulesOfTheFirewall(t *testing.T) {
	t.Parallel()
	s := newScene(t, netlab.Spec{})
	nft := func(addr netip.Addr) {
		t.Helper()
		err := s.Victim().Do(func() error {
			c, err := nftables.New()
			if err != nil {
				return err
			}
			table := c.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "filter"})
			input := c.AddChain(&nftables.Chain{Table: table, Name: "input", Type: nftables.ChainTypeFilter,
				Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter})
			const destination = 16 // in an IPv4 header
			c.AddRule(&nftables.Rule{Table: table, Chain: input, Exprs: []expr.Any{
				&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: destination, Len: 4},
				&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: addr.AsSlice()},
				&expr.Verdict{Kind: expr.VerdictDrop},
			}})
			return c.Flush()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	nft(netip.MustParseAddr("192.168.1.99"))
	r := examined(t, s.Victim().Host, serverArgs(s)...)
	wantHealthy(t, r)
	if find(r, findings.Firewall, "1 rules") == nil {
		t.Errorf("the rule is not counted:\n%s", shown(r))
	}
	nft(s.Lab.Spec.VIP)
	wantNamed(t, examined(t, s.Victim().Host, serverArgs(s)...), s, findings.RSFirewall)
	wantNamed(t, examined(t, s.Lab.Director.Host, directorArgs(t, s)...), s, findings.RSFirewall)
}

// A NAT server's doctor is told the director's address, and a tunnel's server the kind of
// tunnel.
func TestDoctorNamesFaultsOfOtherMethods(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		spec netlab.Spec
	}{
		{"nat-gateway", netlab.Spec{Method: netlab.NAT}}, {"nat-gateway", netlab.Spec{Method: netlab.NAT, Net: net6}},
		{"tunnel-missing", netlab.Spec{Method: netlab.TUN}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, c.spec)
			args := []string{"--rs", "--vip", s.Lab.Spec.VIP.String(), "--port", strconv.Itoa(int(s.Port)), "--tun", "ipip"}
			if c.spec.Method == netlab.NAT {
				args = []string{"--rs", "--port", args[4], "--director", s.Lab.Director.PortOn(s.Victim().Ports[0].Switch).Addr.Addr().String()}
				if r := examined(t, s.Victim().Host, args...); find(r, c.name, "") != nil {
					t.Errorf("named before:\n%s", shown(r))
				}
			}
			f, err := fault.Find(c.name)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Break(context.WithoutCancel(t.Context()), s); err != nil {
				t.Fatal(err)
			}
			wantNamed(t, examined(t, s.Victim().Host, args...), s, c.name)
		})
	}
}
