package control

import (
	"net/netip"
	"testing"
	"time"

	"lvsdr/control/ask"
	"lvsdr/control/check"
	"lvsdr/control/keepalived"
)

func TestAProbeAsksAsTheFileSays(t *testing.T) {
	addr := netip.MustParseAddr("192.168.1.11")
	timing := keepalived.Timing{DelayLoop: 6 * time.Second, ConnectTimeout: 3 * time.Second}
	pages := []ask.Page{{Path: "/a", Codes: ask.DefaultCodes()}, {Path: "/b", Codes: ask.DefaultCodes()}}
	settings := check.Settings{DelayLoop: 6 * time.Second, ConnectTimeout: 3 * time.Second}
	web := settings
	web.Steps, web.Fast, web.ConnectTimeout = 2, true, 9*time.Second
	mail := settings
	mail.ConnectTimeout = 9 * time.Second
	for _, c := range []struct {
		check    keepalived.Check
		kind     string
		text     string
		settings check.Settings
	}{
		{keepalived.Check{Kind: keepalived.TCPCheck}, "TCP_CHECK", "TCP 192.168.1.11:80", settings},
		{keepalived.Check{Kind: keepalived.TCPCheck, BindTo: netip.MustParseAddr("192.168.1.2"), BindPort: 4000, BindIf: "eth1", Mark: 7}, "TCP_CHECK",
			"TCP 192.168.1.11:80 bindto 192.168.1.2 bind_port 4000 bind_if eth1 fwmark 7", settings},
		{keepalived.Check{Kind: keepalived.HTTPGet, Mark: 7, Ask: &ask.HTTP{Fast: true, Pages: pages}}, "HTTP_GET",
			`HTTP_GET 192.168.1.11:80 fwmark 7 wait 3s http_protocol 1.0 fast_recovery url { path "/a" status_code 200-299 } url { path "/b" status_code 200-299 }`, web},
		{keepalived.Check{Kind: keepalived.SSLGet, Ask: &ask.HTTP{Fast: true, TLS: true, Pages: pages}}, "SSL_GET",
			`SSL_GET 192.168.1.11:80 wait 3s SSL http_protocol 1.0 fast_recovery url { path "/a" status_code 200-299 } url { path "/b" status_code 200-299 }`, web},
		{keepalived.Check{Kind: keepalived.SMTPCheck, Ask: &ask.SMTP{Helo: "a"}}, "SMTP_CHECK", `SMTP_CHECK 192.168.1.11:80 wait 3s helo_name "a"`, mail},
		{keepalived.Check{Kind: keepalived.DNSCheck, Ask: &ask.DNS{Type: "SOA", Name: "."}}, "DNS_CHECK", `DNS_CHECK 192.168.1.11:80 type SOA name "."`, settings},
		{keepalived.Check{Kind: keepalived.UDPCheck, Ask: &ask.UDP{Payload: "a"}}, "UDP_CHECK", `UDP_CHECK 192.168.1.11:80 payload 61`, settings},
		{keepalived.Check{Kind: keepalived.MiscCheck, Ask: &ask.Program{Line: "/bin/a b", Timeout: 2 * time.Second}}, "MISC_CHECK", `MISC_CHECK misc_path "/bin/a b" misc_timeout 2s`,
			check.Settings{DelayLoop: 6 * time.Second, ConnectTimeout: check.MiscLimit(2 * time.Second)}},
		{keepalived.Check{Kind: keepalived.PingCheck, BindPort: 4, BindTo: netip.MustParseAddr("192.168.1.2"), Ask: &ask.Ping{}}, "PING_CHECK", `PING_CHECK 192.168.1.11:80 bindto 192.168.1.2 bind_port 0`, settings},
	} {
		c.check.ConnectIP, c.check.ConnectPort, c.check.Timing = addr, 80, timing
		s := settings
		p := probe(&c.check, &s)
		if p.Kind() != c.kind || p.String() != c.text || s != c.settings {
			t.Errorf("%s %q with %+v, want %s %q with %+v", p.Kind(), p, s, c.kind, c.text, c.settings)
		}
	}
}
