package netlab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lvsdr/control/api"
	"lvsdr/control/keepalived"
)

// The second director has its place after the real servers, in each network of the first,
// and the picture and the names know it.
func TestALabOfTwoDirectors(t *testing.T) {
	lab := build(t, Spec{Directors: 2, TwoArmed: true, Servers: []ServerSpec{{Weight: 1}, {Weight: 1}}})
	n := lab.Standby()
	if n == nil || n.Name() != SecondDirector || n.Role != RoleDirector || n.MAC.String() != "02:00:00:00:dd:02" || n.Addr.String() != "192.168.1.13" {
		t.Fatalf("the second director is %+v", n)
	}
	if len(n.Ports) != 2 || n.Ports[1].Addr.String() != "192.168.2.13/24" {
		t.Errorf("its interfaces are %+v", n.Ports)
	}
	picture := lab.Drawing()
	for _, want := range []string{
		" director2 --+-- eth0 192.168.1.13 02:00:00:00:dd:02\n",
		" director2 --+-- eth1 192.168.2.13 02:00:01:00:dd:02\n",
	} {
		if !strings.Contains(picture, want) {
			t.Errorf("no %q in the picture:\n%s", want, picture)
		}
	}
	if got := strings.Count(picture, "takes what is sent to the VIP while it is the master"); got != 2 {
		t.Errorf("%d hosts may be the master in the picture, want 2:\n%s", got, picture)
	}
	if !slices.Contains(lab.Nodes(), n) {
		t.Error("it is not among the nodes")
	}
}

// Another director that comes to a lab, such as a rogue one, makes no pair of it.
func TestADirectorThatIsAddedIsNoStandby(t *testing.T) {
	lab := build(t, Spec{Servers: []ServerSpec{{Weight: 1}}})
	if lab.Standby() != nil {
		t.Error("a lab of one director has a standby")
	}
	if _, err := lab.AddDirector(t.Context(), SecondDirector); err != nil {
		t.Fatal(err)
	}
	if n := lab.Standby(); n != nil || strings.Contains(lab.Drawing(), "master") {
		t.Errorf("a director that was added is the standby %+v", n)
	}
	other := build(t, Spec{Servers: []ServerSpec{{Weight: 1}}})
	if err := other.AddStandby(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := other.Standby(); n == nil || n.Addr.String() != "192.168.1.12" {
		t.Errorf("a standby that comes later is %+v", n)
	}
}

func TestTheNumberOfDirectorsIsOneOrTwo(t *testing.T) {
	for _, c := range []struct {
		law  string
		spec Spec
		ok   bool
	}{
		{"none said is one", Spec{}, true},
		{"one", Spec{Directors: 1}, true},
		{"two", Spec{Directors: 2}, true},
		{"three are no pair", Spec{Directors: 3}, false},
		{"fewer than none", Spec{Directors: -1}, false},
		{"as many servers as one director leaves room for", Spec{Directors: 1, Servers: make([]ServerSpec, 39)}, true},
		{"the second director takes the last place of a server", Spec{Directors: 2, Servers: make([]ServerSpec, 38)}, true},
		{"no place is left for the second director", Spec{Directors: 2, Servers: make([]ServerSpec, 39)}, false},
		{"a VIP at the second director's place", Spec{Directors: 2, VIP: netip.MustParseAddr("192.168.1.14")}, false},
		{"the same VIP with one director", Spec{VIP: netip.MustParseAddr("192.168.1.14")}, true},
	} {
		if err := c.spec.Check(); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.law, err)
		}
	}
}

