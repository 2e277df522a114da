package ipvsadm_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"lvsdr/control/api"
	"lvsdr/control/ipvsadm"
)

// An admin is a director of which a test says what it answers. It notes how many
// edits each request had.
type admin struct {
	services []api.Service
	conns    []api.Conn
	fail     error // of all, behind what there is
	requests []int
}

func (a *admin) Edit(_ context.Context, edits []api.Edit) ([]error, error) {
	a.requests = append(a.requests, len(edits))
	return make([]error, len(edits)), a.fail
}

func (a *admin) Services(context.Context, ...api.ServiceKey) iter.Seq2[api.Service, error] {
	return behind(a.services, a.fail)
}

func (a *admin) Conns(context.Context) iter.Seq2[api.Conn, error] { return behind(a.conns, a.fail) }

func (a *admin) Timeouts(context.Context) (api.Timeouts, error) { return api.Timeouts{}, a.fail }

func (a *admin) Daemons(context.Context) ([]api.Daemon, error) { return nil, a.fail }

// behind are values, and an error behind them if there is one.
func behind[T any](all []T, err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range all {
			if !yield(v, nil) {
				return
			}
		}
		if err != nil {
			yield(*new(T), err)
		}
	}
}

func TestADirectorThatFailsEndsEachCommand(t *testing.T) {
	gone := errors.New("no director answers at /run/lvsdr.sock")
	i := &ipvsadm.Interpreter{Admin: &admin{fail: gone}}
	for _, line := range []string{"", "-Ln", "-L -t 10.0.0.1:80", "-Lnc", "-L --timeout", "-L --daemon", "--start-daemon master", "-S", "-A -t 10.0.0.1:80", "-C", "-Z", "--set 1 2 3", "-d -t 10.0.0.1:80 -r 10.2.0.1"} {
		if r := run(i, line); r.Exit != ipvsadm.ExitRefused || r.Err != gone.Error()+"\n" || strings.Contains(r.Out, "10.0.0.1") {
			t.Errorf("%q: exit code %d, %q, %q", line, r.Exit, r.Err, r.Out)
		}
	}
	for _, line := range []string{"-h", "-v"} { // what needs no director
		if r := run(i, line); r.Exit != 0 || r.Err != "" {
			t.Errorf("%q: exit code %d, %q", line, r.Exit, r.Err)
		}
	}
	r := i.Run(t.Context(), []string{"-R"}, strings.NewReader("-A -f 1\n-L\n-A -f 2\n"))
	if r.Exit != ipvsadm.ExitRefused || r.Err != gone.Error()+"\n" {
		t.Errorf("-R: exit code %d, %q", r.Exit, r.Err)
	}
}

// Connections are listed by protocol, client and virtual address, whatever the
// order they come in.
func TestConnectionsAreListedInOneOrder(t *testing.T) {
	a := func(s string) netip.Addr { return netip.MustParseAddr(s) }
	conns := []api.Conn{
		{Protocol: "tcp", Client: a("10.1.0.1"), ClientPort: 20000, Address: a("10.0.0.1"), Port: 80, Server: a("10.2.0.1"), ServerPort: 80, State: "ESTABLISHED", Expires: 899.9},
		{Protocol: "tcp", Client: a("10.1.0.1"), ClientPort: 20001, Address: a("10.0.0.1"), Port: 80, Server: a("10.2.0.2"), ServerPort: 80, State: "SYN_RECV", Expires: 60},
		{Protocol: "tcp", Client: a("10.1.0.0"), Address: a("10.0.0.1"), Port: 80, Server: a("10.2.0.1"), ServerPort: 80, State: "ASSURED", Expires: 2678400, Invalid: true},
		{Protocol: "udp", Client: a("10.0.0.99"), ClientPort: 5, Address: a("10.0.0.1"), Port: 53, Server: a("10.2.0.1"), ServerPort: 53, State: "UDP", Expires: 0.5},
		{Protocol: "udp", Client: a("fd00::7"), ClientPort: 9, Address: a("fd00::1"), Port: 53, Server: a("fd01::1"), ServerPort: 53, State: "UDP", Expires: 300},
		{Client: a("10.1.0.9"), Address: a("0.0.0.7"), Server: a("10.2.0.1"), State: "NONE", Expires: 59},
	}
	const want = `IPVS connection entries
pro expire state       source             virtual            destination
IP  00:59  NONE        10.1.0.9:0         0.0.0.7:0          10.2.0.1:0
TCP 44640:00 ASSURED     10.1.0.0:0         10.0.0.1:65535     10.2.0.1:65535
TCP 14:59  ESTABLISHED 10.1.0.1:20000     10.0.0.1:80        10.2.0.1:80
TCP 01:00  SYN_RECV    10.1.0.1:20001     10.0.0.1:80        10.2.0.2:80
UDP 00:00  UDP         10.0.0.99:5        10.0.0.1:53        10.2.0.1:53
UDP 05:00  UDP         [fd00::7]:9        [fd00::1]:53       [fd01::1]:53
`
	for range 3 {
		slices.Reverse(conns[1:])
		slices.Reverse(conns)
		i := newInterpreter(t)
		i.Admin = &admin{conns: conns}
		if got := run(i, "-Lnc").Out; got != want {
			t.Fatalf("listed as\n%s\nwant\n%s", got, want)
		}
		if got := run(i, "-Lc").Out; !strings.Contains(got, "UDP 00:00  UDP         www:5              10.0.0.1:domain    10.2.0.1:domain\n") {
			t.Errorf("with names:\n%s", got)
		}
	}
	i := &ipvsadm.Interpreter{Admin: &admin{conns: conns[:1]}}
	if got := run(i, "-Lnc --persistent-conn").Out; !strings.Contains(got, "destination        pe name          pe_data\n") {
		t.Errorf("with the columns of engines:\n%s", got)
	}
}

