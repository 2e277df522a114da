package keepalived

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// vrrp holds the names in the blocks of VRRP, the lines that refer to them, and what
// is made of the blocks.
type vrrp struct {
	version   string // of global_defs; empty if it is absent
	instances map[string]bool
	routers   map[string]bool  // virtual router ID, interface and family
	grouped   map[string]*Node // the vrrp_sync_group of each instance that is in one
	// tracked are the names that vrrp_script, track_file and bfd_instance define, by
	// the word that refers to them.
	tracked map[string]map[string]bool
	uses    []use
	groups  []*Node
	// tracks are the uses of each instance, and its lines of track_interface, by which
	// its priority may change. weighs are the vrrp_scripts with a weight.
	tracks map[string][]use
	weighs map[string]bool
	drafts []instanceDraft
	// preferences counts the rules without one, of IPv4 and IPv6.
	preferences [2]uint32
	made        VRRP
}

// A use is a line that refers to a name.
type use struct {
	word string // the block it is in
	line *Node
}

// all are the lines of n whose keyword is one of words.
func (n *Node) all(words ...string) []*Node {
	var found []*Node
	for _, c := range n.Children {
		if slices.Contains(words, c.Keyword) {
			found = append(found, c)
		}
	}
	return found
}

// last is the last line with this keyword; nil: there is none.
func (n *Node) last(word string) *Node {
	lines := n.all(word)
	if len(lines) == 0 {
		return nil
	}
	return lines[len(lines)-1]
}

// value is the first value of the last line with this keyword, or "".
func (n *Node) value(word string) string {
	line := n.last(word)
	if line == nil || len(line.Args) == 0 {
		return ""
	}
	return line.Args[0]
}

// lines are the data lines of all blocks of n with one of these keywords.
func (n *Node) lines(words ...string) []*Node {
	var found []*Node
	for _, c := range n.all(words...) {
		found = append(found, c.Children...)
	}
	return found
}

// endInstance reports what keepalived says about a whole vrrp_instance.
func (r *reader) endInstance(n *Node) {
	if len(n.all("virtual_router_id")) == 0 {
		r.add(n, Warning, "has no virtual_router_id, and keepalived leaves the block out")
		return
	}
	bad := false
	if len(n.Args) > 1 {
		bad = true
		r.add(n, Warning, "has %d names, and keepalived leaves the block out", len(n.Args))
	}
	switch named, vrf := n.value("interface") != "", n.last("vrf"); {
	case vrf == nil && !named:
		bad = true
		r.add(n, Warning, "has no interface, and keepalived leaves the block out")
	case vrf != nil && named:
		r.add(vrf, Warning, "does not count beside interface")
	case vrf != nil:
		r.diags.put(Diagnostic{Pos: n.Pos, Severity: Error, Keyword: n.Keyword, LeftOut: true, Counts: AsGood,
			Text: "has no interface but a vrf, and the instance is left out; adverts are heard by interface: name the interface"})
	}
	name := n.Args[0]
	if r.vrrp.instances[name] {
		bad = true
		r.add(n, Warning, "%s is defined already, and keepalived leaves the second out", name)
	}
	r.vrrp.instances[name] = true
	is6, any := r.checkFamily(n)
	if !any {
		r.add(n, Warning, "%s has no address that keepalived can take", name)
		bad = bad || len(n.all("no_virtual_ipaddress")) == 0
	}
	router := fmt.Sprint(n.value("virtual_router_id"), " ", n.value("interface"), " ", is6)
	if r.vrrp.routers[router] {
		bad = true
		r.add(n, Warning, "has the virtual_router_id of another instance on %s", n.value("interface"))
	}
	r.vrrp.routers[router] = true
	for _, word := range []string{"track_script", "track_file", "track_bfd"} {
		for _, line := range n.lines(word) {
			r.vrrp.uses = append(r.vrrp.uses, use{word, line})
		}
	}
	for _, word := range []string{"track_script", "track_file", "track_bfd", "track_interface"} {
		for _, line := range n.lines(word) {
			r.vrrp.tracks[name] = append(r.vrrp.tracks[name], use{word, line})
		}
	}
	r.checkTwice(n)
	r.checkPreemption(n)
	r.checkUnicast(n)
	r.checkVersion(n, is6)
	if !bad && n.good("virtual_router_id", numbers(1, 255)) != nil && n.text("interface") != "" {
		r.vrrp.drafts = append(r.vrrp.drafts, instanceDraft{n, is6})
	}
}

