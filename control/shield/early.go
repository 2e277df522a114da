package shield

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"

	"lvsdr/control/policyroute"
)

// Table is the shield's table of nftables, of family netdev.
const Table = "lvsdr"

const (
	// hidden is the chain that all others lead to. No interface can have such a
	// long name, so no other chain has it.
	hidden = "hidden-from-the-kernel"
	// ingressPriority is before whatever a firewall does there.
	ingressPriority = -500
	// atOnce is how many addresses a message has: it must be shorter than 64 KiB.
	atOnce = 1000
	// sendBuffer is the size asked for to send a transaction; without privilege
	// on the machine the kernel gives less.
	sendBuffer = 1 << 20
)

// An nft is the table in one network namespace.
type nft struct{ c *nftables.Conn }

func openNFT() (*nft, error) {
	c, err := nftables.New(nftables.WithSockOptions(func(c *netlink.Conn) error { return c.SetWriteBuffer(sendBuffer) }))
	if err != nil {
		return nil, fmt.Errorf("shield: open a netlink socket for nftables: %w", err)
	}
	return &nft{c}, nil
}

func table() *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyNetdev, Name: Table}
}

// commit carries out what was asked for since the last commit, as one
// transaction.
func (n *nft) commit(attempt string) error {
	return policyroute.Explain("shield: nftables: "+attempt, n.c.Flush())
}

// probe finds out whether the kernel takes all that the early part consists of:
// it makes it for lo, and takes it away in the same transaction.
func (n *nft) probe() error {
	t := &nftables.Table{Family: nftables.TableFamilyNetdev, Name: Table + "-probe"}
	n.c.AddTable(t)
	p := port{name: "lo"}
	err := n.addSets(t, p)
	n.addHidden(t)
	n.addChain(t, p)
	n.c.DelTable(t)
	return errors.Join(err, n.commit("try a chain at ingress"))
}

// A state is the kernel's content of the table: chains with the comments of their
// rules, and sets.
type state struct {
	there  bool
	chains map[string][]string
	sets   map[string]map[netip.Addr]bool
}

// read is the table as it is.
func (n *nft) read() (state, error) {
	s, err := n.readAll()
	return s, policyroute.Explain("shield: nftables: list table netdev "+Table, err)
}

func (n *nft) readAll() (state, error) {
	s := state{chains: map[string][]string{}, sets: map[string]map[netip.Addr]bool{}}
	tables, err := n.c.ListTablesOfFamily(nftables.TableFamilyNetdev)
	if err != nil || !slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == Table }) {
		return s, err
	}
	s.there = true
	chains, err := n.c.ListChainsOfTableFamily(nftables.TableFamilyNetdev)
	if err != nil {
		return s, err
	}
	for _, c := range chains {
		if c.Table.Name != Table {
			continue
		}
		rules, err := n.c.GetRules(table(), c)
		if err != nil {
			return s, err
		}
		s.chains[c.Name] = []string{}
		for _, r := range rules {
			comment, _ := userdata.GetString(r.UserData, userdata.TypeComment)
			s.chains[c.Name] = append(s.chains[c.Name], comment)
		}
	}
	sets, err := n.c.GetSets(table())
	if err != nil {
		return s, err
	}
	for _, x := range sets {
		elements, err := n.c.GetSetElements(x)
		if err != nil {
			return s, err
		}
		s.sets[x.Name] = map[netip.Addr]bool{}
		for _, e := range elements {
			if a, ok := netip.AddrFromSlice(e.Key); ok {
				s.sets[x.Name][a] = true
			}
		}
	}
	return s, nil
}

// set makes the table hide exactly wanted: first what is missing, in the order
// of addresses, chains, rules; then it takes away the rest. Where that fails,
// because the table is not of this program's making, it is made anew.
func (n *nft) set(wanted map[port]*addrs) error {
	if len(wanted) == 0 {
		return n.clean()
	}
	have, err := n.read()
	if err != nil {
		return err
	}
	if err = n.change(have, wanted); err == nil || !have.there || errors.Is(err, os.ErrPermission) {
		return err
	}
	if err := n.clean(); err != nil {
		return err
	}
	return n.change(state{}, wanted)
}

// ordered are the ports in the order of their names.
func ordered(wanted map[port]*addrs) []port {
	return slices.SortedFunc(maps.Keys(wanted), func(a, b port) int { return cmp.Compare(a.name, b.name) })
}

func (n *nft) change(have state, wanted map[port]*addrs) error {
	ports := ordered(wanted)
	if err := n.addMissing(have, wanted, ports); err != nil {
		return err
	}
	if err := n.fixChains(have, ports); err != nil {
		return err
	}
	return n.removeRest(have, wanted, ports)
}

