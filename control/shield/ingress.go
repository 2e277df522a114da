package shield

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"lvsdr/dataplane/frame"
)

// IngressTable is the shield's table of nftables, of family netdev:
//
//	table netdev lvsdr {
//		chain eth0 {
//			type filter hook ingress device "eth0" priority -500; policy accept;
//			ip daddr 192.168.1.100 drop
//		}
//	}
//
// A packet socket has its copy by then, and the kernel's ends before the IP
// stack has looked at it: that costs a third of what the way to the blackhole
// costs, and holds for a VIP that is configured on this host as well.
const IngressTable = "lvsdr"

// ingressPriority is before whatever a firewall does there.
const ingressPriority = -500

// setIngress installs the ingress chains of exactly guards, in one transaction:
// no frame meets half of them.
func setIngress(guards []Guard) error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("shield: open a netlink socket for nftables: %w", err)
	}
	t := &nftables.Table{Family: nftables.TableFamilyNetdev, Name: IngressTable}
	c.AddTable(t) // so that there is one to be deleted
	c.DelTable(t)
	if len(guards) > 0 {
		c.AddTable(t)
	}
	for _, name := range interfaces(guards) {
		chain := c.AddChain(&nftables.Chain{Table: t, Name: name, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookIngress,
			Priority: nftables.ChainPriorityRef(ingressPriority), Device: name})
		for _, g := range guards {
			if g.Interface == name {
				c.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: drop(g.VIP)})
			}
		}
	}
	if err := c.Flush(); err != nil {
		return explain("install the ingress chains of nftables", err)
	}
	return nil
}

// Flush removes the ingress chains of the calling thread's network namespace,
// as a firewall that is loaded anew does; where there is no nftables it does
// nothing.
func Flush() error {
	if err := setIngress(nil); err != nil && errors.Is(err, os.ErrPermission) {
		return err
	}
	return nil
}

// interfaces are those of guards.
func interfaces(guards []Guard) []string {
	var all []string
	for _, g := range guards {
		if !slices.Contains(all, g.Interface) {
			all = append(all, g.Interface)
		}
	}
	return all
}

// drop is the rule that drops what goes to vip.
func drop(vip netip.Addr) []expr.Any {
	protocol, offset := uint16(unix.ETH_P_IP), uint32(frame.Off4Dst)
	if vip.Is6() {
		protocol, offset = unix.ETH_P_IPV6, frame.Off6Dst
	}
	addr := vip.AsSlice()
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(protocol)},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(len(addr))},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: addr},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}
}
