package control

import (
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// clientsOf counts what clients send to the servers of a service: connections, and SYNs that rs2
// makes them repeat.
type clientsOf struct{ conns, repeated, asked uint64 }

func (c *clientsOf) status(k dataplane.ServiceKey) (dataplane.ServiceStatus, bool) {
	c.asked++
	st := dataplane.ServiceStatus{}
	for _, a := range []string{rs1, rs2} {
		s := dataplane.ServerStatus{Config: dataplane.ServerConfig{Addr: frame.AddrFrom(ip(a)), Port: 80}}
		if s.Traffic.Conns = c.conns; a == rs2 {
			s.Repeated = c.repeated
		}
		st.Servers = append(st.Servers, s)
	}
	return st, true
}

// A server whose clients repeat their SYNs is taken out of the director's table, the log says why, and
// after the hold it is back.
func TestAServerWhoseClientsGetNoAnswerIsTakenOutForAWhile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		word := "lvsdr_passive_failure 40 10 30;"
		text := service(vip, rs1+" "+word+checkText(rs1), rs2+" "+word+checkText(rs2))
		r := running(t, text)
		whole := r.content()
		var c clientsOf
		look := func() {
			c.conns += 20
			r.l.tellSYNs(c.status)
			r.pass(time.Second)
		}
		for range 5 {
			look()
		}
		if got := r.content(); !slices.Equal(got, whole) {
			t.Fatalf("servers that answer: %q", got)
		}
		for range 4 {
			c.repeated += 30
			look()
		}
		if got := strings.Join(r.content(), "\n"); strings.Contains(got, rs2) || !strings.Contains(got, rs1) {
			t.Fatalf("a server that does not answer: %q", got)
		}
		if r.lines("passive: ") != 1 {
			t.Errorf("the log does not say why once:\n%s", r.log.String())
		}
		r.pass(31 * time.Second)
		if got := r.content(); len(got) != len(whole) || !strings.Contains(strings.Join(got, "\n"), rs2) {
			t.Errorf("after the hold: %q, want %q", got, whole)
		}
	})
}

// Where no server is watched nothing is asked of the director.
func TestNothingIsCountedWhereNoServerIsWatched(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, checkedServer(rs1)))
		var c clientsOf
		if r.l.tellSYNs(c.status); c.asked != 0 {
			t.Errorf("the director was asked %d times", c.asked)
		}
	})
}

// checkText is the text of checkedServer without the address.
func checkText(addr string) string { return strings.TrimPrefix(checkedServer(addr), addr+" ") }
