package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"lvsdr/dataplane/frame"
)

// parallel is how many addresses are asked about at a time.
const parallel = 16

// each runs f for every item, at most parallel at a time, and joins what they
// find, in the order of the items.
func each[T any](items []T, f func(T) []Finding) []Finding {
	all := make([][]Finding, len(items))
	places := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for i, item := range items {
		wg.Go(func() {
			places <- struct{}{}
			all[i] = f(item)
			<-places
		})
	}
	wg.Wait()
	return slices.Concat(all...)
}

// notTested says that a question could not be asked.
func notTested(about string, err error) []Finding {
	return []Finding{{Name: NotTested, Severity: Warning, About: about, Text: "this could not be tested from here", Evidence: []string{err.Error()}}}
}

// checkNeighbors asks where the real servers are, and compares with what the
// director goes by.
func checkNeighbors(ctx context.Context, x *Exam) []Finding {
	return each(x.reachable(), func(rs netip.Addr) []Finding {
		n := x.servers[rs]
		claims, err := x.Net.Who(ctx, n.Link, rs)
		about := "real server " + rs.String()
		switch {
		case err != nil:
			return notTested(about, err)
		case len(claims) == 0:
			return []Finding{{Name: RSSilent, Severity: Error, About: about,
				Text:     "nobody answers for the real server's address: it is down, or on another network",
				Evidence: []string{fmt.Sprintf("asked who has %s on %s, as %s: no answer", rs, n.Link.Name, n.Source)},
				Remedy:   "on the real server: ip addr; ip link"}}
		case len(claims) > 1:
			return []Finding{{Name: RSAddressTwice, Severity: Error, About: about,
				Text: "several hosts have the real server's address", Evidence: evidence(claims),
				Remedy: "give one of them another address"}}
		}
		n.mac = claims[0].MAC
		if used := x.usedMAC(rs); used != "" && used != n.mac.String() {
			return []Finding{{Name: RSMACChanged, Severity: Error, About: about,
				Text:     "the director sends to a MAC address that the real server does not have any more",
				Evidence: []string{claims[0].Evidence, "lvsdr status: " + used},
				Remedy:   fmt.Sprintf("on the real server: arping -U -I IFACE -c 3 %s; the director learns it by itself within a minute", rs)}}
		}
		return nil
	})
}

// reachable are the real servers that are on link, in the configuration's order.
func (x *Exam) reachable() []netip.Addr {
	return slices.DeleteFunc(x.realServers(), func(rs netip.Addr) bool { return x.servers[rs] == nil })
}

// usedMAC is the MAC address that the running director sends to.
func (x *Exam) usedMAC(rs netip.Addr) string {
	if x.Status == nil {
		return ""
	}
	for _, s := range x.Status.Services {
		for _, r := range s.Servers {
			if r.Address == rs {
				return r.MAC
			}
		}
	}
	return ""
}

func evidence(claims []Claim) []string {
	var all []string
	for _, c := range claims {
		all = append(all, c.Evidence)
	}
	return all
}

// ownerOf is the real server at a MAC address.
func (x *Exam) ownerOf(mac frame.MAC) (netip.Addr, bool) {
	for _, rs := range x.realServers() {
		if n := x.servers[rs]; n != nil && n.mac == mac || x.usedMAC(rs) == mac.String() {
			return rs, true
		}
	}
	return netip.Addr{}, false
}

// checkClaims asks who has the VIPs. This host does not hear its own question,
// so every answer is one too many.
func checkClaims(ctx context.Context, x *Exam) []Finding {
	placed := slices.DeleteFunc(x.directed(), func(vip netip.Addr) bool { return x.vips[vip].Link == nil })
	return each(placed, func(vip netip.Addr) []Finding {
		claims, err := x.Net.Who(ctx, x.vips[vip].Link, vip)
		if err != nil {
			return notTested(vip.String(), err)
		}
		var found []Finding
		for _, c := range claims {
			found = append(found, x.claim(ctx, vip, c))
		}
		return found
	})
}

// claim judges somebody else's claim to a VIP. With a nil Net, or passively, it
// goes by the MAC address alone.
func (x *Exam) claim(ctx context.Context, vip netip.Addr, c Claim) Finding {
	f := Finding{Severity: Error, About: vip.String(), Evidence: []string{c.Evidence}}
	if rs, ok := x.ownerOf(c.MAC); ok {
		f.Name, f.About = RSAnswersARP, "real server "+rs.String()
		f.Text = fmt.Sprintf("the real server answers ARP for VIP %s, so that clients send past the director", vip)
		f.Remedy = "on the real server: sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2, and the VIP as /32 on lo alone"
		if vip.Is6() {
			f.Text = fmt.Sprintf("the real server answers neighbour solicitations for VIP %s, so that clients send past the director", vip)
			f.Remedy = fmt.Sprintf("on the real server: ip addr del %s/128 dev IFACE; ip addr add %s/128 dev lo", vip, vip)
		}
		return f
	}
	f.Name = TwoDirectors
	f.Text = fmt.Sprintf("another host, at %s, answers for the VIP: another director, or one that has it as an address", c.MAC)
	f.Remedy = "stop one of the two: ip neigh | grep " + c.MAC.String() + " shows the other one's addresses"
	a, ok := x.throughOther(ctx, vip, c.MAC)
	switch {
	case !ok:
	case a.From != c.MAC && a.Outcome == Accepted:
		f.Text = fmt.Sprintf("another director, at %s, serves the VIP: what it is sent for it a real server answers", c.MAC)
		f.Evidence = append(f.Evidence, a.Evidence)
	case a.From == c.MAC && a.Outcome == Accepted:
		f.Name = VIPTaken
		f.Text = fmt.Sprintf("a host at %s, which is no real server of the configuration, has the VIP and answers it itself", c.MAC)
		f.Evidence = append(f.Evidence, a.Evidence)
		f.Remedy = "take the VIP from that host: ip neigh | grep " + c.MAC.String() + " shows its addresses"
	}
	if strings.HasPrefix(c.MAC.String(), "00:00:5e:00:0") {
		f.Text += "; the MAC address is one of VRRP"
	}
	return f
}

// throughOther sends the begin of a connection to a VIP to another host.
func (x *Exam) throughOther(ctx context.Context, vip netip.Addr, mac frame.MAC) (Answer, bool) {
	at := x.vips[vip]
	if x.Passive || !at.Source.IsValid() {
		return Answer{}, false
	}
	for _, vs := range x.Config.VirtualServers {
		if vs.Addr == vip && vs.Port != 0 && vs.Protocol == frame.ProtoTCP {
			a, err := x.Net.Connect(ctx, Probe{Link: at.Link, MAC: mac, Source: at.Source, Dst: vip}, vs.Port)
			return a, err == nil
		}
	}
	return Answer{}, false
}