// checkFamily reports addresses that are not of n's family; any says that there
// is one that is.
func (r *reader) checkFamily(n *Node) (is6, any bool) {
	is6 = len(n.all("native_ipv6")) > 0
	for _, line := range n.lines("virtual_ipaddress") {
		a, _, err := prefixed(line.Keyword)
		if err != nil || isAddressLine(line.fields()) != nil && !a.IsValid() {
			continue
		}
		if !any && len(n.all("native_ipv6")) == 0 {
			is6 = a.Is6()
		}
		if a.Is6() != is6 {
			r.add(line, Warning, "is of another address family than its vrrp_instance, and keepalived leaves it out")
			continue
		}
		any = true
	}
	for _, line := range n.lines("unicast_peer") {
		if a, err := parseIP(line.Keyword); err == nil && any && a.Is6() != is6 {
			r.add(line, Warning, "is of another address family than the addresses of its vrrp_instance")
		}
	}
	return is6, any
}

// checkTwice reports lines that track the same thing twice, or the own interface.
func (r *reader) checkTwice(n *Node) {
	for _, word := range []string{"track_interface", "track_script", "track_file", "track_bfd"} {
		seen := map[string]bool{}
		for _, line := range n.lines(word) {
			if seen[line.Keyword] {
				r.add(line, Warning, "is in %s twice", word)
			}
			seen[line.Keyword] = true
			if word == "track_interface" && line.Keyword == n.value("interface") {
				r.add(line, Warning, "is the instance's own interface, which is always tracked")
			}
		}
	}
}

func (r *reader) checkPreemption(n *Node) {
	stays, delays := len(n.all("nopreempt")) > 0, n.value("preempt_delay") != "" && n.value("preempt_delay") != "0"
	if n.value("state") == "MASTER" && (stays || delays) {
		r.add(n, Warning, "nopreempt and preempt_delay do nothing with state MASTER: write state BACKUP")
	}
	if stays && delays {
		r.add(n, Warning, "nopreempt and preempt_delay exclude each other")
	}
}

// checkUnicast reports words that need peers or a MAC address of their own.
func (r *reader) checkUnicast(n *Node) {
	unicast := n.all("unicast_src_ip", "unicast_peer", "check_unicast_src", "old_unicast_checksum", "unicast_ttl")
	peer := func(line *Node) bool { return isPeerLine(line.fields()) == nil }
	if len(unicast) > 0 && !slices.ContainsFunc(n.lines("unicast_peer"), peer) {
		r.add(unicast[0], Warning, "needs a unicast_peer block with an address in it")
	}
	if base := n.all("vmac_xmit_base"); len(base) > 0 && len(n.all("use_vmac")) == 0 {
		r.add(base[0], Warning, "needs use_vmac")
	}
}

// checkVersion reports what does not go with n's version of VRRP.
func (r *reader) checkVersion(n *Node, is6 bool) {
	version := n.value("version")
	if version == "" {
		version = r.vrrp.version
	}
	if is6 {
		version = "3"
	}
	auth := n.all("authentication")
	switch {
	case len(auth) == 0:
	case version == "3":
		r.add(auth[0], Warning, "version 3 of VRRP has no authentication")
	case auth[0].value("auth_type") != "" && auth[0].value("auth_pass") == "":
		r.add(auth[0], Warning, "has no auth_pass, and keepalived leaves the block out")
	}
	every := n.all("advert_int")
	if len(every) == 0 || len(every[0].Args) == 0 {
		return
	}
	d, err := parseTimer(every[0].Args[0], 10*time.Millisecond, 255*time.Second)
	switch {
	case err != nil: // reported with the line
	case version == "3" && d > 40950*time.Millisecond:
		r.add(every[0], Warning, "is at most 40.95 with version 3 of VRRP")
	case version != "3" && d%time.Second != 0:
		r.add(every[0], Warning, "is a whole number of seconds with version 2 of VRRP")
	}
}

