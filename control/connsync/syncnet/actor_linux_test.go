package syncnet

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"lvsdr/bench/netns"
	"lvsdr/control/certs"
	"lvsdr/control/certs/certtest"
	"lvsdr/control/connsync/daemon"
)

func TestMain(m *testing.M) { os.Exit(netns.RunTests(m)) }

// A station is a host with an actor.
type station struct {
	*netns.Host
	*Actor
	*fake
	link int
}

// two are two hosts with a cable between their interfaces s0.
func two(t *testing.T) (a, b *station) {
	t.Helper()
	var all []*station
	for _, name := range []string{"lb1", "lb2"} {
		s := &station{Host: netns.NewTestHost(t, name, netns.HostConfig{IPv6: true}), fake: newFake()}
		s.Actor = New(Config{Engine: s.fake, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Wall: time.Now,
			Dial: func(ctx context.Context, to string) (net.Conn, error) { return s.Host.Dial(ctx, "tcp", to) }})
		all = append(all, s)
	}
	at := func(addr, addr6 string) netns.Cable {
		return netns.Cable{Ifname: "s0", Addrs: []netip.Prefix{netip.MustParsePrefix(addr), netip.MustParsePrefix(addr6)}}
	}
	a, b = all[0], all[1]
	if err := netns.Lay(t.Context(), a.Host, at("10.9.0.1/24", "fd09::1/64"), b.Host, at("10.9.0.2/24", "fd09::2/64")); err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		l, err := s.Netlink().LinkByName("s0")
		if err != nil {
			t.Fatal(err)
		}
		s.link = l.Attrs().Index
		t.Cleanup(func() { _ = s.Actor.Close() })
	}
	return a, b
}

// set has the station run daemons.
func (s *station) set(t *testing.T, p daemon.Peering, c daemon.Config, roles ...daemon.Role) {
	t.Helper()
	w := daemon.Wish{Peering: p}
	for _, r := range roles {
		w.Set = w.With(r, c.WithDefaults(r, 1500))
		w.Links[r] = s.link
	}
	if err := s.Do(func() error { return s.Actor.Set(w) }); err != nil {
		t.Fatal(err)
	}
}

// until waits for something to become true.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in 30 s: %s", what)
		}
	}
}

// What one director is told the other has, over IPv4 and IPv6, with a secret and without,
// and the table of before by TCP.
func TestTwoDirectorsShareTheirConnections(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	authority := certtest.New(t, "directors")
	for _, c := range []struct {
		law    string
		config daemon.Config
		peers  daemon.Peering
	}{
		{"IPv4", daemon.Config{Interface: "s0", SyncID: 7}, daemon.Peering{}},
		{"IPv4 with a secret", daemon.Config{Interface: "s0"}, daemon.Peering{Secret: "word"}},
		{"TLS", daemon.Config{Interface: "s0"}, daemon.Peering{TLS: authority.Files("lb")}},
		{"IPv6", daemon.Config{Interface: "s0", Group: netip.MustParseAddr("ff02::81")}, daemon.Peering{}},
		{"configured peers", daemon.Config{Interface: "s0", Port: 9999}, daemon.Peering{Secret: "word",
			Peers: []netip.AddrPort{netip.MustParseAddrPort("10.9.0.1:0"), netip.MustParseAddrPort("10.9.0.2:0")}}},
	} {
		t.Run(c.law, func(t *testing.T) {
			t.Parallel()
			a, b := two(t)
			a.Take(conns(1000)) // before anybody listens
			a.set(t, c.peers, c.config, daemon.Master)
			b.set(t, c.peers, c.config, daemon.Backup)
			until(t, "the table of before has come", func() bool { return b.size() == 1000 })
			until(t, "it is known to be whole", func() bool { return b.Status().Join.State == Done })
			more := conns(1200)[1000:]
			a.Take(more)
			a.tell(more...)
			until(t, "news have come", func() bool { return b.size() == 1200 })
			if !same(a.fake, b.fake) {
				t.Error("the tables differ")
			}
			st := b.Status()
			if len(st.Peers) != 1 || !st.Peers[0].Numbered || st.Peers[0].Lost != 0 || st.Join.Entries != 1000 || !b.backup {
				t.Errorf("the backup: %+v", st)
			}
			if sent := a.Status().Sent; sent.Entries != 200 || sent.Lost != 0 || a.Status().Running.Backup.Runs() {
				t.Errorf("the master: %+v", a.Status())
			}
			b.set(t, c.peers, c.config)
			if b.backup || b.Status().Running != (daemon.Set{}) || b.Status().Received.Entries != 200 {
				t.Errorf("a backup that was stopped: %+v", b.Status())
			}
		})
	}
}

