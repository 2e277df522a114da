package vrrp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/control/vrrp"
)

// A rig is two hosts on a cable: one runs a router of ours, the other keepalived or a second one of ours.
type rig struct {
	t          *testing.T
	ours, far  *netns.Host
	keepalived string // the program
}

// patient is how long a role is waited for: much longer than it takes on a busy host.
const patient = 60 * time.Second

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, keepalived: netns.Tool(t, "keepalived", "keepalived")}
	r.ours, r.far = netns.NewTestHost(t, "ours", netns.HostConfig{IPv6: true}), netns.NewTestHost(t, "theirs", netns.HostConfig{IPv6: true})
	cable := func(n int) netns.Cable {
		return netns.Cable{Ifname: segment, Addrs: []netip.Prefix{
			netip.MustParsePrefix(fmt.Sprintf("10.9.0.%d/24", n)), netip.MustParsePrefix(fmt.Sprintf("2001:db8:9::%d/64", n)),
		}}
	}
	if err := netns.Lay(t.Context(), r.ours, cable(1), r.far, cable(2)); err != nil {
		t.Fatal(err)
	}
	return r
}

// A program is a router that runs: what it last said of its role, and how to end it.
type program struct {
	t    *testing.T
	name string
	cmd  *netns.Cmd
	in   io.Writer

	mu   sync.Mutex
	role string
	end  string // the last line, with the states
	all  []string
	news chan struct{}
	done chan struct{}
}

// reads follows the lines "NAME ROLE ..." of what a router says, or "INSTANCE "NAME" ROLE ...".
func (p *program) reads(from io.Reader) {
	defer close(p.done)
	for lines := bufio.NewScanner(from); lines.Scan(); {
		words := strings.Fields(strings.TrimPrefix(lines.Text(), "INSTANCE "))
		p.mu.Lock()
		p.all = append(p.all, lines.Text())
		switch {
		case len(words) > 1 && words[0] == "END":
			p.end = strings.TrimPrefix(lines.Text(), "END ")
		case len(words) > 1:
			p.role = words[1]
		}
		p.mu.Unlock()
		select {
		case p.news <- struct{}{}:
		default:
		}
	}
}

// is waits until the router has the role.
func (p *program) is(role string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patient)
	defer cancel()
	for {
		p.mu.Lock()
		now, all := p.role, p.all
		p.mu.Unlock()
		if now == role {
			return
		}
		select {
		case <-p.news:
		case <-p.done:
			if p.role != role {
				p.t.Fatalf("%s ended as %s, want %s: %q", p.name, p.role, role, all)
			}
		case <-ctx.Done():
			p.t.Fatalf("%s is %s, want %s: %q", p.name, now, role, all)
		}
	}
}

// kill ends the router without a word; stop lets it say so, and returns its states if it is one of ours.
func (p *program) kill() {
	_ = p.cmd.Process.Kill() // Wait tells
	_ = p.cmd.Wait()         // that it was killed
}

