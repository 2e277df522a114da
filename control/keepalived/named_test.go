package keepalived

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What SMTP_CHECK and DNS_CHECK ask, and what keepalived 2.2.7's -t exits with for the same
// text, measured.
func TestSMTPAndDNSChecks(t *testing.T) {
	const helo = `[helo_name "smtpchecker.keepalived.org" at 10.0.0.2:80]`
	for _, c := range []struct {
		name, kind, lines string
		want              string
		exit              int
		report            string
	}{
		{"a greeting", "SMTP_CHECK", "", helo, 0, ""},
		{"a name", "SMTP_CHECK", "connect_port 25\nhelo_name a.example", `[helo_name "a.example" at 10.0.0.2:25]`, 0, ""},
		{"a name that is missing", "SMTP_CHECK", "helo_name", helo, 5, "helo_name: a value is missing"},
		{"a name that would be two lines", "SMTP_CHECK", "helo_name \"a\tb\"", helo, 5, "has a control character"},
		{"a host", "SMTP_CHECK", "host {\nconnect_port 25\n}", `[helo_name "smtpchecker.keepalived.org" at 10.0.0.2:25]`, 0, ""},
		{"two hosts, with what is said for both", "SMTP_CHECK", "host {\nconnect_port 25\n}\nhost {\nconnect_ip 10.0.0.3\n}\nhelo_name x\nconnect_port 26\nfwmark 7",
			`[helo_name "x" at 10.0.0.2:25 helo_name "x" at 10.0.0.3:26]`, 0, ""},
		{"a wrong value in a host", "SMTP_CHECK", "host {\nconnect_port x\n}", helo, 5, "connect_port: \"x\" is not a whole number"},
		{"a query", "DNS_CHECK", "", `[type SOA name "." at 10.0.0.2:80]`, 0, ""},
		{"another query", "DNS_CHECK", "type aaaa\nname www.example.org.", `[type AAAA name "www.example.org." at 10.0.0.2:80]`, 0, ""},
		{"a type that is none", "DNS_CHECK", "type X\nname a", `[type SOA name "a" at 10.0.0.2:80]`, 5, `type: "X" is none of A, NS`},
		{"a name of DNS that is missing", "DNS_CHECK", "name", `[type SOA name "." at 10.0.0.2:80]`, 2, "name: a value is missing"},
		{"a name that is none", "DNS_CHECK", "name a..b", `[type SOA name "." at 10.0.0.2:80]`, 5, `"a..b" is no name of DNS`},
	} {
		cfg, ds := load(t, httpGet(c.kind, c.lines), nil)
		var got []string
		for _, k := range cfg.VirtualServers[0].RealServers[0].Checks {
			got = append(got, fmt.Sprintf("%v at %v:%d", k.Ask, k.ConnectIP, k.ConnectPort))
			if k.Kind.String() != c.kind || k.Mark != 0 && k.Mark != 7 {
				t.Errorf("%s: %+v", c.name, k)
			}
		}
		found := c.report == ""
		for _, d := range ds {
			found = found || strings.Contains(d.String(), c.report)
		}
		if text := fmt.Sprint(got); text != c.want || ds.ExitCode() != c.exit || !found {
			t.Errorf("%s: %s, want %s; exit code %d, want %d; want a report %q: %v", c.name, text, c.want, ds.ExitCode(), c.exit, c.report, ds)
		}
	}
}

func TestDefaultsOfTheTimesOfADNSCheck(t *testing.T) {
	for text, want := range map[string]Timing{
		"delay_loop 7\nreal_server 10.0.0.2 80 {\nDNS_CHECK {\n}\n}":                                   {DelayLoop: 7 * time.Second, Retry: 3, DelayBeforeRetry: 7 * time.Second},
		"delay_loop 7\nretry 1\nreal_server 10.0.0.2 80 {\nDNS_CHECK {\ndelay_before_retry 2\n}\n}":    {DelayLoop: 7 * time.Second, Retry: 1, DelayBeforeRetry: 2 * time.Second},
		"delay_loop 7\nreal_server 10.0.0.2 80 {\ndelay_before_retry 3\nDNS_CHECK {\nretry 0\n}\n}":    {DelayLoop: 7 * time.Second, DelayBeforeRetry: 3 * time.Second},
		"delay_loop 7\nreal_server 10.0.0.2 80 {\nSMTP_CHECK {\nhost {\ndelay_before_retry 4\n}\n}\n}": {DelayLoop: 7 * time.Second, Retry: 1, DelayBeforeRetry: 4 * time.Second},
	} {
		cfg, ds := load(t, service(text), nil)
		k := cfg.VirtualServers[0].RealServers[0].Checks[0]
		want.Warmup, want.ConnectTimeout, want.Rise = want.DelayLoop, 5*time.Second, 1
		if k.Timing != want || ds.ExitCode() != ExitOK {
			t.Errorf("%s: %+v, want %+v; %v", text, k.Timing, want, ds)
		}
	}
}
