package addresses

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

func TestMain(m *testing.M) { os.Exit(netns.RunTests(m)) }

// On a real kernel: what Add makes is what Has lists, with its flags, and Remove takes it off.
func TestTheKernelHasWhatIsAdded(t *testing.T) {
	h := netns.NewTestHost(t, "host", netns.HostConfig{IPv6: true})
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "eth0"
	veth := netlink.NewVeth(attrs)
	veth.PeerName = "eth1"
	if err := h.Netlink().LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	if err := h.Netlink().LinkSetUp(veth); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		a    Address
		want string // "LABEL SCOPE BROADCAST" and flags
	}{
		{"plain", Address{Prefix: netip.MustParsePrefix("192.0.2.1/32")}, "eth0 0 <nil>"},
		{"with a label and a broadcast address", Address{Prefix: netip.MustParsePrefix("192.0.2.2/24"), Label: "eth0:1", Broadcast: netip.MustParseAddr("192.0.2.255")}, "eth0:1 0 192.0.2.255"},
		{"of the link", Address{Prefix: netip.MustParsePrefix("192.0.2.3/32"), Scope: 253}, "eth0 253 <nil>"},
		{"without a route", Address{Prefix: netip.MustParsePrefix("198.51.100.1/24"), NoPrefixRoute: true}, "eth0 0 <nil> noprefixroute"},
		{"IPv6", Address{Prefix: netip.MustParsePrefix("2001:db8::1/128")}, " 0 <nil> nodad"},
		{"IPv6, deprecated", Address{Prefix: netip.MustParsePrefix("2001:db8::2/128"), Deprecated: true}, " 0 <nil> nodad deprecated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.a.Link = "eth0"
			err := h.Do(func() error {
				k := kernel{}
				if err := k.Add(c.a); err != nil {
					return err
				}
				all, err := k.Has("eth0")
				if err != nil || !slices.Contains(all, c.a.Prefix) {
					t.Errorf("it has %v, %v", all, err)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := about(t, h, c.a.Prefix); got != c.want {
				t.Errorf("it is %q, want %q", got, c.want)
			}
			err = h.Do(func() error {
				k := kernel{}
				if err := k.Remove("eth0", c.a.Prefix); err != nil {
					return err
				}
				return k.Remove("eth0", c.a.Prefix) // somebody else was faster
			})
			if err != nil || about(t, h, c.a.Prefix) != "" {
				t.Errorf("after its end: %v, %q", err, about(t, h, c.a.Prefix))
			}
		})
	}
	if err := h.Do(func() error {
		k := kernel{}
		all, err := k.Has("gone")
		if len(all) != 0 || err != nil {
			t.Errorf("an interface that is not there has %v, %v", all, err)
		}
		if err := k.Add(Address{Link: "gone", Prefix: netip.MustParsePrefix("192.0.2.1/32")}); err == nil {
			t.Error("an address was added to an interface that is not there")
		}
		return k.Remove("gone", netip.MustParsePrefix("192.0.2.1/32"))
	}); err != nil {
		t.Error(err)
	}
}

// about is an address of eth0 as the kernel has it; empty: it has not.
func about(t *testing.T, h *netns.Host, p netip.Prefix) string {
	t.Helper()
	l, err := h.Netlink().LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	all, err := h.Netlink().AddrList(l, netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if a.IPNet.String() != p.String() {
			continue
		}
		words := []string{fmt.Sprint(a.Label, " ", a.Scope, " ", a.Broadcast)}
		for _, f := range []struct {
			flag int
			name string
		}{{unix.IFA_F_NOPREFIXROUTE, "noprefixroute"}, {unix.IFA_F_NODAD, "nodad"}, {unix.IFA_F_DEPRECATED, "deprecated"}} {
			if a.Flags&f.flag != 0 {
				words = append(words, f.name)
			}
		}
		return strings.Join(words, " ")
	}
	return ""
}
