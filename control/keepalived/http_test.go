package keepalived

import (
	"strings"
	"testing"
	"time"

	"lvsdr/control/ask"
)

// httpGet is a service with one real server that has a check with these lines.
func httpGet(kind, lines string) string {
	return service("real_server 10.0.0.2 80 {\n" + kind + " {\n" + lines + "\n}\n}")
}

// What a check asks, and what keepalived 2.2.7's -t exits with for the same text, measured.
func TestHTTPGet(t *testing.T) {
	const plain = ` status_code 200-299 }`
	for _, c := range []struct {
		name, kind, lines string
		want              string // what is asked
		exit              int
		report            string
	}{
		{"the least", "HTTP_GET", "url {\npath /\n}", `http_protocol 1.0 url { path "/"` + plain, 0, ""},
		{"the least over TLS", "SSL_GET", "url {\npath /\n}", `SSL http_protocol 1.0 url { path "/"` + plain, 0, ""},
		{"several urls", "HTTP_GET", "url {\npath /a\n}\nurl {\npath /b\n}", `http_protocol 1.0 url { path "/a"` + plain + ` url { path "/b"` + plain, 0, ""},
		{"all words", "SSL_GET", "http_protocol 1.1\nenable_sni\nfast_recovery\nvirtualhost a.example\nurl {\npath \"/?q=a&b=c\"\ndigest 640205B7B0FC66C1EA91C463FAC6334D\nstatus_code 200-204 503 404\nregex \"a b\"\nregex_options caseless multiline\nregex_no_match\nregex_min_offset 2\nregex_max_offset 9\n}",
			`SSL http_protocol 1.1 enable_sni fast_recovery url { path "/?q=a&b=c" virtualhost "a.example" digest 640205b7b0fc66c1ea91c463fac6334d status_code 200-204 404 503 regex "a b" regex_options caseless multiline regex_no_match regex_min_offset 2 regex_max_offset 9 }`, 0, ""},
		{"a regex with escapes", "HTTP_GET", "url {\npath /\nregex '^\\\\d+ \"x\"$'\n}", `http_protocol 1.0 url { path "/" status_code 200-299 regex "^\\d+ \"x\"$" }`, 0, ""},
		{"a regex_max_offset of 0 is the start", "HTTP_GET", "url {\npath /\nregex a\nregex_max_offset 0\n}", `http_protocol 1.0 url { path "/" status_code 200-299 regex "a" regex_max_offset 0 }`, 0, ""},
		{"a regex that is none", "HTTP_GET", "url {\npath /\nregex a(\n}", `http_protocol 1.0 url { path "/"` + plain, 0, `warning: url: regex "a(": `},
		{"a regex of two words", "HTTP_GET", "url {\npath /\nregex a b\n}", `http_protocol 1.0 url { path "/"` + plain, 0, "regex: needs one value"},
		{"an option that is none", "HTTP_GET", "url {\npath /\nregex a\nregex_options foo\n}", `http_protocol 1.0 url { path "/" status_code 200-299 regex "a" }`, 0, `"foo" is no option`},
		{"an option that is not supported", "HTTP_GET", "url {\npath /\nregex a\nregex_options ungreedy\n}", `http_protocol 1.0 url { path "/"` + plain, 0, "the option ungreedy is not supported; the regex is left out"},
		{"offsets the wrong way round", "HTTP_GET", "url {\npath /\nregex a\nregex_min_offset 3\nregex_max_offset 2\n}", `http_protocol 1.0 url { path "/" status_code 200-299 regex "a" }`, 0, "both are left out"},
		{"an offset that is none", "HTTP_GET", "url {\npath /x\nregex a\nregex_min_offset -1\n}", `http_protocol 1.0 url { path "/x" status_code 200-299 regex "a" }`, 0, "it is taken as 0"},
		{"words about no regex", "HTTP_GET", "url {\npath /\nregex_no_match\n}", `http_protocol 1.0 url { path "/"` + plain, 0, "without one are left out"},
		{"a url without a path among others", "HTTP_GET", "url {\ndigest 00000000000000000000000000000000\n}\nurl {\npath /\n}", `http_protocol 1.0 url { path "/"` + plain, 5, "url: has no path"},
		{"a status code that is none beside one", "HTTP_GET", "url {\npath /\nstatus_code 204 foo\n}", `http_protocol 1.0 url { path "/" status_code 204 }`, 5, `"foo" is no status code`},
		{"a protocol that is none", "HTTP_GET", "url {\npath /\n}\nhttp_protocol 2\nfast_recovery foo", `http_protocol 1.0 url { path "/"` + plain, 5, `"2" is none of 1.0`},
		{"a digest twice", "HTTP_GET", "url {\npath /\ndigest 00000000000000000000000000000000\ndigest 11111111111111111111111111111111\n}",
			`http_protocol 1.0 url { path "/" digest 00000000000000000000000000000000 status_code 200-299 }`, 5, "has one already"},
		{"a virtualhost without a value", "HTTP_GET", "url {\npath /\nvirtualhost\n}", `http_protocol 1.0 url { path "/"` + plain, 5, "virtualhost: a value is missing"},
		{"a path without a value", "HTTP_GET", "url {\npath\n}\nurl {\npath /\n}", `http_protocol 1.0 url { path "/"` + plain, 2, "path: a value is missing"},
		{"a path that would end the line", "HTTP_GET", "url {\npath \"/a b\"\n}\nurl {\npath /\n}", `http_protocol 1.0 url { path "/"` + plain, 5, "has a blank"},
	} {
		cfg, ds := load(t, httpGet(c.kind, c.lines), nil)
		k := cfg.VirtualServers[0].RealServers[0].Checks[0]
		if k.Kind.String() != c.kind || k.Ask == nil || k.Ask.String() != c.want || k.DelayBeforeRetry != 3*time.Second {
			t.Errorf("%s: %+v asks %v, want %s", c.name, k, k.Ask, c.want)
		}
		found := c.report == ""
		for _, d := range ds {
			found = found || strings.Contains(d.String(), c.report)
		}
		if got := ds.ExitCode(); got != c.exit || !found {
			t.Errorf("%s: exit code %d, want %d; want a report %q: %v", c.name, got, c.exit, c.report, ds)
		}
	}
}

