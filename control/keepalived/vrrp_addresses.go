package keepalived

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// scopes are the names of scopes, by the numbers of rtnetlink(7).
var scopeNumbers = map[string]uint8{"global": 0, "site": 200, "link": 253, "host": 254, "nowhere": 255}

// scope reads the value that isScope has taken.
func scope(s string) uint8 {
	if v, ok := scopeNumbers[s]; ok {
		return v
	}
	v, _ := strconv.ParseUint(s, 10, 8) // isScope has taken it
	return uint8(v)
}

// virtualAddresses are the good ones of lines.
func virtualAddresses(lines []*Node) []VirtualAddress {
	var all []VirtualAddress
	for _, line := range lines {
		if line.HasBlock || isAddressLine(line.fields()) != nil {
			continue
		}
		all = append(all, virtualAddress(line))
	}
	return all
}

// virtualAddress reads a line that isAddressLine has taken.
func virtualAddress(n *Node) VirtualAddress {
	addr, bits, _ := prefixed(n.Keyword) // isAddressLine has taken it
	a := VirtualAddress{Prefix: netip.PrefixFrom(addr, bits), Pos: n.Pos}
	flags := map[string]*bool{
		"home": &a.Home, "-nodad": &a.NoDAD, "mngtmpaddr": &a.ManageTemp, "noprefixroute": &a.NoPrefixRoute, "autojoin": &a.AutoJoin,
		"no_track": &a.NoTrack, "use_vmac": &a.VMAC,
	}
	for i := 0; i < len(n.Args); i++ {
		word := n.Args[i]
		if flag := flags[word]; flag != nil {
			*flag = true
		}
		if addressOptions[word] == nil {
			continue
		}
		i++
		a.option(word, n.Args[i])
	}
	return a
}

// option sets an option that has a value.
func (a *VirtualAddress) option(word, value string) {
	switch word {
	case "dev":
		a.Interface = strings.Clone(value)
	case "label":
		a.Label = strings.Clone(value)
	case "scope":
		a.Scope = scope(value)
	case "peer":
		a.Peer, _ = parseIP(value)
	case "brd", "broadcast":
		if a.Broadcast, _ = parseIP(value); value == "+" || value == "-" {
			a.Broadcast = broadcastOf(a.Prefix, value == "+")
		}
	case "preferred_lft":
		a.HasLifetime = value != "forever"
		s, _ := strconv.ParseUint(value, 10, 32) // isLifetime has taken it
		a.PreferredLifetime = time.Duration(s) * time.Second
	}
}

// broadcastOf is p's address with all bits of the host set, or none.
func broadcastOf(p netip.Prefix, ones bool) netip.Addr {
	b := p.Masked().Addr().As4()
	for i := p.Bits(); ones && i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}
