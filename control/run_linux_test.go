package control

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"lvsdr/bench/netns"
	"lvsdr/control/api"
	"lvsdr/control/keepalived"
	"lvsdr/control/localclient"
	"lvsdr/dataplane"
)

func TestMain(m *testing.M) { os.Exit(netns.RunTests(m)) }

// A lab is a network with a director's host, which is the test's own, a real
// server that has both VIPs and answers on port 80, and a client.
type lab struct {
	*testing.T
	director, server, client *netns.Host
	sw                       *netns.Switch
	watchdog                 time.Duration // of directors
	metrics, ipvsProc        string        // of directors
}

func newLab(t *testing.T) *lab {
	t.Helper()
	netns.Require(t)
	sw, err := netns.NewSwitch("switch")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sw.Close() })
	w := &lab{T: t, sw: sw, director: netns.NewTestHere(t, "director", netns.HostConfig{}),
		server: netns.NewTestHost(t, "rs1", netns.HostConfig{}), client: netns.NewTestHost(t, "client", netns.HostConfig{})}
	for h, addr := range map[*netns.Host]string{w.director: "192.168.1.10/24", w.server: rs1 + "/24", w.client: "192.168.1.50/24"} {
		w.connect(h, addr)
	}
	for _, a := range []string{vip, other} {
		if err := w.server.AddAddr("lo", netip.PrefixFrom(ip(a), 32)); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"net.ipv4.conf.all.arp_ignore", "net.ipv4.conf.all.arp_announce"} {
		value := map[bool]string{true: "1", false: "2"}[strings.HasSuffix(key, "ignore")]
		if err := w.server.Sysctl(key, value); err != nil {
			t.Fatal(err)
		}
	}
	l, err := w.server.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "hello")
			c.Close()
		}
	}()
	return w
}

func (w *lab) connect(h *netns.Host, addr string) {
	w.Helper()
	if err := w.sw.Connect(w.Context(), h, netns.Cable{Addrs: []netip.Prefix{netip.MustParsePrefix(addr)}}); err != nil {
		w.Fatal(err)
	}
}

// served reports whether h is answered at port 80 of addr.
func (w *lab) served(h *netns.Host, addr string) bool {
	c, err := h.Dial(w.Context(), "tcp", addr+":80")
	if err != nil {
		return false
	}
	defer c.Close()
	b, err := io.ReadAll(c)
	return err == nil && string(b) == "hello"
}

// A text is a log, or what is told a service manager.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *text) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(b)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

// An instance is a director that runs, with its file.
type instance struct {
	*lab
	o      Options
	file   func() string
	log    text
	told   text
	reload chan struct{}
	ask    *api.Client
	done   chan error
	stop   context.CancelFunc
}

// run runs a director with a file; empty: without one.
func (w *lab) run(file string) *instance {
	w.Helper()
	dir, release, err := netns.TempDir()
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = release() })
	d := &instance{lab: w, file: func() string { return file }, reload: make(chan struct{}), done: make(chan error, 1)}
	d.o = Options{Watchdog: w.watchdog, Metrics: w.metrics, IPVSProc: w.ipvsProc, Socket: filepath.Join(dir, "s"), Workers: 2, LocalClients: true, XDP: true, Version: "test", Tunables: dataplane.DefaultTunables(),
		Log: slog.New(slog.NewTextHandler(&d.log, nil)), Notify: func(s string) { _, _ = d.told.Write([]byte(s + " ")) }}
	if file != "" {
		d.o.Load = func() (*keepalived.Config, keepalived.Diagnostics, error) { return parse(d.file()) }
	}
	d.ask = api.NewClient(d.o.Socket)
	ctx, stop := context.WithCancel(w.Context())
	d.stop = stop
	go func() { d.done <- Run(ctx, d.o, d.reload) }()
	w.Cleanup(func() { stop() })
	netns.Eventually(w, "READY=1", func() bool { return strings.Contains(d.told.String(), "READY=1") || len(d.done) > 0 })
	return d
}

