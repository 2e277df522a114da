package main_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
)

// A station is one director of a pair that keepalived's VRRP decides between: it starts
// and stops lvsdr. What scripts would do is done here, since keepalived does not run any in
// a user namespace.
type station struct {
	socket string
	run    func() *netns.Cmd // lvsdr
	done   chan struct{}     // closed when no state comes any more
}

// pair runs keepalived on the host with that VRRP priority. One file is for both
// programs.
func pair(t *testing.T, keepalived string, n *netlab.Node, config string, priority int) *station {
	t.Helper()
	dir := shortDir(t)
	path := func(name string) string { return filepath.Join(dir, name) }
	vrrp := fmt.Sprintf(`global_defs {
    vrrp_version 3
    vrrp_notify_fifo %s
}
vrrp_instance lvsdr {
    state BACKUP
    interface %s
    virtual_router_id 51
    priority %d
    advert_int 0.2
    nopreempt
    virtual_ipaddress {
        169.254.51.51/32 dev lo
    }
}
`, path("fifo"), netlab.Ifname, priority)
	file := path("keepalived.conf")
	if err := os.WriteFile(file, []byte(vrrp+config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(path("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	fifo, err := os.OpenFile(path("fifo"), os.O_RDWR, 0) // so that it opens at once
	if err != nil {
		t.Fatal(err)
	}
	ctx, log := context.WithoutCancel(t.Context()), new(netlab.Output)
	command := func(name string, args ...string) *netns.Cmd {
		cmd := n.Host.Command(ctx, name, args...)
		cmd.Stdout, cmd.Stderr = log, log
		return cmd
	}
	s := &station{socket: path("sock"), done: make(chan struct{})}
	s.run = func() *netns.Cmd {
		return command(binary(), "run", netlab.SmallTable, "-c", file, "--socket", s.socket, "--force", "--no-vrrp")
	}
	k := command(keepalived, "-P", "-n", "-l", "-D", "-f", file, "-p", path("k.pid"), "-r", path("vrrp.pid"))
	if err := k.Start(); err != nil {
		t.Fatal(err)
	}
	go s.follow(fifo)
	t.Cleanup(func() {
		_ = k.Process.Signal(unix.SIGTERM) // it may have ended
		_ = k.Wait()                       // its exit code says nothing of the directors
		_ = fifo.Close()
		<-s.done
		if t.Failed() {
			t.Logf("the station of priority %d wrote:\n%s", priority, log)
		}
	})
	return s
}

// follow runs lvsdr while the station is the master, until the FIFO is closed.
func (s *station) follow(fifo io.Reader) {
	defer close(s.done)
	var lvsdr *netns.Cmd
	stop := func() {
		if lvsdr != nil {
			_ = lvsdr.Process.Signal(unix.SIGTERM) // it may have ended
			_ = lvsdr.Wait()                       // the test asks it while it runs
			lvsdr = nil
		}
	}
	defer stop()
	for lines := bufio.NewScanner(fifo); lines.Scan(); {
		switch words := strings.Fields(lines.Text()); {
		case len(words) < 3 || words[0] != "INSTANCE":
		case words[2] != "MASTER":
			stop()
		case lvsdr == nil:
			if lvsdr = s.run(); lvsdr.Start() != nil {
				lvsdr = nil
			}
		}
	}
}

// serves waits until the station's director announces the VIP and reaches all servers.
func (s *station) serves(t *testing.T) {
	t.Helper()
	await(t, "the director to serve", func() bool {
		st, err := askStatus(t.Context(), s.socket)
		return err == nil && st.Active && servesAll(st)
	})
}

// A pair that keepalived's VRRP decides between: when the network of the first goes, the second
// takes the VIP, and all connections live on.
func TestConnectionsLiveThroughAFailoverByVRRP(t *testing.T) {
	t.Parallel()
	keepalived := tool(t, "keepalived", "keepalived")
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1, 1)})
	config := lab.Config(netlab.Service{Port: port, Persistence: "0", Scheduler: "mh", More: "mh-port"})
	n, err := lab.AddDirector(t.Context(), "director2")
	if err != nil {
		t.Fatal(err)
	}
	first := pair(t, keepalived, lab.Director, config, 150)
	first.serves(t)
	second := pair(t, keepalived, n, config, 100)

	const open = 30
	conns, readers := make([]net.Conn, open), make([]*bufio.Reader, open)
	for i := range conns {
		if conns[i], err = lab.Clients[0].Dial(t.Context(), "tcp", vipPort(lab)); err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close()
		readers[i] = bufio.NewReader(conns[i])
		if _, err := request(conns[i], readers[i]); err != nil {
			t.Fatal(err)
		}
	}
	nl := lab.Director.Netlink()
	link, err := nl.LinkByName(netlab.Ifname)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := nl.LinkSetDown(link); err != nil {
		t.Fatal(err)
	}
	second.serves(t)
	t.Logf("the second director serves after %v", time.Since(begin).Round(10*time.Millisecond))
	for i, c := range conns {
		if _, err := request(c, readers[i]); err != nil {
			t.Errorf("connection %d after the failover: %v", i, err)
		}
	}
	t.Logf("all connections were served after %v", time.Since(begin).Round(10*time.Millisecond))
	get(t, lab, 10)
	st, err := askStatus(t.Context(), second.socket)
	if err != nil || st.Reasons["resumed"] != open || st.Reasons["reset-no-connection"] != 0 {
		t.Errorf("%v; frames %v, want %d resumed and none reset", err, st.Reasons, open)
	}

	// Its network is back: the first stays the second one's stand-in.
	if err := nl.LinkSetUp(link); err != nil {
		t.Fatal(err)
	}
	get(t, lab, 10)
	if st, err := askStatus(t.Context(), first.socket); err == nil && st.Active {
		t.Error("both directors serve")
	}
}
