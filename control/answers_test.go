package control

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"lvsdr/control/shield"
	"lvsdr/dataplane/frame"
)

// natFile is a service with servers reached by NAT, "ADDR PORT".
func natFile(servers ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "virtual_server %v 80 {\nlb_algo rr\nlb_kind NAT\nprotocol TCP\npersistence_timeout 0\n", vip)
	for _, s := range servers {
		fmt.Fprintf(&b, "real_server %s {\n}\n", s)
	}
	return b.String() + "}\n"
}

// For servers reached by NAT the stack is kept from their answers, the ports take these,
// and the engine knows the interfaces; without them it all ends.
func TestAnswersOfNATServersAreTheDirectors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		server := netip.MustParseAddr(rs1)
		r := running(t, natFile(server.String()+" 8080"))
		want := shield.Answer{Addr: server, Proto: frame.ProtoTCP, Port: 8080}
		if len(r.Answers) != 1 || r.Answers[0] != want {
			t.Errorf("the stack is kept from %v, want %v", r.Answers, want)
		}
		if len(r.Interfaces) == 0 {
			t.Error("the engine knows no interface")
		}
		for _, i := range r.Interfaces {
			if i.MAC == (frame.MAC{}) || i.MTU == 0 {
				t.Errorf("the engine knows the interface as %+v", i)
			}
		}
		for _, w := range r.NICs {
			if !w.Local && (len(w.Sources) != 1 || w.Sources[0] != server || !w.Errors) {
				t.Errorf("the port of %s takes answers of %v, errors %v", w.Name, w.Sources, w.Errors)
			}
		}
		if _, err := r.reload(strings.Replace(natFile(server.String()), "NAT", "DR", 1)); err != nil {
			t.Fatal(err)
		}
		if len(r.Answers) != 0 {
			t.Errorf("by Direct Routing the stack is kept from %v", r.Answers)
		}
		for _, w := range r.NICs {
			if len(w.Sources) != 0 || w.Errors {
				t.Errorf("by Direct Routing the port of %s takes %v", w.Name, w.Sources)
			}
		}
	})
}

// A shield that cannot keep the stack from answers is a problem that is told, and tried
// again.
func TestAnswersThatCannotBeKeptBackAreAProblem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, natFile(rs1+" 8080"))
		fails := true
		r.Fail = func(call string) error {
			if fails && call == "shield.SetAnswers" {
				return errors.New("no nftables here")
			}
			return nil
		}
		r.start()
		if got := strings.Join(r.l.converge.problems(), "; "); !strings.Contains(got, "shield of answers") {
			t.Errorf("problems %s", got)
		}
		fails = false
		r.pass(10 * time.Minute)
		if len(r.Answers) != 1 {
			t.Errorf("the stack is kept from %v", r.Answers)
		}
	})
}

// Where there is no NAT, the engine is not told of interfaces.
func TestDirectRoutingNeedsNoInterfacesInTheEngine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, strings.Replace(natFile(rs1), "NAT", "DR", 1))
		if len(r.Interfaces) != 0 {
			t.Errorf("interfaces %+v", r.Interfaces)
		}
	})
}
