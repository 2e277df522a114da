package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
)

// `lvsdr reload` waits for the outcome, and its exit code says which one it is.
func TestReloadTellsTheOutcome(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(3, 1)})
	config := lab.Config(rotating())
	file := filepath.Join(shortDir(t), "keepalived.conf")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(config)
	d := direct(t, lab, config, "-c", file)
	elsewhere := strings.Replace(config, lab.Spec.VIP.String(), "203.0.113.7", 1)
	for _, c := range []struct {
		law, text, out, err string
		code                int
	}{
		{"the same file", config, "reloaded, 0 changes\n", "", 0},
		{"another weight", strings.Replace(config, "weight 3", "weight 5", 1), ":8080 of tcp " + lab.Spec.VIP.String() + ":8080, weight 5\nreloaded, 1 changes\n", "", 0},
		{"a file that is wrong", strings.Replace(config, "lb_algo", "lb_alga", 1), "", "lb_alga", 1},
		{"a service on a network that is not there", config + elsewhere, "problem: " + file, "", 2},
		{"the first file again", config, "reloaded, ", "", 0},
	} {
		write(c.text)
		r := lvsdr(t, "reload", "--socket", d.Socket)
		if r.code != c.code || !strings.Contains(r.stdout, c.out) || !strings.Contains(r.stderr, c.err) {
			t.Errorf("%s: exit code %d, want %d\n%s%s", c.law, r.code, c.code, r.stdout, r.stderr)
		}
		get(t, lab, 4)
	}
	if r := verb(t, "reload", "--json", "--socket", d.Socket); r.code != 0 || !strings.Contains(r.stdout, `"changes": []`) {
		t.Errorf("as JSON: exit code %d, %s%s", r.code, r.stdout, r.stderr)
	}
	if r := verb(t, "reload", "--socket", "/tmp/none"); r.code != 1 || !strings.Contains(r.stderr, "no director answers") {
		t.Errorf("without a director: exit code %d, %s", r.code, r.stderr)
	}
}

// A director without a file serves what is made at runtime.
func TestADirectorWithoutAConfiguration(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	p := launchWith(t, lab, shortDir(t), "--no-config")
	client := api.NewClient(p.socket)
	defer client.Close()
	s := api.ServiceConfig{ServiceKey: api.ServiceKey{Protocol: "tcp", Address: lab.Spec.VIP, Port: port}, Scheduler: "rr"}
	edits := []api.Edit{{Op: api.AddService, Service: s}}
	for _, rs := range lab.Servers {
		edits = append(edits, api.Edit{Op: api.AddServer, Service: s, Server: api.ServerConfig{Address: rs.Addr, Port: port, Weight: 1}})
	}
	errs, err := client.Edit(t.Context(), edits)
	if err != nil {
		t.Fatal(err)
	}
	for i, err := range errs {
		if err != nil {
			t.Errorf("edit %d: %v", i, err)
		}
	}
	await(t, "the VIP to be announced", func() bool { return strings.Contains(p.log.String(), "msg=announcing") })
	get(t, lab, 6)
	if r := verb(t, "reload", "--socket", p.socket); r.code != 1 || !strings.Contains(r.stderr, "without a configuration file") {
		t.Errorf("a reload: exit code %d, %s", r.code, r.stderr)
	}
	if code := p.end(t, unix.SIGTERM); code != 0 {
		t.Errorf("SIGTERM ended the director with %d", code)
	}
}
