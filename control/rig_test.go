package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lvsdr/control/actor/actortest"
	"lvsdr/control/api"
	"lvsdr/control/check"
	"lvsdr/control/hostnet"
	"lvsdr/control/keepalived"
	"lvsdr/control/site"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

var (
	eth0 = hostnet.Link{Name: "eth0", Index: 2, MAC: frame.MAC{2, 0, 0, 0, 0, 2}, MTU: 1500, Up: true, Kind: "device"}
	eth1 = hostnet.Link{Name: "eth1", Index: 3, MAC: frame.MAC{2, 0, 0, 0, 0, 3}, MTU: 9000, Up: true, Kind: "device"}
)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

// network is a host with 192.168.1.0/24 on the first link and 10.0.0.0/8 on the
// second; the rest is behind a router.
func network(links ...hostnet.Link) *hostnet.Snapshot {
	s := &hostnet.Snapshot{Links: links, HidesLocal: true}
	for _, l := range links {
		addr, net := ip("192.168.1.10"), netip.MustParsePrefix("192.168.1.0/24")
		if l.Name == eth1.Name {
			addr, net = ip("10.0.0.10"), netip.MustParsePrefix("10.0.0.0/8")
		}
		s.Addrs = append(s.Addrs, hostnet.Addr{Link: l.Index, Prefix: netip.PrefixFrom(addr, net.Bits())})
		s.Routes = append(s.Routes, hostnet.Route{To: net, Link: l.Index, Source: addr})
	}
	return s
}

// service is the text of a TCP service on port 80 without persistence, with these
// server lines: "ADDR words".
func service(vip string, servers ...string) string {
	var b strings.Builder
	b.WriteString("virtual_server " + vip + " 80 {\n lb_algo wrr\n lb_kind DR\n protocol TCP\n persistence_timeout 0\n")
	for _, s := range servers {
		addr, more, _ := strings.Cut(s, " ")
		b.WriteString(" real_server " + addr + " 80 {\n" + strings.ReplaceAll(more, ";", "\n") + "\n }\n")
	}
	return b.String() + "}\n"
}

// checkedServer is a server line with a check that never runs by itself.
func checkedServer(addr string) string { return addr + " TCP_CHECK { ; connect_port 1 ; }" }

// parse is a Loader of text.
func parse(text string) (*keepalived.Config, keepalived.Diagnostics, error) {
	return keepalived.Load("test.conf", keepalived.Options{IPv6: true, Files: keepalived.Files{
		Open: func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
	}})
}

// A rig is a loop with fakes of its actors, in a bubble of virtual time.
type rig struct {
	*testing.T
	*actortest.Fakes
	l        *loop
	file     string // what Load reads
	loadErr  error
	log      bytes.Buffer // read it while the loop rests
	notified []string     // but status lines
	statuses []string
	stop     func() error // ends the loop
	zero     time.Time
}

// bubble runs f in virtual time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// newRig makes a rig that is not started, to be set up.
func newRig(t *testing.T, file string) *rig {
	r := &rig{T: t, Fakes: actortest.New(network(eth0, eth1)), file: file, zero: time.Now()}
	o := &Options{Version: "test", Log: slog.New(slog.NewTextHandler(&r.log, nil)), Notify: r.told,
		Load: func() (*keepalived.Config, keepalived.Diagnostics, error) {
			if r.loadErr != nil {
				return nil, nil, r.loadErr
			}
			return parse(r.file)
		}}
	r.l = newLoop(o, func() time.Duration { return time.Since(r.zero) })
	r.l.use(o, r.Actors())
	r.l.patience = 0 // answers come when the test gives them
	return r
}

// told takes a message to the service manager.
func (r *rig) told(s string) {
	if line, ok := strings.CutPrefix(s, "STATUS="); ok {
		r.statuses = append(r.statuses, line)
		return
	}
	r.notified = append(r.notified, s)
}

// start runs the loop with its file in force. It is stopped at the end of the
// test.
func (r *rig) start() *rig {
	r.Helper()
	var first loaded
	if r.file != "" {
		first.cfg, first.found, first.err = parse(r.file)
		if first.err != nil {
			r.Fatal(first.err)
		}
	}
	ctx, cancel := context.WithCancel(r.Context())
	done := make(chan error, 1)
	go func() { done <- r.l.run(ctx, first, nil) }()
	r.stop = func() error {
		cancel()
		return <-done
	}
	r.Cleanup(func() { cancel(); synctest.Wait() })
	synctest.Wait()
	return r
}

// running is a rig whose VIPs are announced.
func running(t *testing.T, file string) *rig {
	t.Helper()
	r := newRig(t, file).start()
	r.resolve()
	return r
}

// put gives the loop a message and waits until it rests.
func (r *rig) put(m any) {
	r.l.box.put(nil, m)
	synctest.Wait()
}

