package ipvsadm_test

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// A recorded command line is one that ipvsadm 1.31 was given with a kernel that
// agrees to everything: a refusal is ipvsadm's own. Blanks around what it printed
// were cut off.
type recorded struct {
	Args []string `json:"args"`
	Exit int      `json:"exit"`
	Err  string   `json:"err"`
}

// lax are words that ipvsadm takes, or refuses later, in forms that we refuse as
// addresses and masks; doc.go says why.
var lax = []string{"24", "129", "0", "255.255", "64", "1", "2", "10.0.0:80", "010.0.0.1:80", "10.0.0.1 :80", "1:80",
	"0x0a000001:80", "[10.0.0.1]:80", "[::ffff:10.0.0.1]:80", "::ffff:10.0.0.1"}

// isLax reports whether a line has one of the lax words where it counts.
func isLax(args []string) bool {
	for i, a := range args {
		address := i > 0 && slices.Contains([]string{"-t", "-M"}, args[i-1])
		if address && slices.Contains(lax, a) {
			return true
		}
	}
	return false
}

func TestWhatIPVSAdmItselfRefuses(t *testing.T) {
	f, err := os.Open("testdata/refusals.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, passed := 0, 0
	for sc := bufio.NewScanner(f); sc.Scan(); lines++ {
		var r recorded
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if isLax(r.Args) {
			passed++
			continue
		}
		got := newInterpreter(t).Run(r.Args, strings.NewReader(""))
		switch {
		case r.Exit != 0:
			if got.Exit != r.Exit || strings.TrimSpace(got.Err) != r.Err || got.Out != "" {
				t.Errorf("%q: exit code %d, %q, %q; ipvsadm: %d, %q", r.Args, got.Exit, got.Err, got.Out, r.Exit, r.Err)
			}
		case got.Exit == 2 || strings.HasPrefix(got.Err, "Try") || strings.Contains(got.Err, "option"):
			t.Errorf("%q: exit code %d, %q; ipvsadm takes it", r.Args, got.Exit, got.Err)
		}
	}
	if lines < 900 || passed > 25 {
		t.Errorf("of %d command lines %d were passed over: this test proves little", lines, passed)
	}
}

// A mask may come before its service, whichever family that is of.
func TestMaskBeforeService(t *testing.T) {
	for line, refused := range map[string]string{
		"-A -M 255.255.0.0 -p 9 -t 10.0.0.1:80":    "",
		"-A -M 64 -p 9 -t [fd00::1]:80":            "",
		"-A -M 64 -p 9 -t 10.0.0.1:80":             "illegal virtual server persistent mask specified\n",
		"-A -M 255.255.0.0 -p 9 -t [fd00::1]:80":   "illegal ipv6 netmask specified\n",
		"-A -t 10.0.0.1:80 -p 9 -M 24":             "illegal virtual server persistent mask specified\n",
		"-A -M 255.255.255.255 -p 9 -t 10.0.0.1:1": "",
	} {
		if r := run(newInterpreter(t), line); r.Err != refused || (r.Exit == 2) != (refused != "") {
			t.Errorf("%s: exit code %d, %q, want %q", line, r.Exit, r.Err, refused)
		}
	}
}

// Addresses that mean another than they seem to are no addresses.
func TestAddressesRefused(t *testing.T) {
	for _, a := range []string{"010.0.0.1:80", "10.0.0:80", "1:80", "[10.0.0.1]:80", "[::ffff:10.0.0.1]:80", "::ffff:10.0.0.1",
		"[fe80::1%eth0]:80", "fe80::1%eth0", "10.0.0.1 :80", "", ":", "[]:80", "[fd00::1]", "[fd00::1]:", "nobody:80"} {
		r := newInterpreter(t).Run([]string{"-A", "-p", "-t", a}, nil)
		if r.Exit != 2 || r.Err != "illegal virtual server address[:port] specified\n" {
			t.Errorf("%q: exit code %d, %q", a, r.Exit, r.Err)
		}
	}
}

// What the grammar has and the director has not is refused in plain words, with
// the exit code of a kernel that refuses.
func TestUnsupported(t *testing.T) {
	for line, what := range map[string]string{
		"-a -t 10.0.0.1:80 -r 10.2.0.1 -i":                                 "tunnelling (-i)",
		"-a -t 10.0.0.1:80 -r 10.2.0.1 -i --tun-type gue --tun-port 6080":  "tunnelling (-i)",
		"-a -t 10.0.0.1:80 -r [fd00::1]:80 -i":                             "tunnelling (-i)",
		"-e -t 10.0.0.1:80 -r 10.2.0.1 -m":                                 "masquerading (-m)",
		"-A -u 10.0.0.1:5060 -p 60 --pe sip":                               "persistence engine `sip'",
		"-E -t 10.0.0.1:80 -p 60 --pe sip":                                 "persistence engine `sip'",
		"--start-daemon master --mcast-interface eth0 --syncid 5":          "the sync daemon",
		"--stop-daemon backup":                                             "the sync daemon",
		"--start-daemon=backup --mcast-group 224.0.0.81 --mcast-port 8848": "the sync daemon",
	} {
		i := newInterpreter(t)
		must(t, i, "-A -t 10.0.0.1:80\n-a -t 10.0.0.1:80 -r 10.2.0.1")
		before := run(i, "-Sn").Out
		if r := run(i, line); r.Exit != 255 || !strings.HasPrefix(r.Err, what+" is not supported") {
			t.Errorf("%s: exit code %d, %q", line, r.Exit, r.Err)
		}
		want(t, line, run(i, "-Sn").Out, before)
	}
}