// end ends the director and wants nothing of it to be left on its host.
func (d *instance) end() {
	d.Helper()
	d.stop()
	if err := <-d.done; err != nil {
		d.Errorf("the director ended with %v", err)
	}
	if told := d.told.String(); !strings.HasSuffix(told, "STOPPING=1 ") || !strings.Contains(d.log.String(), "msg=stopping") {
		d.Errorf("told %q; log:\n%s", told, &d.log)
	}
	if links, err := netlink.LinkList(); err != nil || slices.ContainsFunc(links, func(l netlink.Link) bool { return l.Attrs().Name == localclient.HostEnd }) {
		d.Errorf("the interfaces of clients on this host are left, or %v", err)
	}
	rules, err := netlink.RuleList(netlink.FAMILY_V4)
	if err != nil || len(rules) != 3 {
		d.Errorf("rules %v, %v; want the kernel's three", rules, err)
	}
}

func TestADirectorServesAndLeavesItsHostAsItWas(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	w := newLab(t)
	d := w.run(service(vip, rs1+" TCP_CHECK { ; }"))
	if !w.served(w.client, vip) {
		t.Errorf("the client is not served; log:\n%s", &d.log)
	}
	if !w.served(w.director, vip) {
		t.Errorf("the director's own host is not served; log:\n%s", &d.log)
	}
	st, err := d.ask.Status(t.Context())
	if err != nil || !st.Active || len(st.Services) != 1 || st.Local != "served" || st.Services[0].Servers[0].MAC == "" || st.Ports["eth0"].Received == 0 {
		t.Errorf("status %+v, %v", st, err)
	}
	if err := Run(t.Context(), d.o, nil); err == nil || !strings.Contains(err.Error(), "another director") {
		t.Errorf("a second one: %v", err)
	}
	x, err := d.ask.Explain(t.Context(), api.Question{Client: ip("192.168.1.50"), VIP: ip(vip), Port: 80})
	if err != nil || x.Server == nil || x.Server.Address != ip(rs1) {
		t.Errorf("explained as %+v, %v", x, err)
	}
	d.end()
}

func TestADirectorMadeUpByIpvsadmAlone(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	w := newLab(t)
	d := w.run("")
	s := wireService(vip)
	errs, err := d.ask.Edit(t.Context(), []api.Edit{{Op: api.AddService, Service: s}, {Op: api.AddServer, Service: s, Server: wireServer(rs1, 1)},
		{Op: api.AddService, Service: wireService("203.0.113.1")}})
	if err != nil || errs[0] != nil || errs[1] != nil || errs[2] == nil || !strings.Contains(errs[2].Error(), "-i") {
		t.Fatalf("errors %v, %v", errs, err)
	}
	netns.Eventually(t, "the client to be served", func() bool { return w.served(w.client, vip) })
	if _, err := d.ask.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "without a configuration file") {
		t.Errorf("a reload: %v", err)
	}
	if errs, err := d.ask.Edit(t.Context(), []api.Edit{{Op: api.Flush}}); err != nil || errs[0] != nil {
		t.Errorf("flush: %v, %v", errs, err)
	}
	d.end()
}

func TestAReloadOfARunningDirector(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	w := newLab(t)
	d := w.run(service(vip, rs1))
	both := service(vip, rs1) + service(other, rs1)
	d.file = func() string { return both }
	done, err := d.ask.Reload(t.Context())
	if err != nil || len(done.Changes) != 2 || len(done.Problems) != 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	if !w.served(w.client, other) || !w.served(w.client, vip) {
		t.Error("not both are served")
	}
	d.file = func() string { return "virtual_server {" }
	if _, err := d.ask.Reload(t.Context()); err == nil {
		t.Error("a broken file was taken")
	}
	d.reload <- struct{}{}
	netns.Eventually(t, "the signal's reload to be refused", func() bool {
		st, err := d.ask.Status(t.Context())
		return err == nil && st.Reloads == 3 && st.ConfigErr != ""
	})
	if !w.served(w.client, other) {
		t.Error("a refused file changed something")
	}
	d.end()
}

