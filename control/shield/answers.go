package shield

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"lvsdr/dataplane/frame"
)

// AnswersTable is the table of nftables, of family inet, that keeps the host's stack
// from the answers of servers reached by NAT. The director takes them back to the
// clients; a host that forwards would send each a second time, from the server's own
// address, and may tell the server of a shorter way (ICMP redirect).
//
//	table inet lvsdr {
//		set ports4 { type ipv4_addr . inet_proto . inet_service; }
//		set hosts4 { type ipv4_addr . inet_proto; }
//		chain come {
//			type filter hook prerouting priority -350; policy accept;
//			fib daddr type local accept
//			ip saddr . meta l4proto . th sport @ports4 drop
//			ip saddr . meta l4proto @hosts4 drop
//		}
//		chain go {
//			type filter hook output priority -350; policy accept;
//			tcp flags rst ip daddr . meta l4proto . th dport @ports4 drop
//		}
//	}
//
// and the same for IPv6. What is for an address of this host passes, such as the answers
// to its health checks. To those that belong to a client on this host, whose connection
// the kernel does not know under the server's address, it would answer with a reset: that
// does not leave.
const AnswersTable = Table

// answersPriority is before netfilter looks at connections (-200) and before raw (-300).
const answersPriority = -350

// An Answer is where answers come from that are the director's. Proto 0: TCP, UDP and
// SCTP. Port 0: any.
type Answer struct {
	Addr  netip.Addr
	Proto frame.Proto
	Port  uint16
}

// compareAnswers orders answers.
func compareAnswers(a, b Answer) int {
	return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Port, b.Port))
}

// each are the answers that a stands for, of one protocol each.
func (a Answer) each() []Answer {
	if a.Proto != 0 {
		return []Answer{a}
	}
	var all []Answer
	for _, p := range []frame.Proto{frame.ProtoTCP, frame.ProtoUDP, frame.ProtoSCTP} {
		all = append(all, Answer{a.Addr, p, a.Port})
	}
	return all
}

// set is the name of the set that a is in.
func (a Answer) set() string {
	name := "ports"
	if a.Port == 0 {
		name = "hosts"
	}
	if a.Addr.Is4() {
		return name + "4"
	}
	return name + "6"
}

// key is a as an element of its set: each part begins at a multiple of four bytes.
func (a Answer) key() []byte {
	b := append(a.Addr.AsSlice(), byte(a.Proto), 0, 0, 0)
	if a.Port != 0 {
		b = append(b, byte(a.Port>>8), byte(a.Port), 0, 0)
	}
	return b
}

// TakeAnswers says which answers the host's stack is kept from already, by a process before this one; nil: that
// is not known.
func (s *Shield) TakeAnswers(all []Answer) {
	if all == nil {
		return
	}
	s.answers = map[Answer]bool{}
	for _, a := range all {
		for _, one := range a.each() {
			s.answers[one] = true
		}
	}
}

// SetAnswers keeps the host's stack from exactly these answers. Where there is no
// nftables, or not enough of it, that is an error if there are any.
func (s *Shield) SetAnswers(all []Answer) error {
	want := map[Answer]bool{}
	for _, a := range all {
		for _, one := range a.each() {
			want[one] = true
		}
	}
	if s.nft == nil {
		if len(want) == 0 {
			return nil
		}
		return fmt.Errorf("shield: answers of servers reached by NAT: %w", s.early)
	}
	if len(want) == 0 {
		if s.answers != nil && len(s.answers) == 0 {
			return nil
		}
		s.answers = nil
		if err := s.nft.cleanAnswers(); err != nil {
			return err
		}
		s.answers = map[Answer]bool{}
		return nil
	}
	if len(s.answers) == 0 {
		if err := s.nft.makeAnswers(); err != nil {
			return err
		}
		s.answers = map[Answer]bool{}
	}
	if err := s.editAnswers(want, s.answers, s.nft.c.SetAddElements); err != nil {
		return err
	}
	return s.editAnswers(s.answers, want, s.nft.c.SetDeleteElements)
}

