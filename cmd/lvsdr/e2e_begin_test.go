package main_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
)

// Clients that know the director's MAC address from before a restart were
// refused while it did not know those of the real servers yet. Their packets
// must be lost then, so that they are sent again.
func TestNobodyIsRefusedBeforeTheVIPsAreAnnounced(t *testing.T) {
	t.Parallel()
	lab := newLab(t, netlab.Spec{})
	client := lab.Clients[0]
	if err := client.SetNeighbour(netlab.Ifname, lab.Spec.VIP, lab.Director.MAC); err != nil {
		t.Fatal(err)
	}
	// A real server that does not exist makes the director wait.
	config := fmt.Sprintf("virtual_server %s %d {\n lb_algo rr\n lb_kind DR\n protocol TCP\n persistence_timeout 0\n"+
		" real_server 192.168.1.250 %d {\n }\n}\n", lab.Spec.VIP, port, port)
	dir := shortDir(t)
	file, socket := filepath.Join(dir, "keepalived.conf"), filepath.Join(dir, "sock")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	active := func() (loaded, active bool) {
		st, err := askStatus(t.Context(), socket)
		return err == nil && len(st.Services) > 0, err == nil && st.Active
	}
	connect := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		c, err := client.Dial(ctx, "tcp", net.JoinHostPort(lab.Spec.VIP.String(), fmt.Sprint(port)))
		if err == nil {
			c.Close()
		}
		return err
	}
	early := func() (err error, before bool) {
		await(t, "the configuration", func() bool { ok, _ := active(); return ok })
		err = connect()
		_, begun := active()
		return err, !begun
	}
	// A director that has announced its VIPs by then proves nothing; another one may.
	await(t, "a connection before the VIPs are announced", func() bool {
		p := lab.Director.Command(context.WithoutCancel(t.Context()), binary(), "run", netlab.SmallTable, "-c", file, "--socket", socket)
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			_ = unix.Kill(p.Process.Pid, unix.SIGKILL) // it may have ended
			_ = p.Wait()                               // its error is that it was killed
		}()
		err, before := early()
		if before && (err == nil || errors.Is(err, unix.ECONNREFUSED)) {
			t.Errorf("before the VIPs are announced: %v, want no answer", err)
		}
		await(t, "the announcements", func() bool { _, begun := active(); return begun })
		await(t, "a refusal: there is no server", func() bool { return errors.Is(connect(), unix.ECONNREFUSED) })
		return before
	})
}