// A director that does not know the secret gets nothing and gives nothing.
func TestADirectorWithoutTheSecretIsNotBelieved(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	a, b := two(t)
	a.Take(conns(100))
	a.set(t, daemon.Peering{Secret: "one"}, daemon.Config{Interface: "s0"}, daemon.Master)
	b.set(t, daemon.Peering{Secret: "other"}, daemon.Config{Interface: "s0"}, daemon.Backup)
	a.tell(conns(100)...)
	until(t, "messages have come", func() bool { return b.Status().Received.Unauthenticated > 3 })
	if b.size() != 0 || len(b.Status().Peers) != 0 {
		t.Errorf("%d entries were taken: %+v", b.size(), b.Status())
	}
}

// A director that is not of the authority gets no table, and status says why.
func TestADirectorWithoutAGoodCertificateGetsNoTable(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	ours, others := certtest.New(t, "ours"), certtest.New(t, "others")
	good := ours.Files("lb1")
	for _, c := range []struct {
		law            string
		master, backup certs.Files
		want           string
	}{
		{"the master is of another authority", others.Files("lb1"), good, "unknown authority"},
		{"the master's has expired", ours.FilesUntil("old", time.Now().Add(-time.Minute)), good, "TLS: the certificate of CN=old has expired at"},
		{"the backup's has expired", good, ours.FilesUntil("old", time.Now().Add(-time.Minute)), "old.pem: the certificate of CN=old has expired at"},
		{"the master has none", certs.Files{}, good, "TLS: "},
		{"the backup has none", good, certs.Files{}, "greeting: "},
	} {
		t.Run(c.law, func(t *testing.T) {
			t.Parallel()
			a, b := two(t)
			a.Take(conns(100))
			a.set(t, daemon.Peering{TLS: c.master}, daemon.Config{Interface: "s0"}, daemon.Master)
			b.set(t, daemon.Peering{TLS: c.backup}, daemon.Config{Interface: "s0"}, daemon.Backup)
			var join Join
			until(t, "an attempt has failed", func() bool {
				join = b.Status().Join
				return join.State == Failed
			})
			if b.size() != 0 || !strings.Contains(join.Error, c.want) {
				t.Errorf("%d entries were taken; status says %q, want %q", b.size(), join.Error, c.want)
			}
		})
	}
	a, _ := two(t)
	w := daemon.Wish{Set: daemon.Set{Master: daemon.Config{Interface: "s0"}.WithDefaults(daemon.Master, 1500)}, Peering: daemon.Peering{TLS: certs.Files{Cert: "/nowhere"}}}
	w.Links[daemon.Master] = a.link
	if err := a.Do(func() error { return a.Actor.Set(w) }); err == nil || !strings.Contains(err.Error(), "lvsdr_sync_tls_cert: open /nowhere") {
		t.Errorf("files that are not there: %v", err)
	}
}

// The membership in the group stays when the cable is pulled and plugged in again.
func TestTheGroupIsLeftByNoPulledCable(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	a, b := two(t)
	both := []daemon.Role{daemon.Master, daemon.Backup}
	for _, s := range []*station{a, b} {
		s.set(t, daemon.Peering{}, daemon.Config{Interface: "s0"}, both...)
	}
	until(t, "both hear each other", func() bool { return len(a.Status().Peers) == 1 && len(b.Status().Peers) == 1 })
	l, err := b.Netlink().LinkByName("s0")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := b.Netlink().LinkSetDown(l); err != nil {
			t.Fatal(err)
		}
		if err := b.Netlink().LinkSetUp(l); err != nil {
			t.Fatal(err)
		}
		before := b.size()
		until(t, "news come again", func() bool {
			a.tell(conns(before + 10)...)
			time.Sleep(50 * time.Millisecond)
			return b.size() >= before+10
		})
	}
}

func TestWhatCannotRunIsAnError(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	a, _ := two(t)
	w := daemon.Wish{Set: daemon.Set{Master: daemon.Config{Interface: "s9"}.WithDefaults(daemon.Master, 0)}}
	if err := a.Do(func() error { return a.Actor.Set(w) }); err == nil || a.Status().Running.Master.Runs() {
		t.Errorf("an interface that is not there: %v", err)
	}
	w.Backup, w.Links[daemon.Backup] = daemon.Config{Interface: "s0"}.WithDefaults(daemon.Backup, 1500), a.link
	if err := a.Do(func() error { return a.Actor.Set(w) }); err == nil || !a.Status().Running.Backup.Runs() {
		t.Errorf("the other daemon does not run: %v", err)
	}
}