// maxPassword is how many bytes of a password an advert has.
const maxPassword = 8

// isPassword tests auth_pass, of which keepalived takes eight characters.
func isPassword(args []string) error {
	if len(args[0]) > maxPassword {
		return fmt.Errorf("is longer than %d characters", maxPassword)
	}
	return nil
}

// defines is the end function of a block with a name that word refers to.
func defines(word string) func(*reader, *Node) {
	return func(r *reader, n *Node) {
		if r.vrrp.tracked[word] == nil {
			r.vrrp.tracked[word] = map[string]bool{}
		}
		r.vrrp.tracked[word][n.Args[0]] = true
	}
}

// endSyncGroup keeps a vrrp_sync_group until all instances are read.
func (r *reader) endSyncGroup(n *Node) {
	if len(n.Args) != 1 {
		r.add(n, Warning, "needs one name, and keepalived leaves the block out")
		return
	}
	r.vrrp.groups = append(r.vrrp.groups, n)
}

// reportNames reports names that nothing has, when all blocks are read.
func (r *reader) reportNames() {
	for _, u := range r.vrrp.uses {
		if !r.vrrp.tracked[u.word][u.line.Keyword] {
			r.add(u.line, Warning, "%s: nothing has this name, and keepalived leaves the line out", u.word)
		}
	}
	for _, g := range r.vrrp.groups {
		r.reportSyncGroup(g)
	}
}

// reportSyncGroup reports the members of a group that are not there or in another
// one too, and a group of fewer than two.
func (r *reader) reportSyncGroup(g *Node) {
	members := 0
	for _, line := range g.lines("group") {
		for _, name := range line.fields() {
			switch {
			case !r.vrrp.instances[name]:
				r.add(line, Warning, "there is no vrrp_instance %s", name)
				continue
			case r.vrrp.grouped[name] != nil:
				r.add(line, Warning, "%s is in a vrrp_sync_group already", name)
				continue
			}
			r.vrrp.grouped[name] = g
			members++
		}
	}
	r.reportGroupWeights(g)
	if members < 2 {
		r.add(g, Warning, "needs two instances or more, and has %d", members)
	}
}

// reportGroupWeights reports what would change the priority of one member of a group:
// keepalived ignores it, unless the group has sync_group_tracking_weight.
func (r *reader) reportGroupWeights(g *Node) {
	if len(g.all("global_tracking")) > 0 {
		r.add(g, Warning, "global_tracking is deprecated; track in the group itself")
	}
	if len(g.all("sync_group_tracking_weight")) > 0 {
		return
	}
	for _, line := range g.lines("group") {
		for _, name := range line.fields() {
			for _, u := range r.vrrp.tracks[name] {
				if u.weighs(r.vrrp.weighs) {
					r.add(u.line, Warning, "%s: keepalived ignores its weight, since %s is in a vrrp_sync_group", u.word, name)
				}
			}
		}
	}
}

// weighs reports whether what a line tracks changes a priority: the weight of a line
// without one is that of its script, and 1 of a file.
func (u use) weighs(scripts map[string]bool) bool {
	for i, word := range u.line.Args {
		if word == "weight" && i+1 < len(u.line.Args) {
			w, err := strconv.Atoi(u.line.Args[i+1])
			return err == nil && w != 0
		}
	}
	return u.word == "track_file" || u.word == "track_script" && scripts[u.line.Keyword]
}

// setVRRPVersion notes the version of instances that do not say theirs.
func (r *reader) setVRRPVersion(n *Node) {
	if err := integers(2, 3)(n.Args); err != nil {
		r.add(n, Warning, "%v, and keepalived leaves the line out", err)
		return
	}
	r.vrrp.version = strings.Clone(n.Args[0])
}
