package keepalived

import (
	"slices"
	"strings"
	"testing"
)

// What keepalived 2.2.7 says with -t is the exit code; these words do not work here, and the report says why.
func TestWordsThatDoNotWorkHereSayWhy(t *testing.T) {
	const engine = "no packet is read for a persistence engine: clients stay with a server by their addresses"
	global := func(line string) string { return "global_defs {\n" + line + "\n}\n" }
	for _, c := range []struct {
		text     string
		exit     int
		severity Severity
		want     string // the text of the report
	}{
		{service("persistence_engine sip"), ExitOK, Warning, "persistence_engine: left out; " + engine},
		{service("persistence_engine nosuch"), ExitOK, Warning, "persistence_engine: left out; " + engine},
		{service("snmp_name web"), ExitOK, Note, "snmp_name: has no effect here; " + noSNMP},
		{service("real_server 10.0.0.2 80 {\nsnmp_name web\n}"), ExitOK, Note, "snmp_name: has no effect here; " + noSNMP},
		{service("snmp_name"), ExitConfig, Note, "snmp_name: has no effect here; " + noSNMP},
		{instance("track_bfd {\nb\n}", "10.0.0.9") + "bfd_instance b {\nneighbor_ip 10.0.0.2\n}\n", ExitOK, Warning, "track_bfd: left out; " + noBFD},
		{"bfd_instance b {\nneighbor_ip 10.0.0.2\n}\n", ExitOK, Note, "bfd_instance: not used yet, with all that is in it; " + noBFD},
		{strings.Replace(instance("unicast_peer {\n10.0.0.2\n}\nvrf blue", "10.0.0.9"), "interface eth0\n", "", 1), ExitOK, Error, "adverts are heard by interface: name the interface"},
		{instance("vrf blue", "10.0.0.9"), ExitConfig, Warning, "vrf: does not count beside interface"},
		{global("enable_snmp_checker"), ExitOK, Note, "enable_snmp_checker: has no effect here; " + noSNMP},
		{global("enable_snmp_rfcv3"), ExitOK, Note, "enable_snmp_rfcv3: has no effect here; " + noSNMP},
		{global("enable_traps"), ExitOK, Note, "enable_traps: has no effect here; " + noSNMP},
		{global("snmp_socket unix:/x"), ExitOK, Note, "snmp_socket: has no effect here; " + noSNMP},
		{global("snmp_socket"), ExitConfig, Note, "snmp_socket: has no effect here; " + noSNMP},
		{global("lvs_flush"), ExitOK, Note, "lvs_flush: has no effect here; the table begins empty with the director, and ends with it"},
		{global("lvs_flush_on_stop VS"), ExitOK, Note, "lvs_flush_on_stop: has no effect here; the table begins empty with the director, and ends with it"},
	} {
		_, ds := load(t, c.text, nil)
		says := func(d Diagnostic) bool { return d.Severity == c.severity && strings.HasSuffix(d.String(), c.want) }
		if got := ds.ExitCode(); got != c.exit || !slices.ContainsFunc(ds, says) {
			t.Errorf("%s: exit code %d, want %d and %q:\n%v", c.text, got, c.exit, c.want, ds)
		}
	}
}

// A service with an engine keeps its persistence, and the survey says that the word does nothing.
func TestAPersistenceEngineChangesNothing(t *testing.T) {
	with, _ := load(t, service("persistence_engine sip\npersistence_timeout 60"), nil)
	without, _ := load(t, service("persistence_timeout 60"), nil)
	a, b := with.VirtualServers[0], without.VirtualServers[0]
	if !a.Equal(b) || a.Persistence.Timeout != 60 {
		t.Errorf("with an engine %+v, without %+v", a, b)
	}
	uses, err := Survey("f", testOptions(service("persistence_engine sip")))
	at := slices.IndexFunc(uses, func(u Use) bool { return u.Keyword == "persistence_engine" })
	if err != nil || at < 0 || uses[at].Standing != NoEffect || uses[at].Why == "" {
		t.Errorf("the survey says %+v, %v", uses, err)
	}
}
