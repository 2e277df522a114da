package keepalived

import (
	"slices"
	"strings"
	"time"
)

// maxExtraInterfaces is the longest time of garp_extra_if in seconds: a day.
const maxExtraInterfaces = 86400

// isExtraInterfaces tests [all] N: seconds from lo on. As with keepalived the last value is N.
func isExtraInterfaces(lo uint32) valueTest {
	return func(args []string) error {
		if len(args) == 0 || len(args) == 1 && args[0] == "all" {
			return errMissing
		}
		_, err := parseNumber(args[len(args)-1], lo, maxExtraInterfaces)
		return err
	}
}

// renamedTo is an old name of a word of today, which counts where there is none of today.
func renamedTo(today, name string, lo uint32) []word {
	return []word{{name: name, status: renamed, max: anyArgs, set: func(r *reader, n *Node) {
		r.add(n, Warning, "is deprecated; write %s", today)
		if err := isExtraInterfaces(lo)(n.Args); err != nil {
			r.add(n, Warning, "%v, and keepalived leaves the line out", err)
		}
	}}}
}

// extraInterfaces reads [all] N of n's last good line with this keyword or the old one.
func (n *Node) extraInterfaces(word, old string, g GARP) (time.Duration, bool) {
	line := n.good(word, isExtraInterfaces(0))
	if line == nil {
		line = n.good(old, isExtraInterfaces(0))
	}
	if line == nil {
		return g.Extra, g.ExtraAll
	}
	v, _ := parseNumber(line.Args[len(line.Args)-1], 0, maxExtraInterfaces) // the test has taken it
	return time.Duration(v) * time.Second, v > 0 && line.Args[0] == "all"
}

// garpGroup is the block garp_group.
func garpGroup() word {
	const longest = (1<<31 - 1) * time.Microsecond
	ws := tested(withValue("garp_interval gna_interval interface", names(used, "garp_interval gna_interval interface")),
		rule{"garp_interval gna_interval", seconds(0, longest)})
	return verbatim(word{name: "garp_group", max: anyArgs, end: (*reader).endGARPGroup,
		block: &block{name: "garp_group", words: slices.Concat(ws, inUse(dataBlocks("interfaces")))}})
}

// endGARPGroup makes a GARPGroup of the block n.
func (r *reader) endGARPGroup(n *Node) {
	const longest = (1<<31 - 1) * time.Microsecond
	if n.good("garp_interval", seconds(0, longest)) == nil && n.good("gna_interval", seconds(0, longest)) == nil {
		r.add(n, Warning, "has no interval, and keepalived leaves the block out")
		return
	}
	g := GARPGroup{GARPInterval: n.timer("garp_interval", 0, longest, 0), GNAInterval: n.timer("gna_interval", 0, longest, 0)}
	add := func(line *Node, name string) {
		if slices.Contains(g.Interfaces, name) || slices.ContainsFunc(r.vrrp.made.GARPGroups, func(o GARPGroup) bool { return slices.Contains(o.Interfaces, name) }) {
			r.add(line, Warning, "%s is in a garp_group already; this line does not count", name)
			return
		}
		g.Interfaces = append(g.Interfaces, strings.Clone(name))
	}
	for _, line := range n.all("interface") {
		if len(line.Args) > 0 {
			add(line, line.Args[0])
		}
	}
	for _, block := range n.all("interfaces") {
		if len(block.Children) == 0 {
			r.add(block, Warning, "names no interface")
		}
		for _, line := range block.Children {
			for _, name := range line.fields() {
				add(line, name)
			}
		}
	}
	r.vrrp.made.GARPGroups = append(r.vrrp.made.GARPGroups, g)
}
