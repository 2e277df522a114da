package ipvsadm_test

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// A refusedLine is a command line one that ipvsadm 1.31 was given with a kernel that
// agrees to everything: a refusal is ipvsadm's own. Blanks around what it printed
// were cut off.
type refusedLine struct {
	Args []string `json:"args"`
	Exit int      `json:"exit"`
	Err  string   `json:"err"`
}

// mapped reports whether a line has an IPv6 address that holds one of IPv4,
// which the director refuses (doc.go).
func mapped(args []string) bool {
	return slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, "::ffff:") })
}

func TestWhatIPVSAdmItselfRefuses(t *testing.T) {
	f, err := os.Open("testdata/refusals.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, passed := 0, 0
	for sc := bufio.NewScanner(f); sc.Scan(); lines++ {
		var r refusedLine
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if mapped(r.Args) {
			passed++
			continue
		}
		got := newInterpreter(t).Run(t.Context(), r.Args, strings.NewReader(""))
		switch {
		case r.Exit != 0:
			if got.Exit != r.Exit || strings.TrimSpace(got.Err) != r.Err || got.Out != "" {
				t.Errorf("%q: exit code %d, %q, %q; ipvsadm: %d, %q", r.Args, got.Exit, got.Err, got.Out, r.Exit, r.Err)
			}
		case got.Exit == 2 || strings.HasPrefix(got.Err, "Try") || strings.Contains(got.Err, "option"):
			t.Errorf("%q: exit code %d, %q; ipvsadm takes it", r.Args, got.Exit, got.Err)
		}
	}
	if lines < 900 || passed > 5 {
		t.Errorf("of %d command lines %d were passed over: this test proves little", lines, passed)
	}
}

// Addresses of one link, and IPv6 addresses that hold one of IPv4, are none. What
// inet_aton(3) and the recordings say of others is in testdata/odd.jsonl.
func TestAddressesRefused(t *testing.T) {
	for _, a := range []string{"[::ffff:10.0.0.1]:80", "::ffff:10.0.0.1", "[fe80::1%eth0]:80", "fe80::1%eth0", "", ":", "[]:80", "[fd00::1]", "[fd00::1]:", "nobody:80",
		"0x", "08", "1..2", "1.2.3.4.5", "256.1", "1.256.1", "1.2.65536", "+1.2.3.4", "1_0.0.0.1", "0x_1.0.0.1"} {
		r := newInterpreter(t).Run(t.Context(), []string{"-A", "-p", "-t", a}, nil)
		if r.Exit != 2 || r.Err != "illegal virtual server address[:port] specified\n" {
			t.Errorf("%q: exit code %d, %q", a, r.Exit, r.Err)
		}
	}
}

// Each method is taken, and saved as it was given.
func TestMethodsAreTaken(t *testing.T) {
	for line, saved := range map[string]string{
		"-a -t 10.0.0.1:80 -r 10.2.0.2 -i":                                "-a -t 10.0.0.1:80 -r 10.2.0.2:80 -i -w 1 --tun-type ipip",
		"-a -t 10.0.0.1:80 -r 10.2.0.2 -i --tun-type gue --tun-port 6080": "-a -t 10.0.0.1:80 -r 10.2.0.2:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
		"-a -t 10.0.0.1:80 -r [fd00::1]:80 -i --tun-type gre":             "-a -t 10.0.0.1:80 -r [fd00::1]:80 -i -w 1 --tun-type gre --tun-nocsum",
		"-a -t 10.0.0.1:80 -r 10.2.0.2:8080 -m":                           "-a -t 10.0.0.1:80 -r 10.2.0.2:8080 -m -w 1",
		"-e -t 10.0.0.1:80 -r 10.2.0.1:80 -m":                             "-a -t 10.0.0.1:80 -r 10.2.0.1:80 -m -w 1",
	} {
		i := newInterpreter(t)
		must(t, i, "-A -t 10.0.0.1:80\n-a -t 10.0.0.1:80 -r 10.2.0.1")
		if r := run(i, line); r.Exit != 0 || r.Err != "" {
			t.Errorf("%s: exit code %d, %q", line, r.Exit, r.Err)
		}
		if out := run(i, "-Sn").Out; !strings.Contains(out, saved+"\n") {
			t.Errorf("%s: saved as\n%s, want a line\n%s", line, out, saved)
		}
	}
}
