package keepalived

import (
	"strings"
	"testing"
	"time"
)

const aFile = "track_file f {\nfile /run/f\n}\n"

// What FILE_CHECK reads, and what keepalived 2.2.7's -t exits with for the same text, measured.
func TestFileCheck(t *testing.T) {
	const plain = `file "/run/f" weight 1`
	for _, c := range []struct {
		name, before, lines, want string // want is empty: no check
		exit                      int
		report                    string
	}{
		{"the least", aFile, "track_file f", plain, 0, ""},
		{"the word of old releases", "vrrp_" + aFile, "track_file f", plain, 0, ""},
		{"the weight of the file", "track_file f {\nfile /run/f\nweight -3 reverse\n}\n", "track_file f", `file "/run/f" weight -3 reverse`, 0, ""},
		{"the check's own before it", "track_file f {\nfile /run/f\nweight -3 reverse\n}\n", "weight 2147483647 noreverse\ntrack_file f", `file "/run/f" weight 2147483647`, 0, ""},
		{"weight 0", aFile, "track_file f\nweight 0 reverse", `file "/run/f" weight 0 reverse`, 0, ""},
		{"no file", aFile, "", "", 5, "FILE_CHECK: has no track_file; the check is left out"},
		{"a name that is missing", aFile, "track_file", "", 2, "track_file: a value is missing"},
		{"a name that nothing has", aFile, "track_file g", "", 5, "track_file: no track_file before it is called g"},
		{"a word behind the name", aFile, "track_file f x", plain, 0, ""},
		{"a weight that is missing", aFile, "track_file f\nweight", plain, 5, "weight: a value is missing"},
		{"a weight that is none", aFile, "track_file f\nweight x", plain, 5, `weight: "x" is not a whole number`},
		{"a weight that is too great", aFile, "track_file f\nweight 3000000000", plain, 5, "weight: 3000000000 is not between -2147483647 and 2147483647"},
		{"a weight that is too small", aFile, "track_file f\nweight -2147483648", plain, 5, "weight: -2147483648 is not between"},
		{"a word behind the weight", aFile, "track_file f\nweight 3 foo", plain, 5, `weight: "foo" is not understood`},
		{"a word of releases to come", aFile, "track_file f\ndynamic", plain, 5, "dynamic: unknown word"},
		{"words of other checks", aFile, "track_file f\nretry 3", plain, 5, "retry: belongs in"},
		{"the weight of a file that is too great", "track_file f {\nfile /run/f\nweight 300\n}\n", "track_file f", plain, 5, "weight: 300 is not between -254 and 254"},
		{"a number for it at the start", "track_file f {\nfile /run/f\ninit_file 5 overwrite\n}\n", "track_file f", plain + " init_file 5 overwrite", 0, ""},
		{"the same the other way round", "track_file f {\nfile /run/f\ninit_file overwrite 6\n}\n", "track_file f", plain + " init_file 6 overwrite", 0, ""},
		{"no number for it", "track_file f {\nfile /run/f\ninit_file\n}\n", "track_file f", plain + " init_file", 0, ""},
		{"a number that is none", "track_file f {\nfile /run/f\ninit_file x\n}\n", "track_file f", plain + " init_file", 5, `init_file: "x" is neither a number nor overwrite`},
		{"a block without a file", "track_file f {\nfile\n}\n", "", "", 5, "track_file: has no file"},
		{"a second of the name", aFile + "track_file f {\nfile /run/g\n}\n", "track_file f", `file "/run/g" weight 1`, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, ds := load(t, c.before+service("real_server 10.0.0.2 80 {\nFILE_CHECK {\n"+c.lines+"\n}\n}"), nil)
			got := ""
			for _, k := range cfg.VirtualServers[0].RealServers[0].Checks {
				got += k.Ask.String()
				if k.Kind != FileCheck || k.Kind.Stream() || k.Kind.Ported() {
					t.Errorf("%+v", k)
				}
			}
			found := c.report == ""
			for _, d := range ds {
				found = found || strings.Contains(d.String(), c.report)
			}
			if got != c.want || ds.ExitCode() != c.exit || !found {
				t.Errorf("%s, want %s; exit code %d, want %d; want a report %q: %v", got, c.want, ds.ExitCode(), c.exit, c.report, ds)
			}
		})
	}
}

// A file is read at once, whatever warmup says, and its first number counts.
func TestTheTimesOfAFileCheck(t *testing.T) {
	cfg, _ := load(t, aFile+service("delay_loop 7\nretry 3\nwarmup 5\nalpha\nconnect_timeout 9\nreal_server 10.0.0.2 80 {\nFILE_CHECK {\ntrack_file f\n}\n}"), nil)
	want := Timing{DelayLoop: 7 * time.Second, ConnectTimeout: 5 * time.Second, Alpha: true, Rise: 1}
	if got := cfg.VirtualServers[0].RealServers[0].Checks[0].Timing; got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// A BFD_CHECK is not made: it is reported, and is no mistake.
func TestBFDCheck(t *testing.T) {
	const session = "bfd_instance b {\nneighbor_ip 10.0.0.2\n}\n"
	for _, c := range []struct {
		before, lines string
		exit          int
	}{
		{session, "name b\nalpha", 0}, {session, "name c", 5}, {session, "name", 5}, {session, "", 5}, {session, "name b\nretry 3", 5}, {"", "name b", 5},
	} {
		cfg, ds := load(t, c.before+service("real_server 10.0.0.2 80 {\nBFD_CHECK {\n"+c.lines+"\n}\n}"), nil)
		told := false
		for _, d := range ds {
			told = told || d.Severity == Warning && strings.Contains(d.String(), "BFD_CHECK: not made; a real server without another check is always taken as up")
		}
		if n := len(cfg.VirtualServers[0].RealServers[0].Checks); n != 0 || !told || ds.ExitCode() != c.exit {
			t.Errorf("%q: %d checks, exit code %d, want %d: %v", c.lines, n, ds.ExitCode(), c.exit, ds)
		}
	}
}