func TestTheNearestVirtualhostCounts(t *testing.T) {
	const urls = "url {\npath /1\n}\nurl {\npath /2\nvirtualhost url.example\n}\n"
	text := service("virtualhost vs.example\n" +
		"real_server 10.0.0.2 80 {\nHTTP_GET {\n" + urls + "}\n}\n" +
		"real_server 10.0.0.3 80 {\nHTTP_GET {\n" + urls + "}\nvirtualhost rs.example\n}\n" +
		"real_server 10.0.0.4 80 {\nvirtualhost rs.example\nHTTP_GET {\n" + urls + "virtualhost check.example\n}\n}\n" +
		"real_server 10.0.0.5 80 {\nSSL_GET {\n" + urls + "}\n}\n")
	cfg, ds := load(t, text, nil)
	if ds.ExitCode() != ExitOK {
		t.Fatal(ds)
	}
	for i, want := range []string{"vs.example", "rs.example", "check.example", "vs.example"} {
		pages := cfg.VirtualServers[0].RealServers[i].Checks[0].Ask.(*ask.HTTP).Pages
		if pages[0].Host != want || pages[1].Host != "url.example" {
			t.Errorf("server %d is asked for %q and %q, want %q", i, pages[0].Host, pages[1].Host, want)
		}
	}
}

func TestACheckWithoutAPageIsAConnection(t *testing.T) {
	cfg, ds := load(t, httpGet("SSL_GET", "connect_port 99"), nil)
	k := cfg.VirtualServers[0].RealServers[0].Checks[0]
	if k.Kind != TCPCheck || k.Ask != nil || k.ConnectPort != 99 || k.DelayBeforeRetry != time.Second || ds.ExitCode() != ExitConfig {
		t.Errorf("%+v, %v", k, ds)
	}
}

func TestWordsOfTheConnection(t *testing.T) {
	cfg, ds := load(t, service("real_server 10.0.0.2 80 {\nTCP_CHECK {\nbind_if eth1\nbind_port 4000\nfwmark 7\nlog_all_failures\n}\n}"), nil)
	k := cfg.VirtualServers[0].RealServers[0].Checks[0]
	if k.BindIf != "eth1" || k.BindPort != 4000 || k.Mark != 7 || !k.LogAll || ds.ExitCode() != ExitOK {
		t.Errorf("%+v, %v", k, ds)
	}
	for _, line := range []string{"bind_port 0", "bind_port x", "fwmark -1", "log_all_failures maybe"} {
		if _, ds := load(t, service("real_server 10.0.0.2 80 {\nTCP_CHECK {\n"+line+"\n}\n}"), nil); ds.ExitCode() != ExitConfig {
			t.Errorf("%s: %v", line, ds)
		}
	}
}
