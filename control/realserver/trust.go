package realserver

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lvsdr/control/policyroute"
)

// A record is a file, and stop writes where it says. check refuses all that no
// start could have written, whoever did: sysctls other than the few that start
// sets, with other values; addresses and routes of another address than the VIP;
// and rules that stop would take away although start does not make them, such as
// that for the table of local addresses, without which a host receives nothing.
func (r *record) check() error {
	if !r.VIP.IsValid() {
		return errors.New("no vip")
	}
	for _, p := range r.Balance {
		if !p.valid() {
			return fmt.Errorf("balance %s: not a port of TCP or UDP", p)
		}
	}
	for _, t := range r.Tunnels {
		if err := t.check(r.VIP); err != nil {
			return err
		}
	}
	for _, c := range r.Changes {
		if err := r.checkChange(c); err != nil {
			return err
		}
	}
	return nil
}

func (r *record) checkChange(c change) error {
	i, kinds := c.Item, 0
	for _, is := range []bool{i.Sysctl != "", i.Address.IsValid(), i.Route != Route{}, i.Rule != Rule{}, i.Device != Device{}, i.GUE != GUE{}} {
		if is {
			kinds++
		}
	}
	if kinds != 1 || i.On != "" && !i.Address.IsValid() {
		return fmt.Errorf("an entry for %d items, want 1", kinds)
	}
	host := netip.PrefixFrom(r.VIP, r.VIP.BitLen())
	good := false
	switch {
	case i.Sysctl != "":
		return r.checkSysctl(c)
	case i.Address.IsValid():
		good = i.Address == host && c.made() && (i.On == "" || r.hasDevice(func(d Device) bool { return d.Name == i.On }))
	case i.Device != Device{}:
		good = r.hasDevice(func(d Device) bool { return d == i.Device }) && (c.Was == Absent || c.Was == Down) && c.Is == Up
	case i.GUE != GUE{}:
		good = c.made() && slices.ContainsFunc(r.Tunnels, func(t Tunnel) bool { return t.Kind == KindGUE && i.GUE == GUE{t.Port, t.outer6(r.VIP)} })
	case i.Route != Route{}:
		good = c.made() && (i.Route == Route{To: host, Interface: "lo", Table: unix.RT_TABLE_MAIN} ||
			i.Route.To == host && i.Route.Table == policyroute.BalanceTable && len(r.Balance) > 0)
	default:
		good = r.makes(c)
	}
	if !good {
		return fmt.Errorf("%s, was %q, is %q: start does not set this for %s", i, c.Was, c.Is, r.VIP)
	}
	return nil
}

// hasDevice reports whether is is true of the device of one of the tunnels.
func (r *record) hasDevice(is func(Device) bool) bool {
	return slices.ContainsFunc(r.Tunnels, func(t Tunnel) bool { return is(t.device(r.VIP)) })
}

// made reports whether start has added something.
func (c change) made() bool { return c.Was == Absent && c.Is == Present }

// makes reports whether start makes this change of a rule: it adds one for each
// port and one for the table of local addresses behind these, and removes those
// for that table that stand before.
func (r *record) makes(c change) bool {
	rule := c.Item.Rule
	if rule.IPv6 != r.VIP.Is6() || len(r.Balance) == 0 {
		return false
	}
	if rule.To.IsValid() {
		return c.made() && slices.Contains(r.Balance, rule.Port) && rule == Rule{IPv6: rule.IPv6, Priority: policyroute.BalancePref,
			Table: policyroute.BalanceTable, To: r.VIP, Port: rule.Port, Owner: policyroute.Protocol}
	}
	if rule.Table != unix.RT_TABLE_LOCAL || rule.Port != (Port{}) {
		return false
	}
	if rule.Priority == policyroute.BehindBalancePref {
		return c.made() && rule.Owner == policyroute.Protocol
	}
	return c.Was == Present && c.Is == Absent && 0 <= rule.Priority && rule.Priority <= policyroute.BalancePref
}

// checkSysctl accepts the sysctls of goals, with the values that start sets and
// small numbers as what it found.
func (r *record) checkSysctl(c change) error {
	const confs = "net/ipv4/conf/"
	rest, below := strings.CutPrefix(c.Item.Sysctl, confs)
	conf, key, _ := strings.Cut(rest, "/")
	good := false
	switch key {
	case "arp_ignore", "arp_announce":
		good = conf == "all" || conf == "lo"
	case "accept_local", "rp_filter":
		good = len(r.Balance) > 0 && conf != "" && conf != "." && conf != ".." || // of any interface: a later start may have named another one
			key == "rp_filter" && r.hasDevice(func(d Device) bool { return d.Name == conf })
	}
	values := map[string]string{"arp_ignore": "1", "arp_announce": "2", "accept_local": "1", "rp_filter": "2"}
	n, err := strconv.ParseUint(c.Was, 10, 8)
	if !below || !good || r.VIP.Is6() || c.Is != values[key] || err != nil || n > 8 {
		return fmt.Errorf("sysctl %q, was %q, is %q: start does not set this", c.Item.Sysctl, c.Was, c.Is)
	}
	return nil
}