// editAnswers does what is in a and not in b, some at a time, and notes it.
func (s *Shield) editAnswers(a, b map[Answer]bool, do func(*nftables.Set, []nftables.SetElement) error) error {
	bySet := map[string][]Answer{}
	for x := range a {
		if !b[x] {
			bySet[x.set()] = append(bySet[x.set()], x)
		}
	}
	for name, list := range bySet {
		slices.SortFunc(list, compareAnswers)
		for part := range slices.Chunk(list, atOnce) {
			var elements []nftables.SetElement
			for _, x := range part {
				elements = append(elements, nftables.SetElement{Key: x.key()})
			}
			if err := do(answerSet(name), elements); err != nil {
				s.answers = nil // what is there is not known any more
				return fmt.Errorf("shield: %w", err)
			}
			if err := s.nft.commit("edit set " + name); err != nil {
				s.answers = nil
				return err
			}
			for _, x := range part {
				if s.answers[x] {
					delete(s.answers, x)
				} else {
					s.answers[x] = true
				}
			}
		}
	}
	return nil
}

func answersTable() *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyINet, Name: AnswersTable}
}

// answerSet is a set of answers by its name.
func answerSet(name string) *nftables.Set {
	parts := []nftables.SetDatatype{nftables.TypeIPAddr, nftables.TypeInetProto}
	if name[len(name)-1] == '6' {
		parts[0] = nftables.TypeIP6Addr
	}
	if name[0] == 'p' {
		parts = append(parts, nftables.TypeInetService)
	}
	return &nftables.Set{Table: answersTable(), Name: name, Concatenation: true, KeyType: nftables.MustConcatSetType(parts...)}
}

// cleanAnswers removes the table.
func (n *nft) cleanAnswers() error {
	n.c.AddTable(answersTable()) // so that there is one to be deleted
	n.c.DelTable(answersTable())
	return n.commit("remove table inet " + AnswersTable)
}

// makeAnswers makes the table anew, with empty sets.
func (n *nft) makeAnswers() error {
	n.c.AddTable(answersTable())
	n.c.DelTable(answersTable())
	t := n.c.AddTable(answersTable())
	for _, name := range []string{"ports4", "hosts4", "ports6", "hosts6"} {
		if err := n.c.AddSet(answerSet(name), nil); err != nil {
			return fmt.Errorf("shield: set %s: %w", name, err)
		}
	}
	come := n.c.AddChain(&nftables.Chain{Table: t, Name: "come", Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookPrerouting,
		Priority: nftables.ChainPriorityRef(answersPriority)})
	n.c.AddRule(&nftables.Rule{Table: t, Chain: come, Exprs: []expr.Any{
		&expr.Fib{Register: 1, ResultADDRTYPE: true, FlagDADDR: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL)},
		&expr.Verdict{Kind: expr.VerdictAccept},
	}})
	leave := n.c.AddChain(&nftables.Chain{Table: t, Name: "go", Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookOutput,
		Priority: nftables.ChainPriorityRef(answersPriority)})
	for _, ipv6 := range []bool{false, true} {
		for _, ports := range []bool{true, false} {
			n.c.AddRule(&nftables.Rule{Table: t, Chain: come, Exprs: answerRule(ipv6, ports, nil)})
			n.c.AddRule(&nftables.Rule{Table: t, Chain: leave, Exprs: answerRule(ipv6, ports, resets())})
		}
	}
	return n.commit("make table inet " + AnswersTable)
}

// resets are the expressions that only TCP segments with RST pass.
func resets() []expr.Any {
	const offFlags = 13
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{byte(frame.ProtoTCP)}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offFlags, Len: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{frame.RST}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{0}},
	}
}

// answerRule drops what comes from an answer of a set or, where resets are asked for,
// those that go there.
func answerRule(ipv6, ports bool, resets []expr.Any) []expr.Any {
	const firstWord = 8 // NFT_REG32_00, <linux/netfilter/nf_tables.h>
	addr, words, protocol, set := network(offSrc4, 4), uint32(1), byte(unix.NFPROTO_IPV4), "hosts4"
	if ipv6 {
		addr, words, protocol, set = network(offSrc6, 16), 4, unix.NFPROTO_IPV6, "hosts6"
	}
	load := addr.(*expr.Payload)
	load.DestRegister = firstWord
	port := &expr.Payload{DestRegister: firstWord + words + 1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 2}
	if resets != nil {
		load.Offset, port.Offset = load.Offset+load.Len, 2 // the destination is right behind the source
	}
	exprs := append([]expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{protocol}},
	}, resets...)
	exprs = append(exprs, load, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: firstWord + words})
	if ports {
		exprs = append(exprs, port)
		set = "ports" + set[len(set)-1:]
	}
	return append(exprs, &expr.Lookup{SourceRegister: firstWord, SetName: set}, &expr.Verdict{Kind: expr.VerdictDrop})
}

// Offsets of source addresses in the headers of IPv4 (RFC 791) and IPv6 (RFC 8200).
const (
	offSrc4 = 12
	offSrc6 = 8
)
