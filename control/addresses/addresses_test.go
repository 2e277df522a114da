package addresses

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// A host is a Kernel in memory.
type host struct {
	has   map[string][]netip.Prefix
	calls []string
	fail  func(call string) error
}

func (h *host) call(format string, args ...any) error {
	c := fmt.Sprintf(format, args...)
	h.calls = append(h.calls, c)
	if h.fail != nil {
		return h.fail(c)
	}
	return nil
}

func (h *host) Has(link string) ([]netip.Prefix, error) {
	return slices.Clone(h.has[link]), h.call("list %s", link)
}

func (h *host) Add(a Address) error {
	if err := h.call("add %v %s", a.Prefix, a.Link); err != nil {
		return err
	}
	h.has[a.Link] = append(h.has[a.Link], a.Prefix)
	return nil
}

func (h *host) Remove(link string, p netip.Prefix) error {
	if err := h.call("remove %v %s", p, link); err != nil {
		return err
	}
	h.has[link] = slices.DeleteFunc(h.has[link], func(q netip.Prefix) bool { return p == q })
	return nil
}

// text lists the addresses of the host: "LINK:ADDR,ADDR ...".
func (h *host) text() string {
	var all []string
	for _, link := range []string{"eth0", "eth1"} {
		var of []string
		for _, p := range h.has[link] {
			of = append(of, p.String())
		}
		slices.Sort(of)
		all = append(all, link+":"+strings.Join(of, ","))
	}
	return strings.Join(all, " ")
}

// at are addresses, "LINK ADDR/BITS".
func at(all ...string) (out []Address) {
	for _, s := range all {
		link, p, _ := strings.Cut(s, " ")
		out = append(out, Address{Link: link, Prefix: netip.MustParsePrefix(p)})
	}
	return out
}

// started is a host with 10.0.0.1/8 on eth0, and that which is in all.
func started(all ...string) *host {
	h := &host{has: map[string][]netip.Prefix{"eth0": {netip.MustParsePrefix("10.0.0.1/8")}}}
	for _, a := range at(all...) {
		h.has[a.Link] = append(h.has[a.Link], a.Prefix)
	}
	return h
}

func TestAddressesAreWhereTheWishHasThem(t *testing.T) {
	vip, other := "eth0 192.0.2.1/32", "eth1 2001:db8::1/128"
	for _, c := range []struct {
		name   string
		before []string
		steps  []Wish
		want   []string // after each step
	}{
		{"a master and then a backup", nil, []Wish{{Elsewhere: at(vip, other)}, {Here: at(vip, other)}, {Elsewhere: at(vip, other)}},
			[]string{"eth0:10.0.0.1/8 eth1:", "eth0:10.0.0.1/8,192.0.2.1/32 eth1:2001:db8::1/128", "eth0:10.0.0.1/8 eth1:"}},
		{"the left-overs of a crash, as a backup", []string{vip}, []Wish{{Elsewhere: at(vip)}}, []string{"eth0:10.0.0.1/8 eth1:"}},
		{"the left-overs of a crash, as master", []string{vip}, []Wish{{Here: at(vip)}, {}}, []string{"eth0:10.0.0.1/8,192.0.2.1/32 eth1:", "eth0:10.0.0.1/8 eth1:"}},
		{"a reload takes it out of the file", nil, []Wish{{Here: at(vip)}, {}}, []string{"eth0:10.0.0.1/8,192.0.2.1/32 eth1:", "eth0:10.0.0.1/8 eth1:"}},
		{"a reload moves it", nil, []Wish{{Here: at(vip)}, {Here: at("eth1 192.0.2.1/32")}}, []string{"eth0:10.0.0.1/8,192.0.2.1/32 eth1:", "eth0:10.0.0.1/8 eth1:192.0.2.1/32"}},
		{"what no instance names stays", []string{"eth1 192.0.2.7/24"}, []Wish{{Here: at(vip)}, {}}, []string{"eth0:10.0.0.1/8,192.0.2.1/32 eth1:192.0.2.7/24", "eth0:10.0.0.1/8 eth1:192.0.2.7/24"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := started(c.before...)
			a := New(h)
			for i, w := range c.steps {
				if err := a.Set(w); err != nil {
					t.Fatal(err)
				}
				if got := h.text(); got != c.want[i] {
					t.Errorf("step %d: %s, want %s", i, got, c.want[i])
				}
			}
		})
	}
}

// What is there already costs a list, and no change.
func TestTheSameWishChangesNothing(t *testing.T) {
	h := started()
	a := New(h)
	w := Wish{Here: at("eth0 192.0.2.1/32", "eth0 192.0.2.2/32"), Elsewhere: at("eth0 192.0.2.3/32")}
	if err := a.Set(w); err != nil {
		t.Fatal(err)
	}
	h.calls = nil
	if err := a.Set(w); err != nil || !slices.Equal(h.calls, []string{"list eth0"}) {
		t.Errorf("%v, calls %q", err, h.calls)
	}
}

// Each call fails once: the others are made, and the same wish again completes all.
func TestACallThatFailsIsMadeAgain(t *testing.T) {
	w := Wish{Here: at("eth0 192.0.2.1/32", "eth1 192.0.2.2/32"), Elsewhere: at("eth0 192.0.2.3/32")}
	h := started("eth0 192.0.2.3/32")
	if err := New(h).Set(w); err != nil {
		t.Fatal(err)
	}
	want, calls := h.text(), h.calls
	for i := range calls {
		h := started("eth0 192.0.2.3/32")
		a, n := New(h), 0
		h.fail = func(string) error {
			if n++; n == i+1 {
				return errors.New("out of luck")
			}
			return nil
		}
		if err := a.Set(w); err == nil || !strings.Contains(err.Error(), "out of luck") {
			t.Errorf("%s fails: %v", calls[i], err)
		}
		if err := a.Set(w); err != nil || h.text() != want {
			t.Errorf("%s failed once: %v, then %s", calls[i], err, h.text())
		}
		if err := a.Close(); err != nil || h.text() != "eth0:10.0.0.1/8 eth1:" {
			t.Errorf("at the end: %v, %s", err, h.text())
		}
	}
}