func (p *program) stop() []vrrp.State {
	p.t.Helper()
	if err := p.cmd.Process.Signal(unix.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	if p.in == nil {
		_ = p.cmd.Wait() // keepalived's exit code says nothing of roles
		return nil
	}
	<-p.done
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	var end struct{ States []vrrp.State }
	if err := json.Unmarshal([]byte(p.end), &end); err != nil {
		p.t.Fatalf("%s: %v: %q", p.name, err, p.all)
	}
	return end.States
}

// router runs one of ours on the host.
func (r *rig) router(h *netns.Host, s vrrp.Settings) *program {
	r.t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		r.t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := h.Command(context.WithoutCancel(r.t.Context()), self)
	cmd.Env = append(os.Environ(), driver+"="+string(text))
	log := new(strings.Builder)
	cmd.Stderr = log
	in, err := cmd.StdinPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	p := &program{t: r.t, name: "ours", cmd: cmd, in: in, news: make(chan struct{}, 1), done: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	go p.reads(out)
	r.t.Cleanup(func() {
		p.kill()
		if r.t.Failed() {
			r.t.Logf("ours said %q and logged\n%s", p.all, log)
		}
	})
	return p
}

// theirs runs keepalived, on its host, with this instance.
func (r *rig) theirs(instance string) *program {
	r.t.Helper()
	dir, err := os.MkdirTemp("", "ka") // the paths of sockets are short
	if err != nil {
		r.t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		r.t.Fatal(err)
	}
	from, err := os.OpenFile(fifo, os.O_RDWR, 0) // so that it opens at once
	if err != nil {
		r.t.Fatal(err)
	}
	file := filepath.Join(dir, "keepalived.conf")
	text := "global_defs {\nvrrp_notify_fifo " + fifo + "\n}\nvrrp_instance V {\nstate BACKUP\ninterface " + segment + "\nvirtual_router_id 51\n" + instance + "\n}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	log := new(strings.Builder)
	cmd := r.far.Command(context.WithoutCancel(r.t.Context()), r.keepalived, "-P", "-n", "-l", "-f", file, "-p", filepath.Join(dir, "k"), "-r", filepath.Join(dir, "v"))
	cmd.Stdout, cmd.Stderr = log, log
	p := &program{t: r.t, name: "keepalived", cmd: cmd, news: make(chan struct{}, 1), done: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	go p.reads(from)
	r.t.Cleanup(func() {
		_ = cmd.Kill() // the parent and its child
		p.kill()
		_ = from.Close()
		<-p.done
		_ = os.RemoveAll(dir)
		if r.t.Failed() {
			r.t.Logf("keepalived logged\n%s", log)
		}
	})
	return p
}

// killAll ends keepalived and its child without a word.
func (p *program) killAll() {
	_ = p.cmd.Kill() // Wait tells
	_ = p.cmd.Wait() // that it was killed
}

// An interop is one way to speak with keepalived: its words, and our settings. Version 2 counts
// whole seconds, so that four changes of the master take long: where the environment has no
// LVSDR_LONG, version 3 is spoken alone.
type interop struct {
	name   string
	theirs string // without the priority
	ours   vrrp.Instance
}

func interops() []interop {
	usual := func(i *vrrp.Instance) {
		i.Interval = 100 * time.Millisecond
		i.Addresses = []netip.Addr{netip.MustParseAddr("10.9.0.100")}
	}
	slow := func(i *vrrp.Instance) { i.Version, i.Interval = 2, time.Second }
	six := func(i *vrrp.Instance) {
		i.IPv6, i.Addresses = true, []netip.Addr{netip.MustParseAddr("2001:db8:9::100"), netip.MustParseAddr("fe80::100")}
	}
	peer := func(a string) func(*vrrp.Instance) {
		return func(i *vrrp.Instance) { i.Peers = []vrrp.Peer{{Addr: netip.MustParseAddr(a)}}; i.PeersOnly = true }
	}
	const v3, v4, v6 = "version 3\nadvert_int 0.1\n", "virtual_ipaddress {\n10.9.0.100\n}\n", "virtual_ipaddress {\nfe80::100\n2001:db8:9::100\n}\n"
	many := make([]netip.Addr, 0, 60)
	list := "virtual_ipaddress {\n"
	for n := range cap(many) {
		a := netip.AddrFrom4([4]byte{10, 9, 1, byte(n + 1)})
		many, list = append(many, a), list+a.String()+"\n"
	}
	all := []interop{
		{"version 3", v3 + v4, router(0, usual)},
		{"version 3 with many addresses", v3 + list + "}\n", router(0, usual, func(i *vrrp.Instance) { i.Addresses = many })},
		{"version 3 by unicast", v3 + v4 + "unicast_src_ip 10.9.0.2\nunicast_peer {\n10.9.0.1\n}\n", router(0, usual, peer("10.9.0.2"))},
		{"version 3 with the old checksum of unicast", "old_unicast_checksum\n" + v3 + v4 + "unicast_src_ip 10.9.0.2\nunicast_peer {\n10.9.0.1\n}\n", router(0, usual, peer("10.9.0.2"), func(i *vrrp.Instance) { i.Checksum = vrrp.GroupHeader })},
		{"version 3 with a virtual MAC", v3 + v4, router(0, usual, func(i *vrrp.Instance) { i.MAC = [6]byte{0, 0, 0x5e, 0, 1, 51} })},
		{"IPv6", v3 + v6, router(0, usual, six)},
		{"IPv6 by unicast", v3 + v6 + "unicast_src_ip 2001:db8:9::2\nunicast_peer {\n2001:db8:9::1\n}\n", router(0, usual, six, peer("2001:db8:9::2"), func(i *vrrp.Instance) { i.Source = netip.MustParseAddr("2001:db8:9::1") })},
		{"IPv6 with a virtual MAC", v3 + v6, router(0, usual, six, func(i *vrrp.Instance) { i.MAC = [6]byte{0, 0, 0x5e, 0, 2, 51} })},
	}
	if os.Getenv("LVSDR_LONG") == "" {
		return all
	}
	return append(all, []interop{
		{"version 2", "advert_int 1\n" + v4, router(0, usual, slow)},
		{"version 2 with a password", "advert_int 1\nauthentication {\nauth_type PASS\nauth_pass sesame\n}\n" + v4, router(0, usual, slow, pass("sesame"))},
		{"version 2 by unicast", "advert_int 1\n" + v4 + "unicast_src_ip 10.9.0.2\nunicast_peer {\n10.9.0.1\n}\n", router(0, usual, slow, peer("10.9.0.2"))},
	}...)
}

// with is i with this priority.
func with(i vrrp.Instance, priority uint8) vrrp.Settings {
	i.Priority = priority
	return only(i)
}

// Whatever way they speak, the better one of keepalived and us is master, the other takes over when it is killed or
// says that it stops, and gives the role back. No packet of keepalived's is refused, and none is odd.
func TestKeepalivedAndWeAgreeWhoIsMaster(t *testing.T) {
	t.Parallel()
	for _, tt := range interops() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			ka, us := r.theirs(tt.theirs+"priority 100"), r.router(r.ours, with(tt.ours, 150))
			us.is("MASTER")
			ka.is("BACKUP")
			us.kill()
			ka.is("MASTER")
			us = r.router(r.ours, with(tt.ours, 50))
			us.is("BACKUP")
			ka.killAll()
			us.is("MASTER")
			ka = r.theirs(tt.theirs + "priority 100")
			ka.is("MASTER")
			us.is("BACKUP")
			ka.stop()
			us.is("MASTER")
			for _, s := range us.stop() {
				// How often roles changed is not asked: a busy host may let a timer run out.
				for why, n := range s.Stats.Received {
					if n > 0 && vrrp.Reason(why) != vrrp.Accepted {
						t.Errorf("%d packets are refused: %v", n, vrrp.Reason(why))
					}
				}
				if s.Stats.Odd+s.Stats.Differ > 0 || s.Stats.Received[vrrp.Accepted] == 0 {
					t.Errorf("keepalived's adverts: %+v", s.Stats)
				}
			}
		})
	}
}

