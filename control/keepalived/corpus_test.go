package keepalived

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// corpusOptions read a file of testdata/corpus as the host "main", on which no
// command is installed.
func corpusOptions() Options {
	return Options{IPv6: true, ConfigID: "main", Files: Files{Command: func(string) bool { return false }, User: isRoot, Group: isRoot}}
}

// The files of testdata/corpus are one mistake or one freedom each that users'
// files have; their first lines tell keepalived's verdict. Here is what is made of
// them: the exit code of the test, what the printed configuration has, and what the
// reports say.
func TestCorpus(t *testing.T) {
	for name, want := range map[string]struct {
		exit    int
		has     string // lines of the printed configuration, blanks apart, in order
		reports string // parts of reports, separated by " | "
	}{
		"01-port0-check-on-written-port":       {5, "virtual_server 198.51.100.10 { ... real_server 198.51.100.31 { TCP_CHECK { connect_port 8080 ... real_server 198.51.100.32 { TCP_CHECK { connect_port 8080", "port 0 is used instead of 8080"},
		"02-port0-check-on-written-port-group": {5, "virtual_server 198.51.100.10 { ... real_server 198.51.100.31 { TCP_CHECK { connect_port 8080 ... real_server 198.51.100.32 { TCP_CHECK { connect_port 8080", "port 0 is used instead of 8080"},
		"03-check-port-as-written":             {5, "real_server 198.51.100.31 8080 { TCP_CHECK { connect_port 9090", "port 8080 is used instead of 9090"},
		"04-alpha-omega-with-argument":         {0, "alpha on ... omega ... 198.51.100.31 ... 198.51.100.32", `alpha: is on: "1" | omega: is on: "1"`},
		"05-apostrophe-in-a-word":              {0, "router_id op's-lb ... 198.51.100.32", ""},
		"06-apostrophes-around-a-word":         {0, "vrrp_instance site { ... auth_pass 'sesam' ... 198.51.100.31 ... 198.51.100.32", ""},
		"07-backslash-in-a-word":               {0, `router_id dc1\node2 ... 198.51.100.32`, ""},
		"08-address-with-prefix-length":        {0, "virtual_server 198.51.100.10 8080 { ... real_server 198.51.100.31 8080 {", "the prefix length /32 of 198.51.100.10 is left out"},
		"09-extra-words-on-a-line":             {0, "virtual_server 198.51.100.10 8080 { ... weight 4 ... weight 4", `"dev" and what follows | "//" and what follows`},
		"10-bindto-with-a-port":                {0, "bindto 198.51.100.5 ... bindto 198.51.100.5", `"4000" and what follows`},
		"11-service-twice":                     {0, "198.51.100.31 8080 { TCP_CHECK { connect_timeout 2 } } real_server 198.51.100.32 8080", "join those there"},
		"12-seq":                               {0, "198.51.100.31 8080 { weight 2 } real_server 198.51.100.32 8080 { weight 2 } real_server 198.51.100.33 8080 { weight 2 } }", ""},
		"13-lst":                               {0, "198.51.100.31 8080 { weight 2 } real_server 198.51.100.35 8080 { weight 2 } }", ""},
		"14-seq-over-a-definition":             {0, "198.51.100.31 8080 { weight 2 } real_server 198.51.100.32 8080 { weight 2 } real_server 198.51.100.33 8080 { weight 2 } }", ""},
		"15-valid-words-of-global-defs":        {0, "198.51.100.31 ... 198.51.100.32", "lvs_process_name: has no effect here"},
		"16-valid-words-of-global-defs-2.4":    {0, "198.51.100.31 ... 198.51.100.32", "iproute_usr_dir: has no effect here"},
		"17-valid-words-of-bfd":                {0, "198.51.100.31 ... 198.51.100.32", ""},
		"18-sni-in-http-get":                   {0, "198.51.100.31 8080 { HTTP_GET { enable_sni sni_name www.example.org ... 198.51.100.32 8080 { HTTP_GET {", ""},
		"19-nb-get-retry-in-tcp-check":         {5, "198.51.100.31 8080 { TCP_CHECK { ... 198.51.100.32 8080 { TCP_CHECK {", "nb_get_retry: keepalived does not know the word here | write `retry`"},
		"20-nat-mask":                          {5, "198.51.100.31 ... 198.51.100.32", "nat_mask: keepalived does not know | the line should go"},
		"21-net-mask":                          {5, "198.51.100.31 ... 198.51.100.32", "net_mask: unknown word in virtual_server; the line should go"},
		"22-persistence-timeout-zero":          {0, "persistence_timeout 0", "0 means that clients do not stick"},
		"23-ideographic-space-behind-a-value":  {0, "weight 3 ... weight 3", "a space that is not ASCII"},
		"24-byte-order-mark":                   {0, "198.51.100.31 ... 198.51.100.32", ""},
		"25-http-get-only":                     {0, "198.51.100.31 8080 { HTTP_GET { connect_timeout 2 url { path /ok status_code 200 } } ... 198.51.100.32 8080 { HTTP_GET { connect_timeout 2 url { path /ok", ""},
		"26-http-get-without-url":              {5, "198.51.100.31 8080 { TCP_CHECK {", "HTTP_GET: needs a url { path ... }"},
		"27-sorry-server":                      {0, "sorry_server 198.51.100.39 8080 ... 198.51.100.32", ""},
		"28-reload-typo":                       {5, "virtual_server 198.51.100.10 5353", `"1988.51.100.10" is not an IP address`},
		"29-reload-check-config":               {5, "", "reload_check_config: has no effect here; a reload always checks"},
		"30-bindto-not-of-this-host":           {0, "bindto 203.0.113.77 ... bindto 203.0.113.77", ""},
		"31-vip-off-every-network":             {0, "virtual_server 203.0.113.200 8080", ""},
		"32-no-real-server":                    {0, "virtual_server 198.51.100.10 8080", "has no real servers"},
		"33-group-of-two-families":             {5, "virtual_server 198.51.100.10 8080", "2001:db8:5::10: is of another address family"},
		"34-real-server-port-zero":             {5, "real_server 198.51.100.31 8080 { TCP_CHECK {", "port 8080 is used instead of 0"},
		"35-lthreshold-alone":                  {5, "virtual_server 198.51.100.10 8080", "lthreshold 4 is greater than uthreshold 0"},
		"36-quoted-by-apostrophes":             {0, "lb_algo rr", "'rr' is read as rr"},
		"37-nat-service":                       {0, "lb_kind NAT ... real_server 198.51.100.31 80 {", ""},
		"38-fwmark-service":                    {0, "virtual_server fwmark 7 ... 198.51.100.31 { TCP_CHECK { connect_port 8080 ... 198.51.100.32", "no lvsdr_mark line of global_defs gives packets its mark"},
	} {
		t.Run(name, func(t *testing.T) {
			c, ds, err := Load(filepath.Join("testdata/corpus", name+".conf"), corpusOptions())
			checkDiagnostics(t, ds, err)
			if got := ds.ExitCode(); got != want.exit {
				t.Errorf("exit code %d, want %d: %v", got, want.exit, ds)
			}
			text := strings.Join(strings.Fields(dumped(t, c)), " ")
			for part := range strings.SplitSeq(want.has, " ... ") {
				_, rest, ok := strings.Cut(text, part)
				if !ok {
					t.Fatalf("%q is not in, or not behind what comes before it:\n%s", part, dumped(t, c))
				}
				text = rest
			}
			for part := range strings.SplitSeq(want.reports, " | ") {
				found := want.reports == ""
				for _, d := range ds {
					found = found || strings.Contains(d.String(), part)
				}
				if !found {
					t.Errorf("no report says %q: %v", part, ds)
				}
			}
			if want.reports == "" && len(ds) > 0 && ds.Max() > Note {
				t.Errorf("reports %v", ds)
			}
		})
	}
}