// The watchdog of a running director asks the real parts, each of which answers.
func TestTheWatchdogOfAnIdleDirectorIsFed(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	w := newLab(t)
	w.watchdog = 80 * time.Millisecond
	d := w.run(service(vip, rs1+" TCP_CHECK { ; }"))
	netns.Eventually(t, "the watchdog to be fed", func() bool { return strings.Count(d.told.String(), "WATCHDOG=1") >= 5 })
	d.end()
}

// The director's cable is pulled, with its interface, and laid again.
func TestAnInterfaceThatGoesAndComesBack(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	w := newLab(t)
	d := w.run(service(vip, rs1))
	link, err := netlink.LinkByName("eth0")
	if err == nil {
		err = netlink.LinkDel(link)
	}
	if err != nil {
		t.Fatal(err)
	}
	netns.Eventually(t, "a problem", func() bool {
		st, err := d.ask.Status(t.Context())
		return err == nil && len(st.Problems) > 0
	})
	w.connect(w.director, "192.168.1.10/24")
	netns.Eventually(t, "the client to be served again", func() bool { return w.served(w.client, vip) })
	netns.Eventually(t, "no problem to be left", func() bool {
		st, err := d.ask.Status(t.Context())
		return err == nil && len(st.Problems) == 0 && st.Active
	})
	d.end()
}

func TestABadFileTouchesNothing(t *testing.T) {
	w := newLab(t)
	before, err := netlink.RuleList(netlink.FAMILY_V4)
	if err != nil {
		t.Fatal(err)
	}
	missing := errors.New("open test.conf: no such file")
	o := Options{Log: slog.New(slog.DiscardHandler), Notify: func(string) { t.Error("told the service manager") },
		Load: func() (*keepalived.Config, keepalived.Diagnostics, error) { return nil, nil, missing }}
	if err := Run(w.Context(), o, nil); !errors.Is(err, missing) {
		t.Errorf("error %v", err)
	}
	o.Load = func() (*keepalived.Config, keepalived.Diagnostics, error) { return parse(service(vip, rs1) + "frob") }
	if err := Run(w.Context(), o, nil); err == nil || !strings.Contains(err.Error(), "--serve-rest") {
		t.Errorf("a file with an error: %v", err)
	}
	o.Load = func() (*keepalived.Config, keepalived.Diagnostics, error) { return parse(service(vip, rs1)) }
	o.Socket = "/proc/none/s"
	if err := Run(w.Context(), o, nil); err == nil {
		t.Error("it runs without a control socket")
	}
	if after, err := netlink.RuleList(netlink.FAMILY_V4); err != nil || len(after) != len(before) {
		t.Errorf("rules %v, %v", after, err)
	}
}

// On one CPU frames waited 25 ms while a reload ran: the worker had no turn of Go's.
func TestWorkersHaveTurnsToSpareWhereTheUserDoesNotSayHowMany(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	t.Setenv("GOMAXPROCS", "") // as if unset
	runtime.SetDefaultGOMAXPROCS()
	usual := runtime.GOMAXPROCS(0)
	restore := withSpare(2)
	if n := runtime.GOMAXPROCS(0); n != usual+2 {
		t.Errorf("%d goroutines run at a time, want %d more than usual, %d", n, 2, usual)
	}
	restore()
	if n := runtime.GOMAXPROCS(0); n != usual {
		t.Errorf("%d afterwards, want %d", n, usual)
	}
	t.Setenv("GOMAXPROCS", "3")
	withSpare(2)()
	if n := runtime.GOMAXPROCS(0); n != usual {
		t.Errorf("%d where the user says how many, want it left alone", n)
	}
}
