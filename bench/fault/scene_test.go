package fault

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

func TestASceneEndsWhatWasStartedInReverseOrderOnce(t *testing.T) {
	var order []int
	s := &Scene{}
	bad := errors.New("bad end")
	for i := range 3 {
		s.later(func() error {
			order = append(order, i)
			if i == 1 {
				return bad
			}
			return nil
		})
	}
	if err := s.Close(); !errors.Is(err, bad) {
		t.Errorf("closed with %v, want %v", err, bad)
	}
	if !slices.Equal(order, []int{2, 1, 0}) {
		t.Errorf("ended in the order %v", order)
	}
	if err := s.Close(); err != nil || len(order) != 3 {
		t.Errorf("closed again: %v, %v", err, order)
	}
}

func TestEvidenceCountsRequestsOfBothSizes(t *testing.T) {
	tally := func(answered, failed int) netlab.Tally {
		return netlab.Tally{ByServer: map[string]int{"rs1": answered}, Errors: failed}
	}
	three, one := make([]*netlab.Node, 3), make([]*netlab.Node, 1)
	for _, c := range []struct {
		law            string
		e              Evidence
		servers        []*netlab.Node
		made, failed   int
		serves, partly bool
	}{
		{"all answered", Evidence{Small: tally(6, 0), Large: tally(6, 0)}, three, 12, 0, true, false},
		{"a large one failed", Evidence{Small: tally(6, 0), Large: tally(5, 1)}, three, 12, 1, false, true},
		{"all failed", Evidence{Small: tally(0, 6), Large: tally(0, 6)}, three, 12, 12, false, false},
		{"all failed where there is one server", Evidence{Small: tally(0, 6), Large: tally(0, 6)}, one, 12, 12, false, true},
		{"none was made", Evidence{}, three, 0, 0, false, false},
		{"the open connection broke", Evidence{Small: tally(6, 0), Kept: errDown}, three, 6, 0, false, false},
		{"the server's own address failed", Evidence{Small: tally(6, 0), Direct: errDown}, three, 6, 0, false, false},
	} {
		c.e.Scene = &Scene{Lab: &netlab.Lab{Servers: c.servers}}
		if c.e.Made() != c.made || c.e.Failed() != c.failed || c.e.Serves() != c.serves || c.e.partly() != c.partly {
			t.Errorf("%s: %d made, %d failed, serves %v, partly %v", c.law, c.e.Made(), c.e.Failed(), c.e.Serves(), c.e.partly())
		}
	}
}

// serve answers requests on one end of a pipe, until answers are used up, and
// then closes it. The other end is an Observer's.
func serve(t *testing.T, answers ...string) *Observer {
	t.Helper()
	here, there := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer there.Close()
		r := bufio.NewReader(there)
		for _, a := range answers {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			if _, err := io.WriteString(there, a); err != nil {
				return
			}
		}
	}()
	o := &Observer{kept: here}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return o
}

func TestTheConnectionThatIsKeptIsAskedAgainAndAgain(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nrs1\n"
	for _, c := range []struct {
		law     string
		answers []string
		good    int // requests answered before one is not
	}{
		{"each request is answered on the same connection", []string{ok, ok, ok}, 3},
		{"a server that closes ends it", []string{ok}, 1},
		{"so does one that never answers a request", nil, 0},
		{"an answer that breaks off is none", []string{ok, "HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\nrs1\n"}, 1},
		{"what is no HTTP is no answer", []string{"SSH-2.0-x\r\n"}, 0},
	} {
		o := serve(t, c.answers...)
		n := 0
		for n < 10 && o.ask(Long) == nil {
			n++
		}
		if n != c.good {
			t.Errorf("%s: %d answers, want %d", c.law, n, c.good)
		}
	}
	here, _ := net.Pipe() // nothing reads at its other end
	o := &Observer{kept: here}
	defer o.Close()
	if err := o.ask(time.Nanosecond); err == nil {
		t.Error("a request that is not read within the patience was answered")
	}
}

