package main_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
)

// asIpvsadm runs the binary under the name ipvsadm, with input, on the director
// at socket.
func asIpvsadm(t *testing.T, socket, input string, args ...string) result {
	t.Helper()
	link := filepath.Join(t.TempDir(), "ipvsadm")
	if err := os.Symlink(binary(), link); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out, errs strings.Builder
	cmd := exec.CommandContext(ctx, link, args...)
	cmd.Env = append(os.Environ(), "LVSDR_SOCKET="+socket)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// A director without a file is built up by ipvsadm, serves, is saved, cleared and
// restored, and serves again.
func TestIpvsadmBuildsUpADirector(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	p := launchWith(t, lab, shortDir(t), "--no-config")
	vip := vipPort(lab)
	do := func(args ...string) string {
		t.Helper()
		r := verb(t, append([]string{"ipvsadm", "--socket", p.socket}, args...)...)
		if r.code != 0 || r.stderr != "" {
			t.Fatalf("%v: exit code %d, %s", args, r.code, r.stderr)
		}
		return r.stdout
	}
	do("-A", "-t", vip, "-s", "rr")
	for i, rs := range lab.Servers {
		do("-a", "-t", vip, "-r", fmt.Sprintf("%s:%d", rs.Addr, port), "-g", "-w", fmt.Sprint(i+1))
	}
	await(t, "the VIP to be announced", func() bool { return strings.Contains(p.log.String(), "msg=announcing") })
	get(t, lab, 6)

	saved := asIpvsadm(t, p.socket, "", "-Sn")
	if want := 1 + len(lab.Servers); saved.code != 0 || strings.Count(saved.stdout, "\n") != want || !strings.Contains(saved.stdout, "-A -t "+vip+" -s rr") {
		t.Fatalf("saved, exit code %d:\n%s%s", saved.code, saved.stdout, saved.stderr)
	}
	do("-C")
	if list := do("-Ln"); strings.Contains(list, vip) {
		t.Errorf("cleared, and there is still\n%s", list)
	}
	if r := asIpvsadm(t, p.socket, saved.stdout, "-R"); r.code != 0 {
		t.Fatalf("restore: exit code %d, %s", r.code, r.stderr)
	}
	if again := asIpvsadm(t, p.socket, "", "-Sn"); again.stdout != saved.stdout {
		t.Errorf("restored, it is saved as\n%snot as before:\n%s", again.stdout, saved.stdout)
	}
	await(t, "requests to be served again", func() bool { return strings.Count(p.log.String(), "msg=announcing") > 1 })
	get(t, lab, 6)
	if conns := do("-Lnc"); !strings.Contains(conns, lab.Spec.VIP.String()) {
		t.Errorf("no connection is listed:\n%s", conns)
	}
}

// What is refused ends as with ipvsadm, and says why.
func TestIpvsadmRefusesAsIpvsadmDoes(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	p := launchWith(t, lab, shortDir(t), "--no-config")
	for _, c := range []struct {
		law, text string
		code      int
		args      []string
	}{
		{"an unknown option", "Try `", 255, []string{"--nonsense"}},
		{"a service that is not there", "No such service", 255, []string{"-D", "-t", vipPort(lab)}},
		{"a service on no network of the host", "default_interface", 255, []string{"-A", "-t", "203.0.113.7:80"}},
		{"a sync daemon on no interface", "o such device", 255, []string{"--start-daemon", "master", "--mcast-interface", "none0"}},
	} {
		if r := asIpvsadm(t, p.socket, "", c.args...); r.code != c.code || !strings.Contains(r.stderr, c.text) || r.stdout != "" {
			t.Errorf("%s: exit code %d, want %d with %q\n%s%s", c.law, r.code, c.code, c.text, r.stdout, r.stderr)
		}
	}
	if r := asIpvsadm(t, "/tmp/none", "", "-Ln"); r.code != 255 || !strings.Contains(r.stderr, "no director answers at /tmp/none") {
		t.Errorf("without a director: exit code %d, %s", r.code, r.stderr)
	}
}

// What ipvsadm changes stays when the file is read again, as beside kernel IPVS.
func TestEditsOfIpvsadmLiveThroughReloads(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(3, 1)})
	d := direct(t, lab, lab.Config(rotating()))
	vip := vipPort(lab)
	rs := fmt.Sprintf("%s:%d", lab.Servers[0].Addr, port)
	if r := asIpvsadm(t, d.Socket, "", "-e", "-t", vip, "-r", rs, "-w", "7"); r.code != 0 {
		t.Fatalf("edit: exit code %d, %s", r.code, r.stderr)
	}
	if r := lvsdr(t, "reload", "--socket", d.Socket); r.code != 0 {
		t.Fatalf("reload: exit code %d, %s", r.code, r.stderr)
	}
	list := asIpvsadm(t, d.Socket, "", "-Ln").stdout
	for line := range strings.Lines(list) {
		if f := strings.Fields(line); len(f) > 3 && f[1] == rs && f[3] != "7" {
			t.Errorf("the weight of %s is %s after a reload, want 7:\n%s", rs, f[3], list)
		}
	}
	if !strings.Contains(list, rs) {
		t.Errorf("%s is gone:\n%s", rs, list)
	}
}
