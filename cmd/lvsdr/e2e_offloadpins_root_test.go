//go:build root

package main_test

import (
	"context"
	be "encoding/binary"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
)

// A numbered sends numbered datagrams over some flows to a VIP, and notes in which order they
// come to the servers.
type numbered struct {
	flows []net.Conn
	sent  []uint32 // by flow
	stop  context.CancelFunc
	over  chan struct{}

	mu  sync.Mutex
	got [][]uint32 // by flow
}

// startNumbered sends four datagrams a millisecond over so many flows.
func startNumbered(t *testing.T, lab *network, flows int) *numbered {
	t.Helper()
	n := &numbered{sent: make([]uint32, flows), got: make([][]uint32, flows), over: make(chan struct{})}
	for _, rs := range lab.Servers {
		c, err := rs.ListenPacket("udp", vipPort(lab))
		must(t, err)
		t.Cleanup(func() { _ = c.Close() })
		raw, err := c.(*net.UDPConn).SyscallConn()
		must(t, err)
		must(t, raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20) }))
		must(t, err)
		go n.receive(c)
	}
	for range flows {
		c, err := lab.Clients[0].Dial(t.Context(), "udp", vipPort(lab))
		must(t, err)
		t.Cleanup(func() { _ = c.Close() })
		n.flows = append(n.flows, c)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	n.stop = stop
	t.Cleanup(func() { stop(); <-n.over })
	go n.send(ctx)
	return n
}

func (n *numbered) receive(c net.PacketConn) {
	var b [64]byte
	for {
		if _, _, err := c.ReadFrom(b[:]); err != nil {
			return
		}
		flow := be.BigEndian.Uint32(b[:])
		n.mu.Lock()
		n.got[flow] = append(n.got[flow], be.BigEndian.Uint32(b[4:]))
		n.mu.Unlock()
	}
}

func (n *numbered) send(ctx context.Context) {
	defer close(n.over)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := 0; ctx.Err() == nil; <-tick.C {
		for range 4 {
			var b [64]byte
			be.BigEndian.PutUint32(b[:], uint32(i))
			be.BigEndian.PutUint32(b[4:], n.sent[i])
			if _, err := n.flows[i].Write(b[:]); err == nil { // an ICMP error of before may be told
				n.sent[i]++
			}
			i = (i + 1) % len(n.flows)
		}
	}
}

// end ends the sending, and returns how many datagrams were sent, when the last of them has come.
func (n *numbered) end(t *testing.T) (sent uint64) {
	t.Helper()
	n.stop()
	<-n.over
	for _, s := range n.sent {
		sent += uint64(s)
	}
	await(t, "the last datagrams", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		for i := range n.got {
			if len(n.got[i]) == 0 || n.got[i][len(n.got[i])-1] != n.sent[i]-1 {
				return false
			}
		}
		return true
	})
	return sent
}

// come is how many datagrams of each flow have come.
func (n *numbered) come() []int {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]int, len(n.got))
	for i := range n.got {
		all[i] = len(n.got[i])
	}
	return all
}

// check wants all that came after the first ones to be whole and in order.
func (n *numbered) check(t *testing.T, from []int) {
	t.Helper()
	for i, got := range n.got {
		lost, other := 0, 0
		got = got[from[i]-1:]
		for j := 1; j < len(got); j++ {
			switch d := int64(got[j]) - int64(got[j-1]); {
			case d > 1:
				lost += int(d) - 1
			case d < 1:
				other++
			}
		}
		if lost+other > 0 {
			t.Errorf("flow %d: of %d datagrams %d are lost, and %d came late or twice", i, n.sent[i], lost, other)
		}
	}
}

// bpffs mounts a BPF file system.
func bpffs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must(t, unix.Mount("bpf", dir, "bpf", 0, ""))
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return filepath.Join(dir, "lvsdr")
}