// Every kind of tunnel is listed by --tun-info, saved, and restored as it was.
func TestTunnelsAreListedAndSavedWithTheirOptions(t *testing.T) {
	for _, c := range []struct{ options, listed, saved string }{
		{"-g", "Route   n/a          ", "-g -w 1"},
		{"-m", "Masq    n/a          ", "-m -w 1"},
		{"-i", "Tunnel  ipip         ", "-i -w 1 --tun-type ipip"},
		{"-i --tun-type ipip", "Tunnel  ipip         ", "-i -w 1 --tun-type ipip"},
		{"-i --tun-type gue --tun-port 6080", "Tunnel  gue:6080:-c  ", "-i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum"},
		{"-i --tun-type gue --tun-port 6080 --tun-csum", "Tunnel  gue:6080:+c  ", "-i -w 1 --tun-type gue --tun-port 6080 --tun-csum"},
		{"-i --tun-type gue --tun-port 6080 --tun-remcsum", "Tunnel  gue:6080:r+c ", "-i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum"},
		{"-i --tun-type gre", "Tunnel  gre:-c       ", "-i -w 1 --tun-type gre --tun-nocsum"},
		{"-i --tun-type gre --tun-csum", "Tunnel  gre:+c       ", "-i -w 1 --tun-type gre --tun-csum"},
	} {
		i := &ipvsadm.Interpreter{Admin: newTable()}
		must(t, i, "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.2.0.1:80 "+c.options)
		if got := run(i, "-Ln --tun-info").Out; !strings.Contains(got, "  -> 10.2.0.1:80                  "+c.listed+" 1      0          0         \n") {
			t.Errorf("%s is listed as\n%s", c.options, got)
		}
		saved := run(i, "-Sn").Out
		if want := "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.2.0.1:80 " + c.saved + "\n"; saved != want {
			t.Errorf("%s is saved as\n%swant\n%s", c.options, saved, want)
		}
		other := &ipvsadm.Interpreter{Admin: newTable()}
		if r := other.Run(t.Context(), []string{"-R"}, strings.NewReader(saved)); r.Exit != 0 {
			t.Errorf("%s: restored with exit code %d, %s", c.options, r.Exit, r.Err)
		}
		if again := run(other, "-Sn").Out; again != saved {
			t.Errorf("%s: restored, it is saved as\n%s", c.options, again)
		}
	}
	local := &ipvsadm.Interpreter{Admin: &admin{services: []api.Service{{ServiceConfig: api.ServiceConfig{ServiceKey: api.ServiceKey{FWMark: 7}, Scheduler: "rr"},
		Servers: []api.Server{{ServerConfig: api.ServerConfig{Address: netip.MustParseAddr("127.0.0.1"), Method: api.Local}, Effective: 1}}}}}}
	if got := run(local, "-Ln").Out; !strings.Contains(got, "127.0.0.1:0                  Local   1") {
		t.Errorf("the director's own host is listed as\n%s", got)
	}
}

// Edits that have arrived together are one request; one that is typed is carried
// out before the next arrives.
func TestRestoreSendsWhatHasArrivedTogether(t *testing.T) {
	for _, c := range []struct {
		law  string
		in   string
		want []int
	}{
		{"a file of edits is one request", "-A -f 1\n-A -f 2\n-a -f 1 -r 10.2.0.1\n", []int{3}},
		{"a listing is carried out between its neighbours", "-A -f 1\n-A -f 2\n-L\n-A -f 3\n", []int{2, 1}},
		{"so is a line that is refused", "-A -f 1\n-A -x\n-A -f 3\n", []int{1, 1}},
		{"nothing is no request", "\n\n", nil},
	} {
		a := &admin{}
		i := &ipvsadm.Interpreter{Admin: a}
		i.Run(t.Context(), []string{"-R"}, strings.NewReader(c.in))
		if !slices.Equal(a.requests, c.want) {
			t.Errorf("%s: requests of %v edits, want %v", c.law, a.requests, c.want)
		}
	}
	a := &admin{}
	i := &ipvsadm.Interpreter{Admin: a}
	in, typed := io.Pipe()
	done := make(chan ipvsadm.Result)
	go func() { done <- i.Run(context.Background(), []string{"-R"}, in) }()
	for _, line := range []string{"-A -f 1\n", "-A -f 2\n", "-A -f 3\n"} {
		if _, err := io.WriteString(typed, line); err != nil {
			t.Fatal(err)
		}
	}
	typed.Close()
	if r := <-done; r.Exit != 0 || !slices.Equal(a.requests, []int{1, 1, 1}) {
		t.Errorf("typed: exit code %d, requests of %v edits", r.Exit, a.requests)
	}
}

func TestInputThatBreaksOffIsAnError(t *testing.T) {
	a := &admin{}
	i := &ipvsadm.Interpreter{Admin: a}
	broken := errors.New("input/output error")
	r := i.Run(t.Context(), []string{"-R"}, io.MultiReader(strings.NewReader("-A -f 1\n"), failing{broken}))
	if r.Exit != ipvsadm.ExitUsage || r.Err != "read commands: input/output error\n" || len(a.requests) != 1 {
		t.Errorf("exit code %d, %q, requests of %v edits", r.Exit, r.Err, a.requests)
	}
}

// failing is a reader that has only an error.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