// Each file is in the table above, and where it does not say something else on
// purpose it has keepalived's own exit code.
func TestCorpusHasKeepalivedsVerdict(t *testing.T) {
	differs := map[string]string{
		"16-valid-words-of-global-defs-2.4": "2.2.7 does not know the words", "18-sni-in-http-get": "2.2.7 does not know the words",
		"22-persistence-timeout-zero": "says what is meant", "23-ideographic-space-behind-a-value": "says what is meant",
		"24-byte-order-mark": "says what is meant", "36-quoted-by-apostrophes": "says what is meant",
		"26-http-get-without-url": "2.2.7 crashes", "32-no-real-server": "ipvsadm can add some",
		"33-group-of-two-families": "IPVS refuses the second", "34-real-server-port-zero": "the port is reset",
		"35-lthreshold-alone": "IPVS refuses the server",
	}
	files, err := filepath.Glob("testdata/corpus/*.conf")
	if err != nil || len(files) != 38 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		_, verdict, ok := strings.Cut(first, "measured: keepalived 2.2.7 ")
		verdict, _, _ = strings.Cut(verdict, ",")
		_, ds, err := Load(f, corpusOptions())
		name := strings.TrimSuffix(filepath.Base(f), ".conf")
		if same := verdict == string(rune('0'+ds.ExitCode())); !ok || err != nil || same == (differs[name] != "") {
			t.Errorf("%s: exit code %d, keepalived %s, differs on purpose: %q", name, ds.ExitCode(), verdict, differs[name])
		}
	}
}

// isRoot is the one user and the one group of tests.
func isRoot(name string) bool { return name == "root" }