// The one file has for each director what VRRP needs, and nothing that is not understood.
func TestOneFileIsReadByBothDirectors(t *testing.T) {
	for _, network := range []Spec{{}, {Net: net6}} {
		spec, err := network.complete()
		if err != nil {
			t.Fatal(err)
		}
		lab := &Lab{Spec: spec, Servers: []*Node{{Addr: nth(spec.Net, serverPlace), Weight: 1}}}
		text := lab.VirtualRouter() + lab.Config(Service{Port: ServicePort, Persistence: "60"})
		file := filepath.Join(t.TempDir(), "keepalived.conf")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for id, priority := range map[string]uint8{FirstDirector: highPriority, SecondDirector: lowPriority} {
			c, diags, err := keepalived.Load(file, keepalived.Options{ConfigID: id, IPv6: true})
			if err != nil || len(diags) > 0 || len(c.VRRP.Instances) != 1 || len(c.VirtualServers) != 1 {
				t.Fatalf("%s reads %v, %v in\n%s", id, err, diags, text)
			}
			in := c.VRRP.Instances[0]
			if in.Priority != priority || in.Interface != Ifname || len(in.Addresses) != 1 || !in.Preempt {
				t.Errorf("%s: %+v", id, in)
			}
		}
	}
}

// Which director a command is about, and which one stops first.
func TestCommandsAreAboutTheDirectorOfTheirHost(t *testing.T) {
	first, client := &Node{Role: RoleDirector, Host: newHost(t, FirstDirector)}, &Node{Role: RoleClient}
	second := &Node{Role: RoleDirector, Host: newHost(t, SecondDirector)}
	s := &Site{Lab: &Lab{Spec: Spec{Directors: 2}, Director: first, Others: []*Node{second}}}
	if got := s.Directors(); len(got) != 0 || s.DirectorOf(second) != nil {
		t.Errorf("nothing runs, and %v do", got)
	}
	s.Running = &Director{Socket: "first"}
	if got := s.DirectorOf(second); got != s.Running {
		t.Error("where the second does not run, commands are about the first")
	}
	if got, err := s.Master(t.Context()); err != nil || got != s.Running {
		t.Errorf("a director alone is the master: %v, %v", got, err)
	}
	s.Second = &Director{Socket: "second"}
	for _, c := range []struct {
		law  string
		n    *Node
		want *Director
	}{{"the first", first, s.Running}, {"the second", second, s.Second}, {"a client", client, s.Running}} {
		if got := s.DirectorOf(c.n); got != c.want {
			t.Errorf("%s: %s", c.law, got.Socket)
		}
	}
	if s.HostOf(s.Running) != first || s.HostOf(s.Second) != second {
		t.Error("a director is on another host than its own")
	}
	if _, err := s.Master(t.Context()); err == nil || !strings.Contains(err.Error(), "role") {
		t.Errorf("directors that do not answer have a master: %v", err)
	}
}

func TestOnlySIGKILLIsBeingKilled(t *testing.T) {
	for _, c := range []struct {
		law, script string
		want        bool
	}{
		{"killed", "kill -KILL $$", true},
		{"another signal", "kill -TERM $$", false},
		{"an exit code", "exit 9", false},
		{"the exit code of a shell whose program was killed", "exit 137", false},
		{"a good end", "true", false},
	} {
		if err := exec.Command("sh", "-c", c.script).Run(); wasKilled(err) != c.want {
			t.Errorf("%s: %v", c.law, err)
		}
	}
	if wasKilled(errors.New("killed")) || !wasKilled(fmt.Errorf("stop: %w", exec.Command("sh", "-c", "kill -9 $$").Run())) {
		t.Error("a word is taken for a signal, or a wrapped signal is not seen")
	}
}

func TestARoleIsThatOfAllInstances(t *testing.T) {
	in := func(roles ...string) *api.Status {
		st := new(api.Status)
		for _, r := range roles {
			st.Routers = append(st.Routers, api.Router{Role: r})
		}
		return st
	}
	for _, c := range []struct {
		law  string
		st   *api.Status
		want bool
	}{
		{"without an instance there is no role", in(), false},
		{"one", in("MASTER"), true},
		{"another one", in("BACKUP"), false},
		{"all", in("MASTER", "MASTER"), true},
		{"one of two", in("MASTER", "FAULT"), false},
	} {
		if got := hasRole(c.st, "MASTER"); got != c.want {
			t.Errorf("%s: %v", c.law, got)
		}
	}
}
