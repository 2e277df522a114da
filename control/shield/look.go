package shield

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"lvsdr/control/nlwatch"
	"lvsdr/control/policyroute"
)

// Guarded lists what a shield hides in the calling thread's network namespace,
// whoever runs it, in the order of interfaces and addresses. It needs
// CAP_NET_ADMIN where the kernel has nftables.
func Guarded() ([]Guard, error) {
	all, err := guardedLate()
	n, nftErr := openNFT()
	if nftErr == nil {
		var s state
		if s, nftErr = n.read(); nftErr == nil {
			all = append(all, s.guards()...)
		}
	}
	if nftErr != nil && len(all) == 0 {
		err = errors.Join(err, nftErr)
	}
	slices.SortFunc(all, compareGuards)
	return slices.Compact(all), err
}

func compareGuards(a, b Guard) int {
	return cmp.Or(cmp.Compare(a.Interface, b.Interface), a.VIP.Compare(b.VIP))
}

// guardedLate is Guarded for the late part.
func guardedLate() ([]Guard, error) {
	k, err := policyroute.Open()
	if err != nil {
		return nil, fmt.Errorf("shield: %w", err)
	}
	defer k.Close()
	owner := policyroute.Shield()
	var all []Guard
	for _, ipv6 := range []bool{false, true} {
		rules, err := k.Rules(ipv6)
		if err != nil {
			return nil, fmt.Errorf("shield: %w", err)
		}
		routes, err := k.Routes(ipv6, owner.HasTable)
		if err != nil {
			return nil, fmt.Errorf("shield: %w", err)
		}
		for _, r := range rules {
			if !owner.HasRule(r) {
				continue
			}
			for _, x := range routes {
				if x.Table == r.Table && x.Type == unix.RTN_BLACKHOLE && x.To.IsSingleIP() {
					all = append(all, Guard{VIP: x.To.Addr(), Interface: r.IIF})
				}
			}
		}
	}
	return all, nil
}

// Flush removes the early part from the calling thread's network namespace, as a
// firewall that is loaded anew does ("nft flush ruleset"); where there is no
// nftables it does nothing.
func Flush() error {
	n, err := openNFT()
	if err != nil {
		return nil
	}
	if err := n.clean(); errors.Is(err, unix.EPERM) {
		return err
	}
	return nil
}

// Watch calls changed once it watches, and after the shield's table or rules in the calling
// thread's network namespace have changed, by this program or by somebody else: then
// Check says whether something is missing. It does not wait for more changes,
// because the kernel may answer for the VIPs meanwhile. It returns with ctx, or at once with
// an error if it cannot subscribe at all.
func Watch(ctx context.Context, changed func()) error {
	early := nlwatch.Source{Name: "nftables", Protocol: unix.NETLINK_NETFILTER, Groups: []uint{unix.NFNLGRP_NFTABLES}, Counts: aboutTable, Subscribed: changed}
	late := policyroute.Shield().Changes()
	late.Subscribed = changed
	return nlwatch.Watch(ctx, 0, changed, late, early)
}

// aboutTable reports whether a message of nftables is about the shield's table.
// It begins with a struct nfgenmsg of 4 bytes, whose first is the family; each
// kind of message but the end of a transaction has the table's name as attribute
// 1 (<linux/netfilter/nf_tables.h>).
func aboutTable(m syscall.NetlinkMessage) bool {
	const header, nameAttr, typeMask = 4, 1, 0x3fff
	if len(m.Data) < header || m.Data[0] != unix.NFPROTO_NETDEV {
		return false
	}
	for b := m.Data[header:]; len(b) >= unix.SizeofNlAttr; {
		n := int(binary.NativeEndian.Uint16(b))
		kind := binary.NativeEndian.Uint16(b[2:]) & typeMask
		if n < unix.SizeofNlAttr || n > len(b) {
			return false
		}
		if kind == nameAttr {
			return strings.TrimRight(string(b[unix.SizeofNlAttr:n]), "\x00") == Table
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return false
}
