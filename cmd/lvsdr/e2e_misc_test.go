package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
)

// programs is the configuration of a service whose real servers have these MISC_CHECKs, made
// ten times a second.
func programs(lab *network, checks ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "virtual_server %s %d {\nlb_algo wrr\nlb_kind DR\nprotocol TCP\npersistence_timeout 0\ndelay_loop 0.1\nwarmup 0\n", lab.Spec.VIP, port)
	for i, c := range checks {
		fmt.Fprintf(&b, "real_server %s %d {\nMISC_CHECK {\n%s\n}\n}\n", lab.Servers[i].Addr, port, c)
	}
	return b.String() + "}\n"
}

// A verdict is a file whose number is the exit code of a program.
type verdict string

// check is a MISC_CHECK with the program, and these words. Without misc_timeout the program would
// have a tenth of a second, which is short on a busy machine.
func (v verdict) check(words string) string {
	return fmt.Sprintf("misc_path \"/bin/sh -c 'read code < %s; exit $code'\"\nmisc_timeout 10\n%s", v, words)
}

// set sets the number at once.
func (v verdict) set(t *testing.T, code int) {
	t.Helper()
	must(t, os.WriteFile(string(v)+".new", fmt.Appendln(nil, code), 0o644))
	must(t, os.Rename(string(v)+".new", string(v)))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The exit code of a program decides about its server, and about its weight. Beside it one hangs
// and one does not exist, which holds nothing up and is told of once.
func TestProgramsDecideAboutServers(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1, 1)})
	v := verdict(filepath.Join(shortDir(t), "code"))
	v.set(t, 0)
	d := direct(t, lab, programs(lab, v.check("misc_dynamic"), "misc_path \"/bin/sh -c 'sleep 1000 & wait'\"\nmisc_timeout 1", "misc_path /nosuch/check"))
	for _, c := range []struct{ code, weight int }{{0, 1}, {7, 5}, {2, 0}, {255, 253}, {1, -1}, {4, 2}, {0, 1}} {
		v.set(t, c.code)
		awaitServer(t, d, 0, fmt.Sprintf("as exit code %d says", c.code), func(s *api.Server) bool {
			return s.Up == (c.weight >= 0) && s.Effective == max(c.weight, 0)
		})
	}
	hung := awaitServer(t, d, 1, "down", isDown)
	if !strings.Contains(fmt.Sprint(hung), "killed, because it took too long") {
		t.Errorf("the server whose program hangs is %+v", hung)
	}
	awaitServer(t, d, 2, "up", isUp)
	wantServed(t, lab, "rs1", "rs3")
	log := d.Log.String()
	for _, want := range []string{"/nosuch/check: start: ", "killed, because it took too long"} {
		if n := strings.Count(log, want); n != 1 {
			t.Errorf("%q is in the log %d times", want, n)
		}
	}
}

// What was given back does not come back: a reload that names another user says so.
func TestAReloadCannotBringInAnotherUser(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1)})
	dir := shortDir(t)
	v := verdict(filepath.Join(dir, "code"))
	v.set(t, 0)
	p := launch(t, lab, dir, programs(lab, v.check("")))
	must(t, os.WriteFile(filepath.Join(dir, "keepalived.conf"), []byte(programs(lab, v.check("user nobody"))), 0o600))
	r := verb(t, "reload", "--socket", p.socket)
	const want = "commands of user nobody cannot be run: this process may not run programs as another user"
	if !strings.Contains(r.stdout+r.stderr, want) {
		t.Errorf("code %d: %s%s; want %q", r.code, r.stdout, r.stderr, want)
	}
	get(t, lab, 5)
	must(t, os.WriteFile(filepath.Join(dir, "keepalived.conf"), []byte(programs(lab, v.check("user root"))), 0o600))
	if r := verb(t, "reload", "--socket", p.socket); strings.Contains(r.stdout+r.stderr, "cannot be run") {
		t.Errorf("%s%s", r.stdout, r.stderr)
	}
	if n := strings.Count(p.log.String(), want); n != 1 {
		t.Errorf("it is in the log %d times:\n%s", n, p.log.String())
	}
	p.end(t, unix.SIGTERM)
}
