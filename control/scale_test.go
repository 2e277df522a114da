package control

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/control/actor/actortest"
	"lvsdr/control/hostnet"
	"lvsdr/control/keepalived"
	"lvsdr/control/site"
)

// A large site: services on VIPs of their own, each with ten checked servers.
const (
	largeServices = 3000
	largeServers  = 10
)

// largeConfig is the text of a large site. Its servers have addresses of their
// own, or share ten.
func largeConfig(shared bool, weight int) string {
	var b strings.Builder
	for s := range largeServices {
		fmt.Fprintf(&b, "virtual_server 10.1.%d.%d 80 {\n lb_algo wrr\n lb_kind DR\n protocol TCP\n persistence_timeout 0\n", s/250, s%250+1)
		for i := range largeServers {
			n := s*largeServers + i
			if shared {
				n = i
			}
			w := 1
			if s == largeServices/2 && i == 0 {
				w = weight
			}
			fmt.Fprintf(&b, " real_server 10.2.%d.%d 80 {\n  weight %d\n  TCP_CHECK {\n  }\n }\n", n/250, n%250+1, w)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// largeNetwork has all of it on one link.
func largeNetwork() *hostnet.Snapshot {
	return &hostnet.Snapshot{Links: []hostnet.Link{eth1}, HidesLocal: true,
		Addrs:  []hostnet.Addr{{Link: eth1.Index, Prefix: netip.MustParsePrefix("10.0.0.10/8")}},
		Routes: []hostnet.Route{{To: netip.MustParsePrefix("10.0.0.0/8"), Link: eth1.Index, Source: ip("10.0.0.10")}}}
}

// largeLoop is a loop that nothing runs, with fakes as actors.
func largeLoop(b *testing.B) *loop {
	b.Helper()
	f := actortest.New(largeNetwork())
	zero := time.Now()
	o := &Options{Log: slog.New(slog.DiscardHandler), Notify: func(string) {}}
	l := newLoop(o, func() time.Duration { return time.Since(zero) })
	l.use(o, f.Actors())
	return l
}

func largeFile(b *testing.B, shared bool, weight int) loaded {
	b.Helper()
	cfg, found, err := parse(largeConfig(shared, weight))
	if err != nil {
		b.Fatal(err)
	}
	return loaded{cfg: cfg, found: found}
}

// begin puts a file in force and announces its VIPs.
func (l *loop) begin(b *testing.B, m loaded) {
	b.Helper()
	if err := l.putInForce(m); err != nil {
		b.Fatal(err)
	}
	l.turn()
	for _, t := range l.state.Targets() {
		l.handle(site.Neighbour{Addr: t.Addr, Ifindex: t.Link.Index, MAC: mac(t.Addr)})
	}
	l.turn()
}

// cpu reports the CPU time of the process for each operation, which other
// processes on the machine disturb less than the elapsed time.
func cpu(b *testing.B) (report func()) {
	used := func() time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	start := used()
	return func() { b.ReportMetric(float64((used()-start).Microseconds())/1000/float64(b.N), "cpu-ms/op") }
}

// largeLoader writes a large site to a file and reads it from there.
func largeLoader(b *testing.B, weight int) Loader {
	b.Helper()
	name := filepath.Join(b.TempDir(), "keepalived.conf")
	if err := os.WriteFile(name, []byte(largeConfig(false, weight)), 0o600); err != nil {
		b.Fatal(err)
	}
	return func() (*keepalived.Config, keepalived.Diagnostics, error) {
		return keepalived.Load(name, keepalived.Options{})
	}
}

func BenchmarkParse3000x10(b *testing.B) {
	load := largeLoader(b, 1)
	b.ReportAllocs()
	defer cpu(b)()
	for b.Loop() {
		if _, _, err := load(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStart3000x10(b *testing.B) {
	m := largeFile(b, false, 1)
	defer cpu(b)()
	for b.Loop() {
		largeLoop(b).begin(b, m)
	}
}

func BenchmarkHealthChange3000x10(b *testing.B) {
	l := largeLoop(b)
	l.begin(b, largeFile(b, false, 1))
	checks := l.state.Checks()
	up := true
	b.ReportAllocs()
	defer cpu(b)()
	for i := 0; b.Loop(); i++ {
		if i%len(checks) == 0 {
			up = !up
		}
		e := site.Checked{ID: checks[i%len(checks)].ID, Now: l.now()}
		e.Result.Up = up
		l.handle(e)
		l.turn()
	}
}

func BenchmarkReloadOneWeight3000x10(b *testing.B) {
	l := largeLoop(b)
	files := []loaded{largeFile(b, false, 1), largeFile(b, false, 2)}
	l.begin(b, files[0])
	b.ReportAllocs()
	defer cpu(b)()
	for i := 1; b.Loop(); i++ {
		l.loaded(files[i%2])
		l.turn()
	}
}

// From the request to the answer, but for what the actors do in the kernel.
func BenchmarkReloadFile3000x10(b *testing.B) {
	l := largeLoop(b)
	l.begin(b, largeFile(b, false, 1))
	loaders := []Loader{largeLoader(b, 1), largeLoader(b, 2)}
	b.ReportAllocs()
	defer cpu(b)()
	for i := 1; b.Loop(); i++ {
		var m loaded
		m.cfg, m.found, m.err = loaders[i%2]()
		l.loaded(m)
		l.turn()
	}
}