// Two of ours, over ten-millisecond intervals, with a reload that turns the priorities.
func TestTwoOfOursAgreeWhoIsMaster(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	i := router(0, func(i *vrrp.Instance) { // keepalived 2.2.7 does not know v3_checksum_as_v2
		i.Interval, i.Checksum = 10*time.Millisecond, vrrp.NoPseudoHeader
	})
	one, other := r.router(r.ours, with(i, 150)), r.router(r.far, with(i, 100))
	one.is("MASTER")
	other.is("BACKUP")
	text, err := json.Marshal(with(i, 50))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(one.in, "%s\n", text); err != nil {
		t.Fatal(err)
	}
	other.is("MASTER")
	one.is("BACKUP")
	other.kill()
	one.is("MASTER")
	one.stop()
}

// A password that differs makes two masters: neither believes the other.
func TestAPasswordThatDiffersIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ka := r.theirs("state MASTER\npriority 255\nadvert_int 1\nauthentication {\nauth_type PASS\nauth_pass one\n}\nvirtual_ipaddress {\n10.9.0.100\n}")
	ka.is("MASTER")
	us := r.router(r.ours, with(router(0, func(i *vrrp.Instance) { i.Addresses = []netip.Addr{netip.MustParseAddr("10.9.0.100")} }, v2, pass("two")), 100))
	us.is("MASTER") // after three intervals, in each of which keepalived spoke
	if s := us.stop()[0]; s.Stats.Received[vrrp.WrongPassword] == 0 || s.Stats.Received[vrrp.Accepted] != 0 {
		t.Errorf("%+v", s.Stats)
	}
}
