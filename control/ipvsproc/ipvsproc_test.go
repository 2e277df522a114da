package ipvsproc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lvsdr/control/api"
)

// A fake is a Director whose answers the test sets.
type fake struct {
	services []api.Service
	conns    []api.Conn
	err      error
	mu       sync.Mutex // what is changed while another goroutine asks
}

func each[T any](all []T, err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
		if err != nil {
			var none T
			yield(none, err)
		}
	}
}

func (f *fake) Services(context.Context, ...api.ServiceKey) iter.Seq2[api.Service, error] {
	f.mu.Lock()
	defer f.mu.Unlock()
	return each(f.services, f.err)
}

func (f *fake) Conns(context.Context) iter.Seq2[api.Conn, error] { return each(f.conns, f.err) }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func service(protocol, vip string, port uint16, scheduler string) api.Service {
	return api.Service{ServiceConfig: api.ServiceConfig{ServiceKey: api.ServiceKey{Protocol: protocol, Address: addr(vip), Port: port}, Scheduler: scheduler}}
}

func server(a string, port uint16, method string, weight, active, inactive int) api.Server {
	return api.Server{ServerConfig: api.ServerConfig{Address: addr(a), Port: port, Method: method}, Effective: weight, Active: active, Inactive: inactive}
}

// lab is a Director with what a kernel had whose files were recorded below.
func lab() *fake {
	v6 := service("tcp", "2001:db8::1", 80, "sh")
	v6.Servers = []api.Server{server("2001:db8::7", 80, api.Tunnel, 1, 1, 0)}
	web := service("tcp", "192.0.2.1", 80, "wrr")
	web.Persistence = 360
	web.Servers = []api.Server{server("10.0.0.7", 80, api.Direct, 1, 0, 3), server("10.0.0.1", 80, api.Masquerade, 3, 0, 0)}
	dns := service("udp", "192.0.2.1", 53, "rr")
	dns.OnePacket, dns.Persistence, dns.Netmask = true, 50, addr("255.255.255.0")
	seven := api.Service{ServiceConfig: api.ServiceConfig{ServiceKey: api.ServiceKey{FWMark: 7}, Scheduler: "lc"},
		Servers: []api.Server{server("10.0.0.9", 0, api.Direct, 1, 0, 0)}}
	eight := api.Service{ServiceConfig: api.ServiceConfig{ServiceKey: api.ServiceKey{FWMark: 8, IPv6: true}, Scheduler: "lc", Persistence: 300, Netmask: addr("ffff:ffff:ffff:ffff::")}}
	web.Traffic, web.Listed = api.Traffic{Conns: 3, Packets: 3, Bytes: 0x100}, api.Listed{BPS: 0x20}
	v6.Traffic = api.Traffic{Conns: 1, Packets: 1, Bytes: 4}
	conn := func(from string, port uint16, to, server, state string, expires float64) api.Conn {
		return api.Conn{Protocol: "tcp", Client: addr(from), ClientPort: port, Address: addr(to), Port: 80, Server: addr(server), ServerPort: 80, State: state, Expires: expires}
	}
	return &fake{services: []api.Service{v6, web, dns, seven, eight}, conns: []api.Conn{
		conn("192.0.2.1", 0xc58e, "192.0.2.1", "10.0.0.7", "CLOSE", 8.7),
		conn("2001:db8::1", 0xa046, "2001:db8::1", "2001:db8::7", "SYN_RECV", 58),
		conn("192.0.2.1", 0, "192.0.2.1", "10.0.0.7", "NONE", 358),
	}}
}

// recorded are the files of a Linux 6.1 with HZ=100 that was set up so, but for what comes
// back, which is never seen here.
var recorded = map[string]string{
	services: `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  [2001:0db8:0000:0000:0000:0000:0000:0001]:0050 sh |
  -> [2001:0db8:0000:0000:0000:0000:0000:0007]:0050      Tunnel  1      1          0         |
TCP  C0000201:0050 wrr  persistent 36000 FFFFFFFF
  -> 0A000007:0050      Route   1      0          3         |
  -> 0A000001:0050      Masq    3      0          0         |
UDP  C0000201:0035 rr ops  persistent 5000 FFFFFF00
FWM  00000007 lc |
  -> 0A000009:0000      Route   1      0          0         |
FWM  00000008 lc persistent 30000 40000000
`,
	conns: `Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP C0000201 C58E C0000201 0050 0A000007 0050 CLOSE             8
TCP 2001:0db8:0000:0000:0000:0000:0000:0001 A046 2001:0db8:0000:0000:0000:0000:0000:0001 0050 2001:0db8:0000:0000:0000:0000:0000:0007 0050 SYN_RECV         58
TCP C0000201 0000 C0000201 0050 0A000007 0050 NONE            358
`,
	stats: `   Total Incoming Outgoing         Incoming         Outgoing
   Conns  Packets  Packets            Bytes            Bytes
       4        4        0              104                0

 Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
       0        0        0               20                0
`,
}

