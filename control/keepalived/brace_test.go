package keepalived

import (
	"strings"
	"testing"
)

// keepalived reads on behind a block without a brace as if the brace were there, so that a
// value missing there ends its reading as it does inside. Exit codes: keepalived 2.2.7.
func TestAValueMissingBehindABlockWithoutBraces(t *testing.T) {
	for _, c := range []struct {
		name, text string
		exit       int
		report     string
	}{
		{"of a service", "virtual_server 10.0.0.1 81\ndelay_loop\n}\n", ExitMissing, "2: error: delay_loop: a value is missing"},
		{"of a server", service("real_server 10.0.0.2 80\nuthreshold\n}"), ExitMissing, "uthreshold: a value is missing"},
		{"of a url in a check, both without", service("real_server 10.0.0.2 80 {\nHTTP_GET\nurl\npath\n}"), ExitMissing, "path: a value is missing"},
		{"three blocks deep", "virtual_server 10.0.0.1 81\nreal_server 10.0.0.2 80\nTCP_CHECK\nconnect_port\n}\n}\n}\n", ExitMissing, "connect_port: a value is missing"},
		{"of a word that keepalived reads without one", "global_defs\nrouter_id\n}\n", ExitConfig, "router_id: "},
		{"a value that is there", "virtual_server 10.0.0.1 81\ndelay_loop 6\n}\n", ExitConfig, "delay_loop: belongs in"},
		{"a word of another block", "virtual_server 10.0.0.1 81\nstatus_code\n}\n", ExitConfig, "status_code: belongs in"},
		{"without such a block before it", "delay_loop\n", ExitConfig, "delay_loop: belongs in"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, ds := load(t, c.text+service("real_server 10.0.0.9 80 {\n}"), nil)
			found := false
			for _, d := range ds {
				found = found || strings.Contains(d.String(), c.report)
			}
			if got := ds.ExitCode(); got != c.exit || !found {
				t.Errorf("exit code %d, want %d; want a report %q: %v", got, c.exit, c.report, ds)
			}
		})
	}
}
