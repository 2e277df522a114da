//go:build long

package main_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
)

// Clients of the control socket that open connections and say nothing cannot take the
// descriptors that checks need: a real server that dies meanwhile is taken out.
func TestChecksAreMadeWhileClientsTakeAllDescriptorsTheyCan(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	dir := shortDir(t)
	s := rotating()
	s.Server = checked
	file, socket := filepath.Join(dir, "keepalived.conf"), filepath.Join(dir, "sock")
	if err := os.WriteFile(file, []byte(lab.Config(s)), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &process{}
	p.Cmd = lab.Director.Command(context.WithoutCancel(t.Context()), "sh", "-c", "ulimit -n 96; exec \"$@\"", "sh", binary(), "run", netlab.SmallTable, "-c", file, "--socket", socket)
	p.Stdout, p.Stderr = &p.log, &p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	ask := api.NewClient(socket)
	await(t, "the director", func() bool { st, err := ask.Status(t.Context()); return err == nil && st.Active })
	for range 300 {
		c, err := net.Dial("unix", socket)
		if err != nil {
			break // its queue is full
		}
		defer c.Close()
	}
	nl := lab.Servers[1].Netlink()
	eth, err := nl.LinkByName(netlab.Ifname)
	if err == nil {
		err = nl.LinkSetDown(eth)
	}
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the dead server to be taken out", func() bool {
		st, err := ask.Status(t.Context())
		return err == nil && !st.Services[0].Servers[1].Up && st.Services[0].Servers[0].Up
	})
	if code := p.end(t, unix.SIGTERM); code != 0 {
		t.Errorf("the director ended with %d; log:\n%s", code, &p.log)
	}
}
