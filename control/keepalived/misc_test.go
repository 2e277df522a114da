package keepalived

import (
	"strings"
	"testing"
	"time"

	"lvsdr/control/ask"
)

// secured is a file that names root as the user of scripts, with this check.
func secured(check string) string {
	return "global_defs {\nscript_user root\nenable_script_security\n}\n" + service("delay_loop 7\nreal_server 10.0.0.2 80 {\n"+check+"\n}")
}

// What MISC_CHECK runs, and what keepalived 2.2.7's -t exits with for the same text, measured.
// It knows the users root and nobody and the group daemon.
func TestMiscCheck(t *testing.T) {
	const path = "misc_path /bin/x\n"
	for _, c := range []struct {
		name, lines, want string // the question in keepalived's words, without what all have; empty: no check
		exit              int
		report            string
	}{
		{"the least", path, `misc_path "/bin/x" misc_timeout 7s user root`, 0, ""},
		{"arguments in quotes", `misc_path "/bin/x 'a b' c"`, `misc_path "/bin/x 'a b' c" misc_timeout 7s user root`, 0, ""},
		{"a word behind the path", "misc_path /bin/x y", `misc_path "/bin/x" misc_timeout 7s user root`, 0, ""},
		{"all words", path + "misc_timeout 3\nmisc_dynamic\nuser nobody daemon", `misc_path "/bin/x" misc_timeout 3s misc_dynamic user nobody daemon`, 0, ""},
		{"misc_dynamic is on whatever follows", path + "misc_dynamic off", `misc_path "/bin/x" misc_timeout 7s misc_dynamic user root`, 0, ""},
		{"the last path counts", "misc_path /bin/y\n" + path, `misc_path "/bin/x" misc_timeout 7s user root`, 0, ""},
		{"no path", "", "", 5, "MISC_CHECK: misc_path is missing; the check is left out"},
		{"a path that is missing", "misc_path", "", 5, "MISC_CHECK: misc_path is missing; the check is left out"},
		{"an empty path", `misc_path ""`, "", 5, "MISC_CHECK: misc_path is missing; the check is left out"},
		{"a quotation mark without its partner", `misc_path "/bin/x 'a"`, "", 5, "MISC_CHECK: misc_path is missing; the check is left out"},
		{"a timeout that is missing", path + "misc_timeout", `misc_path "/bin/x" misc_timeout 7s user root`, 2, "misc_timeout: a value is missing"},
		{"a timeout that is none", path + "misc_timeout x", `misc_path "/bin/x" misc_timeout 7s user root`, 5, `misc_timeout: "x" is not a whole number`},
		{"a timeout of a fraction", path + "misc_timeout 1.5", `misc_path "/bin/x" misc_timeout 7s user root`, 5, `misc_timeout: "1.5" is not a whole number`},
		{"a timeout that is too long", path + "misc_timeout 5000", `misc_path "/bin/x" misc_timeout 7s user root`, 5, "misc_timeout: 5000 is not between 0 and 4294"},
		{"no timeout", path + "misc_timeout 0", `misc_path "/bin/x" misc_timeout 7s user root`, 0, ""},
		{"a user that is missing", path + "user", `misc_path "/bin/x" misc_timeout 7s user root`, 5, "user: a user is missing"},
		{"a user that is not there", path + "user nosuch", "", 5, "user: there is no user nosuch here"},
		{"a user by number", path + "user 65534", "", 5, "user: there is no user 65534 here"},
		{"a group that is not there", path + "user nobody nosuch", "", 5, "user: there is no group nosuch here"},
		{"a word of checks that connect", path + "connect_timeout 3", `misc_path "/bin/x" misc_timeout 7s user root`, 5, "connect_timeout: belongs in"},
		{"a word about failures", path + "log_all_failures x", `misc_path "/bin/x" misc_timeout 7s user root`, 5, `log_all_failures: "x" is neither on`},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, ds := load(t, secured("MISC_CHECK {\n"+c.lines+"\n}"), func(o *Options) {
				o.Files.User = func(name string) bool { return name == "root" || name == "nobody" }
				o.Files.Group = func(name string) bool { return name == "daemon" }
			})
			checks := cfg.VirtualServers[0].RealServers[0].Checks
			got := ""
			for _, k := range checks {
				got += k.Ask.String()
				if k.Kind != MiscCheck || k.Kind.Stream() || k.Kind.Ported() || k.ConnectPort != 0 {
					t.Errorf("%+v", k)
				}
			}
			if c.want != "" {
				c.want += " enable_script_security"
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

// script_user counts wherever it is in the file, and for the commands without a user alone.
func TestScriptUserIsForProgramsWithoutAUser(t *testing.T) {
	check := func(user string) string { return "MISC_CHECK {\nmisc_path /bin/x\n" + user + "\n}\n" }
	server := service("real_server 10.0.0.2 80 {\n" + check("") + check("user nobody") + "}")
	for text, want := range map[string][2]string{
		server: {"", "nobody "},
		server + "global_defs {\nscript_user daemon\n}\n":     {"daemon ", "nobody "},
		"global_defs {\nscript_user daemon sys\n}\n" + server: {"daemon sys", "nobody "},
		"global_defs {\nenable_script_security\n}\n" + server: {"", "nobody "},
	} {
		cfg, _ := load(t, text, nil)
		for i, k := range cfg.VirtualServers[0].RealServers[0].Checks {
			p := k.Ask.(*ask.Program)
			if got := strings.TrimRight(p.User+" "+p.Group, ""); got != want[i] && got != want[i]+" " {
				t.Errorf("check %d runs as %q, want %q: %s", i+1, got, want[i], text)
			}
			if p.Secure != strings.Contains(text, "enable_script_security") {
				t.Errorf("secure: %v: %s", p.Secure, text)
			}
		}
	}
}

func TestDefaultsOfTheTimesOfAMiscCheck(t *testing.T) {
	usual := Timing{DelayLoop: 7 * time.Second, Warmup: 7 * time.Second, ConnectTimeout: 5 * time.Second, DelayBeforeRetry: time.Second, Rise: 1}
	with := func(change func(*Timing)) Timing { w := usual; change(&w); return w }
	for text, want := range map[string]struct {
		timing  Timing
		timeout time.Duration
	}{
		"delay_loop 7\nreal_server 10.0.0.2 80 {\nMISC_CHECK {\nmisc_path /x\n}\n}": {usual, 7 * time.Second},
		"delay_loop 7\nretry 4\nreal_server 10.0.0.2 80 {\nMISC_CHECK {\nmisc_path /x\n}\n}": {
			with(func(t *Timing) { t.Retry = 4 }), 7 * time.Second},
		"delay_loop 7\nreal_server 10.0.0.2 80 {\nMISC_CHECK {\nmisc_path /x\ndelay_loop 9\nretry 0\nalpha\nwarmup 0\n}\n}": {
			with(func(t *Timing) { t.DelayLoop, t.Alpha, t.Warmup = 9*time.Second, true, 0 }), 9 * time.Second},
	} {
		cfg, ds := load(t, service(text), nil)
		k := cfg.VirtualServers[0].RealServers[0].Checks[0]
		if got := k.Ask.(*ask.Program).Timeout; k.Timing != want.timing || got != want.timeout {
			t.Errorf("%s: %+v and %v, want %+v; %v", text, k.Timing, got, want, ds)
		}
	}
}

// A service without a port needs no connect_port for a program, and what follows the port of
// the service does not give one to it.
func TestAProgramHasNoPort(t *testing.T) {
	const misc, tcp = "MISC_CHECK {\nmisc_path /x\n}\n", "TCP_CHECK {\n}\n"
	for text, want := range map[string][]uint16{
		"virtual_server 10.0.0.1 {\nreal_server 10.0.0.2 {\n" + misc + "}\n":          {0},
		"virtual_server 10.0.0.1 80 {\nreal_server 10.0.0.2 {\n" + misc + tcp + "}\n": {0, 80},
	} {
		cfg, ds := load(t, text+"lb_algo rr\nlb_kind DR\nprotocol TCP\npersistence_timeout 5\n}\n", nil)
		for i, k := range cfg.VirtualServers[0].RealServers[0].Checks {
			if k.ConnectPort != want[i] {
				t.Errorf("%s: port %d: %v", text, k.ConnectPort, ds)
			}
		}
		if n := len(cfg.VirtualServers[0].RealServers[0].Checks); n != len(want) {
			t.Errorf("%d checks: %v", n, ds)
		}
	}
}

// What keepalived 2.2.7's -t exits with for a PING_CHECK, measured.
func TestPingCheck(t *testing.T) {
	for lines, exit := range map[string]int{
		"": 0, "connect_port 3\nbind_port 4\nbindto 10.0.0.3\nfwmark 3\nconnect_ip 10.0.0.9": 0, "foo": 5, "retry 3\nalpha\nlog_all_failures": 0,
	} {
		cfg, ds := load(t, service("real_server 10.0.0.2 80 {\nPING_CHECK {\n"+lines+"\n}\n}"), nil)
		k := cfg.VirtualServers[0].RealServers[0].Checks[0]
		if k.Kind != PingCheck || k.ConnectPort != 0 || k.BindPort != 0 || k.Kind.Stream() || ds.ExitCode() != exit {
			t.Errorf("%q: %+v, exit code %d, want %d: %v", lines, k, ds.ExitCode(), exit, ds)
		}
	}
}