func TestGetReadsTheWholeAnswer(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/short" {
			w.Header().Set("Content-Length", "10")
		}
		_, _ = io.WriteString(w, "rs1")
	}))
	defer srv.Close()
	for path, good := range map[string]bool{"/": true, "/short": false} {
		if err := get(t.Context(), srv.Client(), srv.URL+path); (err == nil) != good {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := get(t.Context(), srv.Client(), "http://[::1"); err == nil {
		t.Error("a bad address was asked")
	}
	if got := outcome(nil) + ", " + outcome(errDown); got != "answered, connection timed out" {
		t.Errorf("outcomes: %s", got)
	}
}

func TestTheURLIsThatOfTheService(t *testing.T) {
	for vip, want := range map[string]string{"192.0.2.1": "http://192.0.2.1:8080/?bytes=20000", "2001:db8::1": "http://[2001:db8::1]:8080/?bytes=20000"} {
		s := &Scene{Lab: &netlab.Lab{Spec: netlab.Spec{VIP: netip.MustParseAddr(vip)}}, Port: 8080}
		if got := s.url(20000); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// A newPlain forwards for the VIP 192.0.2.1 to two real servers.
func newPlain() *plain {
	mac := func(last byte) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, 0, last} }
	return &plain{vip: frame.AddrFrom(netip.MustParseAddr("192.0.2.1")), mac: frame.MAC(mac(1)), via: frame.MAC(mac(2)),
		lab: &netlab.Lab{Servers: []*netlab.Node{{MAC: mac(11)}, {MAC: mac(12)}}}}
}

func TestAPlainForwarderChangesMACAddressesOnly(t *testing.T) {
	f := newPlain()
	request := func(port uint16, change func(*build.TCP)) []byte {
		s := build.TCP{Src: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.50"), port), Dst: netip.MustParseAddrPort("192.0.2.1:80"), Flags: "S",
			IP: build.IP{SrcMAC: frame.MAC{2, 9}, DstMAC: f.mac}}
		change(&s)
		return s.Bytes()
	}
	same := func(*build.TCP) {}
	for _, c := range []struct {
		law  string
		in   []byte
		last byte // of the MAC address it goes to; 0: nowhere
	}{
		{"an even port goes to the first server", request(40000, same), 11},
		{"an odd port goes to the second", request(40001, same), 12},
		{"a frame for another host stays", request(40000, func(s *build.TCP) { s.DstMAC = frame.MAC{2, 7} }), 0},
		{"a packet for another address stays", request(40000, func(s *build.TCP) { s.Dst = netip.MustParseAddrPort("192.0.2.2:80") }), 0},
		{"a broken header stays", request(40000, func(s *build.TCP) { s.BadIPSum = true }), 0},
		{"what is cut off stays", request(40000, same)[:20], 0},
		{"nothing stays", nil, 0},
	} {
		b := slices.Clone(c.in)
		if got := f.forward(b); got != (c.last != 0) {
			t.Errorf("%s: forwarded %v", c.law, got)
			continue
		}
		if c.last == 0 {
			if !slices.Equal(b, c.in) {
				t.Errorf("%s, and was changed", c.law)
			}
			continue
		}
		if to := frame.DstMAC(b); to[5] != c.last || frame.SrcMAC(b) != f.via {
			t.Errorf("%s: from %s to %s", c.law, frame.SrcMAC(b), to)
		}
		if !slices.Equal(b[12:], c.in[12:]) {
			t.Errorf("%s: more than the MAC addresses changed", c.law)
		}
	}
}

func TestAPlainForwarderAnswersARPForTheVIPAlone(t *testing.T) {
	f := newPlain()
	asker, client := frame.MAC{2, 9}, netip.MustParseAddr("192.0.2.50")
	question := func(target string, op uint16, from frame.MAC) []byte {
		return build.ARP{Op: op, SrcMAC: from, DstMAC: frame.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, SenderMAC: from, SenderIP: client, TargetIP: netip.MustParseAddr(target)}.Bytes()
	}
	want := build.ARP{Op: 2, SrcMAC: f.mac, DstMAC: asker, SenderMAC: f.mac, SenderIP: f.vip.IP(), TargetMAC: asker, TargetIP: client}.Bytes()
	if got := f.reply(question("192.0.2.1", 1, asker)); !strings.HasPrefix(string(got), string(want)) {
		t.Errorf("answered\n%x\nwant\n%x", got, want)
	}
	for law, b := range map[string][]byte{
		"a question for another address": question("192.0.2.2", 1, asker),
		"an answer":                      question("192.0.2.1", 2, asker),
		"its own question":               question("192.0.2.1", 1, f.mac),
		"what is no ARP":                 build.TCP{Src: netip.MustParseAddrPort("192.0.2.50:1"), Dst: netip.MustParseAddrPort("192.0.2.1:80")}.Bytes(),
		"nothing":                        nil,
	} {
		if got := f.reply(b); got != nil {
			t.Errorf("%s was answered by %x", law, got)
		}
	}
}