// A pinning lab has a service of UDP, a table and a BPF file system.
type pinning struct {
	*network
	dir  string
	pins string
	args []string
}

func newPinning(t *testing.T) *pinning {
	t.Helper()
	l := &pinning{network: newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)}), dir: shortDir(t), pins: bpffs(t)}
	must(t, l.Clients[0].SetNeighbour(netlab.Ifname, l.Spec.VIP, l.Director.MAC))
	file := filepath.Join(l.dir, "keepalived.conf")
	must(t, os.WriteFile(file, []byte(udpService(l.network, "")), 0o600))
	l.args = []string{"-c", file, "--table", filepath.Join(memoryDir(t), "table"), "--force", "--offload-pins", l.pins}
	return l
}

// launch starts a director.
func (l *pinning) launch(t *testing.T, args ...string) *process {
	t.Helper()
	return launchWith(t, l.network, l.dir, append(slices.Clone(l.args), args...)...)
}

// kept lists the names in the BPF file system.
func (l *pinning) kept(t *testing.T) (names []string) {
	t.Helper()
	all, err := filepath.Glob(l.pins + "/*/*")
	must(t, err)
	for _, name := range all {
		names = append(names, filepath.Base(name))
	}
	return names
}

// nothingLeft wants what has ended the director to have left nothing.
func (l *pinning) nothingLeft(t *testing.T, what string) {
	t.Helper()
	if hooks, kept := hooked(t, l.Director.Host), l.kept(t); hooks != 0 || len(kept) > 0 {
		t.Errorf("%s leaves %d programs and %q", what, hooks, kept)
	}
}

func (p *process) status(t *testing.T) *api.Status {
	t.Helper()
	return status(t, &netlab.Director{Socket: p.socket})
}

// fast waits until the kernel forwards all flows, and the director none of their frames.
func (p *process) fast(t *testing.T, flows int) {
	t.Helper()
	hits := p.status(t).Reasons["hit"]
	before := offloaded(p.status(t))
	await(t, "the kernel to forward all", func() bool {
		st := p.status(t)
		same, more := st.Reasons["hit"] == hits, offloaded(st) > before+uint64(10*flows)
		if !same {
			hits, before = st.Reasons["hit"], offloaded(st)
		}
		return st.Offload.Flows == flows && same && more
	})
}

// wentOn ends the sending, and wants all datagrams after the first ones to have come and to be
// counted, and the kernel to forward the flows that p has taken over.
func (p *process) wentOn(t *testing.T, n *numbered, from []int) {
	t.Helper()
	sent := n.end(t)
	n.check(t, from)
	st := p.status(t)
	if got := st.Services[0].Traffic.Packets; got != sent {
		t.Errorf("%d datagrams were sent, %d packets are counted", sent, got)
	}
	if st.Offload.Begun != 0 || st.Offload.Flows != len(n.flows) {
		t.Errorf("%+v: the flows were not gone on with", st.Offload)
	}
}

// Directors that are killed, one after the other, cost the flows that the kernel forwards no frame;
// all frames are counted, also those that came while no director ran, and the flows live. A
// clean stop leaves nothing.
func TestKilledDirectorsLoseNoFrameOfAnOffloadedFlow(t *testing.T) {
	t.Parallel()
	const flows = 8
	kills, between := rounds(5, 30), time.Duration(rounds(200, 1800))*time.Millisecond
	l := newPinning(t)
	p := l.launch(t, "--offload", "tc")
	n := startNumbered(t, l.network, flows)
	p.fast(t, flows)
	from := n.come()
	for range kills {
		p.end(t, unix.SIGKILL)
		if hooked(t, l.Director.Host) != 1 {
			t.Fatal("the program is gone with the director")
		}
		time.Sleep(100 * time.Millisecond) // some frames come while no director runs
		p = l.launch(t, "--offload", "tc")
		if o := p.status(t).Offload; o.Adopted != flows || o.Unpinned != "" {
			t.Fatalf("a director has taken over %+v, want %d flows", o, flows)
		}
		time.Sleep(between)
	}
	p.wentOn(t, n, from)
	if code := p.end(t, unix.SIGTERM); code != 0 {
		t.Errorf("the director ended with %d", code)
	}
	l.nothingLeft(t, "a clean stop")
}

