package control

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"lvsdr/control/keepalived"
	"lvsdr/control/nics"
	"lvsdr/control/shield"
	"lvsdr/control/site"
)

// heirOf is a rig that is the successor of r, with a file of its own. It has been told what r knows, and has not
// started. ports are those it wants.
func heirOf(t *testing.T, r *rig, file string) (heir *rig, first loaded, ports []nics.Wish) {
	t.Helper()
	h := heritage{Site: r.l.state.Heritage(), Guards: []shield.Guard{}, Filled: []string{"/filled"}}
	for g := range r.Guards {
		h.Guards = append(h.Guards, g)
	}
	b, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var told heritage
	if err := json.Unmarshal(b, &told); err != nil {
		t.Fatal(err)
	}
	heir = newRig(t, file)
	if first.cfg, first.found, first.err = parse(file); first.err != nil {
		t.Fatal(first.err)
	}
	if ports, err = heir.l.inherit(&told, first); err != nil {
		t.Fatal(err)
	}
	return heir, first, ports
}

// run starts a rig with a file that it has inherited with.
func (r *rig) run(first loaded) {
	ctx, cancel := context.WithCancel(r.Context())
	done := make(chan error, 1)
	go func() { done <- r.l.run(ctx, first, nil) }()
	r.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
}

// A successor comes to the same as the process before it, at once: it waits for no MAC address before it announces,
// and tells nobody anything.
func TestASuccessorComesToTheSameAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		file := service("192.168.1.100", checkedServer("192.168.1.11"), checkedServer("192.168.1.12"))
		r := running(t, file)
		r.check("192.168.1.12", false)
		r.edit(add("192.168.1.101", server("192.168.1.13", 3))...)
		r.resolve()
		heir, first, ports := heirOf(t, r, file)
		if slices.ContainsFunc(heir.Calls, func(c string) bool { return c != "shield.Set" && c != "redirect.Open" && c != "host.Read" }) {
			t.Errorf("before it takes over it calls %q", heir.Calls)
		}
		if len(heir.Edits) > 0 || len(heir.VIPs) > 0 || len(ports) == 0 || len(ports[0].VIPs) != 2 {
			t.Errorf("before it takes over: edits %v, VIPs %v, ports %v", heir.Edits, heir.VIPs, ports)
		}
		heir.run(first)
		if got, want := heir.world(), r.world(); got != want {
			t.Errorf("the successor has\n%s, the process before it\n%s", got, want)
		}
		if !slices.Contains(heir.notified, "READY=1") || len(heir.Messages) > 0 || heir.lines("is down") > 0 {
			t.Errorf("it has notified %q, told %v and logged\n%s", heir.notified, heir.Messages, heir.log.String())
		}
		if !heir.l.reloads.filled["/filled"] {
			t.Error("a file that has got its number gets it again")
		}
		heir.check("192.168.1.12", true)
		if len(heir.Messages) == 0 {
			t.Error("what changes after it is not told")
		}
	})
}

// What another file brings and takes away is told when the work is taken, and not before.
func TestASuccessorTellsWhatItsFileChangesWhenItHasTheWork(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service("192.168.1.100", checkedServer("192.168.1.11")))
		heir, first, _ := heirOf(t, r, service("192.168.1.102", "192.168.1.11"))
		if len(heir.Messages) > 0 {
			t.Errorf("it tells %v before", heir.Messages)
		}
		for g := range r.Guards {
			if !heir.Guards[g] {
				t.Errorf("the guard %v of the process that serves is taken away", g)
			}
		}
		heir.run(first)
		var said []string
		for _, m := range heir.Messages {
			said = append(said, m.Line)
		}
		if text := strings.Join(said, "\n"); !strings.Contains(text, "VS [192.168.1.100]:tcp:80 DOWN") || !strings.Contains(text, "VS [192.168.1.102]:tcp:80 UP") {
			t.Errorf("it tells\n%s", text)
		}
		for g := range heir.Guards {
			if g.VIP == ip("192.168.1.100") {
				t.Errorf("the guard %v of a VIP that is gone stays", g)
			}
		}
	})
}

// Without a file all that the file of the process before asked for goes, and what ipvsadm made stays.
func TestASuccessorWithoutAFileKeepsWhatIpvsadmMade(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service("192.168.1.100", "192.168.1.11"))
		r.edit(add("192.168.1.101", server("192.168.1.13", 3))...)
		r.resolve()
		heir, _, _ := heirOf(t, r, "")
		heir.run(loaded{})
		if got := heir.content(); !slices.Equal(got, []string{"192.168.1.101: 192.168.1.13*3"}) {
			t.Errorf("it has %q", got)
		}
	})
}

func TestASuccessorThatCannotReadTheHostDoesNotTakeOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		heir := newRig(t, "")
		heir.Fail = func(call string) error {
			if call == "host.Read" {
				return errors.New("no netlink")
			}
			return nil
		}
		_, err := heir.l.inherit(&heritage{Site: site.New(site.Options{}).Heritage()}, loaded{cfg: &keepalived.Config{}})
		if err == nil || !strings.Contains(err.Error(), "no netlink") || !strings.HasPrefix(err.Error(), "take over") {
			t.Errorf("%v", err)
		}
	})
}

// A socket that was handed over is used where it is at the wished address, once, and is closed otherwise.
func TestASocketIsInheritedByItsAddress(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, c := range []struct {
		network, at, want string
		taken             bool
	}{
		{"unix", path, path, true},
		{"unix", path, path + "2", false},
		{"tcp", "127.0.0.1:0", "", true},
		{"tcp", "127.0.0.1:0", "127.0.0.1:1", false},
		{"tcp", "127.0.0.1:0", "not an address", false},
	} {
		l, err := net.Listen(c.network, c.at)
		if err != nil {
			t.Fatal(err)
		}
		want := c.want
		if want == "" {
			want = l.Addr().String()
		}
		d := &daemon{files: map[string]net.Listener{"x": l}}
		got := d.inherited("x", want)
		if (got != nil) != c.taken {
			t.Errorf("%+v: %v", c, got)
		}
		if d.inherited("x", want) != nil {
			t.Errorf("%+v: it is given twice", c)
		}
		if !c.taken {
			if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%+v: it is not closed: %v", c, err)
			}
		}
		if got != nil {
			got.Close()
		}
	}
}

func TestAddressesAreComparedAsTheyAreUsed(t *testing.T) {
	at := func(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }
	for _, c := range []struct {
		is, want string
		same     bool
	}{
		{"127.0.0.1:9477", "127.0.0.1:9477", true}, {"[::ffff:127.0.0.1]:9477", "127.0.0.1:9477", true}, {"[::]:9477", "0.0.0.0:9477", true},
		{"127.0.0.1:9477", "127.0.0.1:9478", false}, {"127.0.0.1:9477", "127.0.0.2:9477", false},
	} {
		if got := sameAddr(at(c.is), c.want); got != c.same {
			t.Errorf("%s for %s: %v", c.is, c.want, got)
		}
	}
}