func written(t *testing.T, w *Writer, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(w.Dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheFilesAreThoseOfAKernel(t *testing.T) {
	w := &Writer{Dir: filepath.Join(t.TempDir(), "proc"), Director: lab(), Size: 4096}
	if err := w.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, want := range recorded {
		if got := written(t, w, name); got != strings.ReplaceAll(want, "|\n", "\n") {
			t.Errorf("%s is\n%swant\n%s", name, got, want)
		}
		info, err := os.Stat(filepath.Join(w.Dir, name))
		if err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("%s: %v, %v; others cannot read it", name, info, err)
		}
	}
}

// What the recorded kernel did not have.
func TestLinesOfAllSorts(t *testing.T) {
	ops := service("udp", "192.0.2.1", 53, "rr")
	ops.OnePacket = true
	wide := service("sctp", "2001:db8::1", 9, "rr")
	wide.Persistence = 1
	invalid := api.Conn{Protocol: "udp", Client: addr("10.1.0.1"), Address: addr("192.0.2.1"), Port: 53, Server: addr("10.0.0.1"), ServerPort: 53, State: "NONE", Expires: 5, Invalid: true}
	mark := api.Conn{Client: addr("10.1.0.1"), Address: addr("0.0.0.7"), Server: addr("10.0.0.1"), State: "ASSURED", Expires: 100000}
	gone := api.Conn{Protocol: "tcp", Client: addr("10.1.0.1"), ClientPort: 1, Address: addr("192.0.2.1"), Port: 80, ServerPort: 80, State: "ESTABLISHED", Expires: 899.99}
	for _, c := range []struct {
		name, want string
		write      func(io.Writer)
	}{
		{"a service without persistence", "TCP  C0000201:0050 wlc  \n", func(w io.Writer) { s := service("tcp", "192.0.2.1", 80, "wlc"); writeService(w, &s) }},
		{"one of single packets", "UDP  C0000201:0035 rr ops  \n", func(w io.Writer) { writeService(w, &ops) }},
		{"one of SCTP that is persistent for each address", "SCTP  [2001:0db8:0000:0000:0000:0000:0000:0001]:0009 rr persistent 100 80000000\n", func(w io.Writer) { writeService(w, &wide) }},
		{"a template that is not used any more", "UDP 0A010001 0000 C0000201 FFFF 0A000001 FFFF NONE              5\n", func(w io.Writer) { writeConn(w, &invalid) }},
		{"a template by firewall mark", "IP  0A010001 0000 00000007 0000 0A000001 0000 ASSURED      100000\n", func(w io.Writer) { writeConn(w, &mark) }},
		{"a connection whose server is forgotten", "TCP 0A010001 0001 C0000201 0050 C0000201 0050 ESTABLISHED     899\n", func(w io.Writer) { writeConn(w, &gone) }},
	} {
		var b strings.Builder
		if c.write(&b); b.String() != c.want {
			t.Errorf("%s is\n%swant\n%s", c.name, &b, c.want)
		}
	}
}

// The totals are sums of what was counted, also by services that are gone or were set to
// zero.
func TestTotalsNeverGetLess(t *testing.T) {
	counted := func(port uint16, conns uint64) api.Service {
		s := service("tcp", "192.0.2.1", port, "rr")
		s.Traffic = api.Traffic{Conns: conns, Packets: 10 * conns, Bytes: 100 * conns}
		return s
	}
	f := &fake{}
	w := &Writer{Dir: t.TempDir(), Director: f}
	for i, step := range []struct {
		services []api.Service
		conns    uint64
	}{
		{nil, 0},
		{[]api.Service{counted(80, 5)}, 5},
		{[]api.Service{counted(80, 7), counted(81, 1)}, 8},
		{[]api.Service{counted(81, 1)}, 8},
		{[]api.Service{counted(80, 2), counted(81, 3)}, 12}, // made anew
		{[]api.Service{counted(80, 2), counted(81, 0)}, 12}, // ipvsadm -Z
		{[]api.Service{counted(80, 2), counted(81, 1)}, 13},
	} {
		f.services = step.services
		if err := w.Write(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("%8X %8X %8X %16X %16X", step.conns, 10*step.conns, 0, 100*step.conns, 0)
		if got := strings.Split(written(t, w, stats), "\n")[2]; got != want {
			t.Errorf("step %d: %q, want %q", i, got, want)
		}
	}
}

// A large table costs a bounded file, and no more of it is read.
func TestALargeTableIsCut(t *testing.T) {
	f := &fake{conns: slices.Repeat(lab().conns[:1], MaxConns+10), err: errors.New("it is read to the end")}
	w := &Writer{Dir: t.TempDir(), Director: f}
	f.services = nil
	err := w.conns(t.Context(), io.Discard)
	if err != nil {
		t.Error(err)
	}
	f.err = nil
	if err := w.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(written(t, w, conns), "\n"); n != MaxConns+1 {
		t.Errorf("%d lines", n)
	}
}

// Whatever goes wrong, a file is whole, and nothing else is left.
func TestAFileThatCannotBeWrittenStaysAsItWas(t *testing.T) {
	f := lab()
	w := &Writer{Dir: t.TempDir(), Director: f, Size: 4096}
	if err := w.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.err = errors.New("the director is gone")
	if err := w.Write(t.Context()); !errors.Is(err, f.err) {
		t.Error(err)
	}
	if got := written(t, w, services); !strings.Contains(got, "FWM  00000008") {
		t.Errorf("it is\n%s", got)
	}
	entries, err := os.ReadDir(filepath.Join(w.Dir, "net"))
	if err != nil || len(entries) != 3 {
		t.Errorf("%v, %v", entries, err)
	}
}

// A link that somebody has laid where a file is to be made leads nowhere.
func TestLinksAreNotFollowed(t *testing.T) {
	w := &Writer{Dir: t.TempDir(), Director: lab()}
	victim := filepath.Join(t.TempDir(), "victim")
	if err := errors.Join(os.WriteFile(victim, []byte("mine"), 0o600), os.Mkdir(filepath.Join(w.Dir, "net"), 0o755),
		os.Symlink(victim, filepath.Join(w.Dir, services)), os.Symlink(victim, filepath.Join(w.Dir, services+".new"))); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "mine" {
		t.Errorf("the file of somebody else is %q, %v", b, err)
	}
	if !strings.HasPrefix(written(t, w, services), "IP Virtual Server") {
		t.Error("the file is not in its place")
	}
}

func TestFoldersThatCannotBeMadeAreErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "proc"), "/proc/nowhere"} {
		if err := (&Writer{Dir: dir, Director: lab()}).Write(t.Context()); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// Run keeps the files up to date, and removes them at its end; those of others stay.
func TestRunWritesAgainAndRemovesAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := lab()
		w := &Writer{Dir: dir, Director: f}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		synctest.Wait()
		if !strings.Contains(written(t, w, services), "FWM  00000007") {
			t.Error("nothing was written at the start")
		}
		f.mu.Lock()
		f.services = f.services[:1]
		f.mu.Unlock()
		time.Sleep(Interval) // virtual
		synctest.Wait()
		if strings.Contains(written(t, w, services), "FWM  00000007") {
			t.Error("a service that is gone is there after the interval")
		}
		if err := os.WriteFile(filepath.Join(dir, "net", "dev"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		entries, err := os.ReadDir(filepath.Join(dir, "net"))
		if err != nil || len(entries) != 1 || entries[0].Name() != "dev" {
			t.Errorf("left: %v, %v", entries, err)
		}
	})
}

// Without a director there are no files: what was written before an error goes.
func TestRunEndsWithAnErrorAndNoFiles(t *testing.T) {
	f := lab()
	w := &Writer{Dir: t.TempDir(), Director: f}
	if err := w.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.err = errors.New("no")
	if err := w.Run(t.Context()); !errors.Is(err, f.err) {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(w.Dir, "net")); !errors.Is(err, os.ErrNotExist) {
		t.Error("files are left")
	}
}