// addMissing makes the sets and puts the missing addresses in.
func (n *nft) addMissing(have state, wanted map[port]*addrs, ports []port) error {
	made := false
	for _, p := range ports {
		if have.sets[setName(p, 0)] != nil && have.sets[setName(p, 1)] != nil {
			continue
		}
		if !have.there && !made {
			n.c.AddTable(table())
		}
		made = true
		if err := n.addSets(table(), p); err != nil {
			return fmt.Errorf("shield: %w", err)
		}
	}
	if made {
		if err := n.commit("make the sets"); err != nil {
			return err
		}
	}
	for _, p := range ports {
		for k, vips := range wanted[p] {
			if err := n.edit(setOf(table(), p, k), minus(vips, have.sets[setName(p, k)]), n.c.SetAddElements); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeRest takes away the addresses and sets that are not wanted.
func (n *nft) removeRest(have state, wanted map[port]*addrs, ports []port) error {
	kept := map[string]bool{}
	for _, p := range ports {
		for k, vips := range wanted[p] {
			kept[setName(p, k)] = true
			if err := n.edit(setOf(table(), p, k), minus(have.sets[setName(p, k)], vips), n.c.SetDeleteElements); err != nil {
				return err
			}
		}
	}
	removed := false
	for name := range have.sets {
		if !kept[name] {
			n.c.DelSet(&nftables.Set{Table: table(), Name: name})
			removed = true
		}
	}
	if !removed {
		return nil
	}
	return n.commit("remove the sets of other interfaces")
}

// edit adds or removes addresses of a set, some at a time.
func (n *nft) edit(set *nftables.Set, vips []netip.Addr, do func(*nftables.Set, []nftables.SetElement) error) error {
	for part := range slices.Chunk(vips, atOnce) {
		elements := make([]nftables.SetElement, 0, len(part))
		for _, vip := range part {
			elements = append(elements, nftables.SetElement{Key: vip.AsSlice()})
		}
		if err := do(set, elements); err != nil {
			return fmt.Errorf("shield: %w", err)
		}
		if err := n.commit("edit set " + set.Name); err != nil {
			return err
		}
	}
	return nil
}

// fixChains makes the chains, in one transaction: no frame meets half of them.
func (n *nft) fixChains(have state, ports []port) error {
	fixed := false
	if !slices.Equal(have.chains[hidden], hiddenComments) {
		if have.chains[hidden] != nil {
			n.c.FlushChain(&nftables.Chain{Table: table(), Name: hidden})
		}
		n.addHidden(table())
		fixed = true
	}
	kept := map[string]bool{hidden: true}
	for _, p := range ports {
		kept[p.name] = true
		if slices.Equal(have.chains[p.name], chainComments(p)) {
			continue
		}
		if have.chains[p.name] != nil {
			n.c.DelChain(&nftables.Chain{Table: table(), Name: p.name})
		}
		n.addChain(table(), p)
		fixed = true
	}
	for name := range have.chains {
		if !kept[name] {
			n.c.DelChain(&nftables.Chain{Table: table(), Name: name})
			fixed = true
		}
	}
	if !fixed {
		return nil
	}
	return n.commit("make the chains at ingress")
}

// missing names what is wanted and not there.
func (n *nft) missing(wanted map[port]*addrs) ([]string, error) {
	have, err := n.read()
	if err != nil || len(wanted) == 0 {
		return nil, err
	}
	if !have.there {
		return []string{"nftables: table netdev " + Table}, nil
	}
	var all []string
	if !slices.Equal(have.chains[hidden], hiddenComments) {
		all = append(all, "nftables: chain "+hidden)
	}
	for _, p := range ordered(wanted) {
		if !slices.Equal(have.chains[p.name], chainComments(p)) {
			all = append(all, "nftables: chain "+p.name)
		}
		for k, vips := range wanted[p] {
			for _, vip := range minus(vips, have.sets[setName(p, k)]) {
				all = append(all, fmt.Sprintf("nftables: %s in set %s", vip, setName(p, k)))
			}
		}
	}
	return all, nil
}

// clean removes the table.
func (n *nft) clean() error {
	n.c.AddTable(table()) // so that there is one to be deleted
	n.c.DelTable(table())
	return n.commit("remove table netdev " + Table)
}

// minus are the addresses of a that b has not, in their order.
func minus(a, b map[netip.Addr]bool) []netip.Addr {
	var all []netip.Addr
	for x := range a {
		if !b[x] {
			all = append(all, x)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return all
}

// guards are the guards that a state has.
func (s state) guards() []Guard {
	var all []Guard
	for name := range s.chains {
		for k := range families {
			for vip := range s.sets[setName(port{name: name}, k)] {
				all = append(all, Guard{VIP: vip, Interface: name})
			}
		}
	}
	return all
}
