package shield

import (
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"

	"lvsdr/control/policyroute"
	"lvsdr/dataplane/frame"
)

// families are the suffixes of the sets' names.
var families = [2]string{"-ipv4", "-ipv6"}

func setName(p port, family int) string { return p.name + families[family] }

// setSize is how many addresses a set takes: more than twice as many as the filter of a
// NIC, because new ones come in before old ones go. With a size the kernel takes a table
// of fixed length (nft_hash_lookup_fast, net/netfilter/nft_set_hash.c; 8 bytes for each
// of 16384 buckets), which is looked up faster than one that grows.
const setSize = 8192

// setOf is the set of an interface's VIPs of a family.
func setOf(t *nftables.Table, p port, family int) *nftables.Set {
	key := nftables.TypeIPAddr
	if family == 1 {
		key = nftables.TypeIP6Addr
	}
	return &nftables.Set{Table: t, Name: setName(p, family), KeyType: key, Size: setSize}
}

func (n *nft) addSets(t *nftables.Table, p port) error {
	for k := range families {
		if err := n.c.AddSet(setOf(t, p, k), nil); err != nil {
			return fmt.Errorf("set %s: %w", setName(p, k), err)
		}
	}
	return nil
}

// hiddenComments are the comments of the rules of the chain hidden.
var hiddenComments = []string{"of another interface", "a copy that the director has"}

// addHidden adds the chain where the copies end. A tag is not in the frame any
// more; the kernel puts it back for rules that look at the link header
// (nft_payload_copy_vlan, net/netfilter/nft_payload.c).
func (n *nft) addHidden(t *nftables.Table) {
	chain := n.c.AddChain(&nftables.Chain{Table: t, Name: hidden})
	const offTCI, vlanID = 14, 0x0fff
	tagged := []expr.Any{
		linkType(),
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(unix.ETH_P_8021Q)},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseLLHeader, Offset: offTCI, Len: 2},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 2, Mask: binaryutil.BigEndian.PutUint16(vlanID), Xor: []byte{0, 0}},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{0, 0}},
		&expr.Verdict{Kind: expr.VerdictAccept},
	}
	for k, exprs := range [][]expr.Any{tagged, {&expr.Verdict{Kind: expr.VerdictDrop}}} {
		n.c.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: exprs, UserData: comment(hiddenComments[k])})
	}
}

// linkType loads the EtherType, which is that of the tag in a frame with one.
func linkType() expr.Any {
	const offType = 12
	return &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseLLHeader, Offset: offType, Len: 2}
}

func comment(text string) []byte { return userdata.AppendString(nil, userdata.TypeComment, text) }

// A match is a rule of an interface's chain.
type match struct {
	comment string
	family  int
	exprs   []expr.Any // which leave the address in register 1
	quick   bool       // for frames without a tag alone, which are dropped at once
}

// Where addresses are in the headers of IPv4 (RFC 791), ARP for Ethernet and
// IPv4 (RFC 826), IPv6 (RFC 8200), and a neighbour solicitation without
// extension headers (RFC 4861 section 4.3).
const (
	offDst4      = 16
	offARPOp     = 6
	arpRequest   = 1
	offARPTarget = 24
	offDst6      = 24
	offNSTarget  = 40 + 8
	typeNS       = 135
)

// matches are the rules for what the kernel must not see. Nearly all of it are packets
// without a tag, and each costs the CPU that receives it: they end in rules of their own,
// without the way by another chain (560 ns for a frame from sender to drop, and 70 more
// by that chain).
func matches() []match {
	packets4, packets6 := append(protocol(unix.ETH_P_IP), network(offDst4, 4)), append(protocol(unix.ETH_P_IPV6), network(offDst6, 16))
	return []match{
		{"packets to VIPs", 0, packets4, true},
		{"IPv6 packets to VIPs", 1, packets6, true},
		{"tagged packets to VIPs", 0, packets4, false},
		// Not replies: one to a VIP is to a request that this host made, with the VIP as its
		// sender, for an answer of a real server that it is itself.
		{"ARP requests for VIPs", 0, append(protocol(unix.ETH_P_ARP), network(offARPOp, 2),
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(arpRequest)}, network(offARPTarget, 4)), false},
		{"tagged IPv6 packets to VIPs", 1, packets6, false},
		{"neighbour solicitations for VIPs", 1, append(protocol(unix.ETH_P_IPV6),
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{byte(frame.ProtoICMPv6)}},
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{typeNS}},
			network(offNSTarget, 16)), false},
	}
}

// rule gives the expressions of the rule of m for interface p. A frame with the mark of
// offload goes on: it is on its way to the director's sockets, and the host's stack drops it
// by its packet type.
func (m match) rule(p port) []expr.Any {
	exprs := append(slices.Clone(m.exprs), &expr.Lookup{SourceRegister: 1, SetName: setName(p, m.family)},
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(policyroute.OffloadMark)})
	if !m.quick {
		return append(exprs, &expr.Verdict{Kind: expr.VerdictGoto, Chain: hidden})
	}
	return append(exprs, linkType(),
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: binaryutil.BigEndian.PutUint16(unix.ETH_P_8021Q)},
		&expr.Verdict{Kind: expr.VerdictDrop})
}

func protocol(etherType uint16) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(etherType)},
	}
}

func network(offset, length uint32) expr.Any {
	return &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length}
}

// chainComments are the comments of the rules of an interface's chain. The first
// one has the interface's index: an interface that was made anew needs a chain
// that is made anew.
func chainComments(p port) []string {
	var all []string
	for k, m := range matches() {
		text := m.comment
		if k == 0 {
			text = fmt.Sprintf("%s (interface %d)", text, p.index)
		}
		all = append(all, text)
	}
	return all
}

// addChain adds an interface's chain with its rules.
func (n *nft) addChain(t *nftables.Table, p port) {
	chain := n.c.AddChain(&nftables.Chain{Table: t, Name: p.name, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookIngress,
		Priority: nftables.ChainPriorityRef(ingressPriority), Device: p.name})
	comments := chainComments(p)
	for k, m := range matches() {
		n.c.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: m.rule(p), UserData: comment(comments[k])})
	}
}