// What a killed director leaves is removed by a next one that does not go on with it, and by
// cleanup; one that is to be restarted leaves it on purpose.
func TestNobodyGoesOnWithWhatHeShouldNot(t *testing.T) {
	t.Parallel()
	const flows = 4
	l := newPinning(t)
	startNumbered(t, l.network, flows)
	for _, c := range []struct {
		name string
		args []string // of the next one
		want string   // what its status says
	}{
		{"without offload", []string{"--offload", "off"}, ""},
		{"with another table", []string{"--offload", "tc", "--table", filepath.Join(memoryDir(t), "table")}, "does not belong"},
		{"without a table", []string{"--offload", "tc", "--table", "off"}, ""},
		{"without a place for it", []string{"--offload", "tc", "--offload-pins", shortDir(t)}, "no BPF file system"},
	} {
		p := l.launch(t, "--offload", "tc")
		p.fast(t, flows)
		p.end(t, unix.SIGKILL)
		p = l.launch(t, c.args...)
		st := p.status(t)
		switch {
		case c.args[1] == "off" && (st.Offload != nil || hooked(t, l.Director.Host) != 0 || len(l.kept(t)) > 0):
			t.Errorf("%s: %+v, %d programs, %q are kept", c.name, st.Offload, hooked(t, l.Director.Host), l.kept(t))
		case c.args[1] == "tc" && (st.Offload.Adopted > 0 || !strings.Contains(st.Offload.Unpinned, c.want)):
			t.Errorf("%s: %+v", c.name, st.Offload)
		}
		if code := p.end(t, unix.SIGTERM); code != 0 {
			t.Errorf("%s: the director ended with %d", c.name, code)
		}
		must(t, os.RemoveAll(l.pins)) // where it could not see it
		await(t, c.name+": the program to be gone", func() bool { return hooked(t, l.Director.Host) == 0 })
	}
	p := l.launch(t, "--offload", "tc", "--keep-shield")
	p.fast(t, flows)
	from := offloaded(p.status(t))
	p.end(t, unix.SIGTERM)
	p = l.launch(t, "--offload", "tc")
	if o := p.status(t).Offload; o.Adopted != flows || from == 0 {
		t.Errorf("with --keep-shield: %+v", o)
	}
	p.end(t, unix.SIGKILL)
	if out, err := l.Director.Command(t.Context(), binary(), "cleanup", "--offload-pins", l.pins).CombinedOutput(); err != nil {
		t.Errorf("cleanup: %v, %s", err, out)
	}
	l.nothingLeft(t, "cleanup")
}

// A take-over costs the flows that the kernel forwards no frame, and those that it does not, none either:
// the successor has what the kernel has, with every count.
func TestATakeOverKeepsOffloadedFlows(t *testing.T) {
	t.Parallel()
	const flows = 8
	l := newPinning(t)
	p := l.launch(t, "--offload", "tc")
	n := startNumbered(t, l.network, flows)
	p.fast(t, flows)
	from := n.come()
	for range rounds(3, 30) {
		old := p
		p = l.launch(t, "--offload", "tc", "--takeover")
		if err := old.Wait(); err != nil {
			t.Errorf("the old process ended with %v", err)
		}
		if o := p.status(t).Offload; o.Adopted != flows || o.Unpinned != "" || len(o.Hooks) != 1 {
			t.Fatalf("a director has taken over %+v, want %d flows", o, flows)
		}
	}
	p.wentOn(t, n, from)
	p.end(t, unix.SIGTERM)
	l.nothingLeft(t, "a clean stop")
}