// pass lets time go by.
func (r *rig) pass(d time.Duration) {
	// The race detector does not see that a timer of the loop ends because the
	// test sleeps; the lock tells it that the test has read what it wanted to.
	r.l.box.mu.Lock()
	r.l.box.mu.Unlock() //nolint:staticcheck // see above
	time.Sleep(d)       // virtual
	synctest.Wait()
}

// mac is the MAC address of a real server.
func mac(a netip.Addr) frame.MAC { return frame.MAC{2, 0, 1, 0, 0, a.AsSlice()[3]} }

// resolve answers for all real servers that are asked for.
func (r *rig) resolve() {
	for _, t := range slices.Clone(r.Targets) {
		r.put(site.Neighbour{Addr: t.IP, Ifindex: int(t.Ifindex), MAC: mac(t.IP)})
	}
}

// check reports the outcome of the check of a real server.
func (r *rig) check(server string, up bool) {
	r.Helper()
	for _, c := range r.l.state.Checks() {
		if strings.HasPrefix(c.ID, "["+server+"]") {
			change := check.Change{ID: c.ID, Up: up}
			if !up {
				change.Result.Err = errors.New("connection refused")
			}
			r.l.checked(change)
			synctest.Wait()
			return
		}
	}
	r.Errorf("no check of %s", server)
}

// reload has the loop read text.
func (r *rig) reload(text string) (*api.Reloaded, error) {
	r.file = text
	type outcome struct {
		*api.Reloaded
		error
	}
	done := make(chan outcome, 1)
	go func() {
		d, err := r.l.Reload(r.Context())
		done <- outcome{d, err}
	}()
	r.pass(2 * neighbourPatience)
	select {
	case o := <-done:
		return o.Reloaded, o.error
	default:
		r.Fatal("the reload does not end")
		return nil, nil
	}
}

// key is the key of the TCP service of a VIP.
func key(vip string) dataplane.ServiceKey {
	return dataplane.ServiceKey{Proto: frame.ProtoTCP, Addr: frame.AddrFrom(ip(vip)), Port: 80}
}

// server is a real server on port 80.
func server(addr string, weight int) dataplane.ServerConfig {
	return dataplane.ServerConfig{Addr: frame.AddrFrom(ip(addr)), Port: 80, Weight: weight}
}

// edit asks for edits as ipvsadm does.
func (r *rig) edit(edits ...site.Edit) []error {
	reply := make(chan []error, 1)
	r.put(editRequest{event: site.Admin{Edits: edits}, edits: edits, reply: reply})
	return <-reply
}

// add is the edits that make a service with servers.
func add(vip string, servers ...dataplane.ServerConfig) []site.Edit {
	s := dataplane.ServiceConfig{Key: key(vip), Scheduler: "rr"}
	all := []site.Edit{{Op: site.AddService, Service: s}}
	for _, c := range servers {
		all = append(all, site.Edit{Op: site.AddServer, Service: s, Server: c})
	}
	return all
}

// content returns the services of the engine: "VIP: SERVER*WEIGHT ...", in order.
func (r *rig) content() []string { return content(r.Table) }

func content(t *site.Table) []string {
	var all []string
	for s := range t.All() {
		line := s.Config.Key.Addr.String() + ":"
		for _, c := range s.Servers {
			line += fmt.Sprintf(" %s*%d", c.Config.Addr, c.Config.Weight)
		}
		all = append(all, line)
	}
	return all
}

// world is everything the actors have.
func (r *rig) world() string {
	var b strings.Builder
	fmt.Fprintln(&b, "engine", r.content())
	own := []string{}
	for _, a := range r.Own {
		own = append(own, a.String())
	}
	slices.Sort(own)
	fmt.Fprintln(&b, "own", own)
	for _, a := range slices.SortedFunc(maps.Keys(r.Hops), netip.Addr.Compare) {
		fmt.Fprintln(&b, "hop", a, r.Hops[a].MAC, r.Hops[a].Link)
	}
	fmt.Fprintln(&b, "timeouts", r.Timeouts)
	var guards []string
	for g := range r.Guards {
		guards = append(guards, g.VIP.String()+" "+g.Interface)
	}
	slices.Sort(guards)
	fmt.Fprintln(&b, "guards", guards)
	fmt.Fprintln(&b, "interfaces", slices.Sorted(maps.Keys(r.NICs)), r.Received())
	var targets []string
	for _, t := range r.Targets {
		targets = append(targets, fmt.Sprint(t))
	}
	slices.Sort(targets)
	fmt.Fprintln(&b, "targets", targets)
	for _, a := range r.Announced() {
		fmt.Fprintln(&b, "announced", r.VIPs[a])
	}
	for _, c := range r.Checks {
		fmt.Fprintln(&b, "check", c.ID, c.Probe)
	}
	fmt.Fprintln(&b, "paths", r.Paths)
	fmt.Fprintln(&b, "redirects", r.Redirects)
	return b.String()
}

// lines are the log's lines that contain words.
func (r *rig) lines(words string) int { return strings.Count(r.log.String(), words) }
