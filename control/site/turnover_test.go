package site

import (
	"slices"
	"testing"
)

// The notices that keepalived 2.2.7 gives with IPVS for the same files, in its order within the servers
// and the services.
func TestAFileTellsWhatItBringsAndRemoves(t *testing.T) {
	const other, rs, of = "192.168.1.101 80", "RS [192.168.1.", "]:tcp:80 [192.168.1.100]:tcp:80 "
	server := func(n string) string { return "192.168.1." + n + " 80 " + tcpCheck + serverCommands }
	one := vs("192.168.1.100 80", serviceCommands[1:], server("11"))
	two := vs("192.168.1.100 80", serviceCommands[1:], server("11"), server("12"))
	more := two + vs(other, serviceCommands[1:], server("17"))
	bare := vs("192.168.1.100 80", "", "192.168.1.11 80", "192.168.1.12 80 notify_down down")
	alpha := vs("192.168.1.100 80", "alpha"+serviceCommands, server("11"))
	const init = "global_defs {\nrs_init_notifies\n}\n"
	for _, c := range []struct {
		law, before string
		down        string // a server that fails in between
		after       string
		want        []string
	}{
		{"a start with a quorum", "", "", one, []string{"VS [192.168.1.100]:tcp:80 UP gained"}},
		{"a start without it", "", "", alpha, nil},
		{"a start that tells of servers", "", "", init + two, []string{rs + "11" + of + "UP up", rs + "12" + of + "UP up", "VS [192.168.1.100]:tcp:80 UP gained"}},
		{"servers that start down are not told of", "", "", init + alpha, nil},
		{"a server without checks is up", "", "", init + vs("192.168.1.100 80", "", "192.168.1.11 80 notify_up up"), []string{rs + "11" + of + "UP up", "VS [192.168.1.100]:tcp:80 UP"}},
		{"a reload that changes nothing", init + more, "", init + more, nil},
		{"a server and a service that are removed", more, "", one,
			[]string{rs + "12" + of + "DOWN down", "RS [192.168.1.17]:tcp:80 [192.168.1.101]:tcp:80 DOWN down", "VS [192.168.1.101]:tcp:80 DOWN lost"}},
		{"a server that was down already", two, ".12", one, nil},
		{"a service that was down already", more, ".17", two, nil},
		{"a server without checks", bare, "", vs("192.168.1.100 80", "", "192.168.1.11 80"), []string{rs + "12" + of + "DOWN down"}},
		{"a server that is new", one, "", two, nil},
		{"one that is told of", init + one, "", init + two, []string{rs + "12" + of + "UP up"}},
		{"the word comes: servers that were there are not new", one, "", init + one, nil},
		{"a service that is new", two, "", more, []string{"VS [192.168.1.101]:tcp:80 UP gained"}},
	} {
		sc := newScene(t)
		sc.reloads = true
		if c.before != "" {
			sc.load(c.before)
		}
		if c.down != "" {
			sc.check(c.down, false)
		}
		sc.load(c.after)
		if got := told(sc.notices); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.law, got, c.want)
		}
		for _, n := range sc.notices {
			if !n.ByFile {
				t.Errorf("%s: %q is said not to come of the file", c.law, n.Line())
			}
		}
	}
}

// Servers that several services share are told of once, and go with the last of these.
func TestSharedServersAreRemovedOnce(t *testing.T) {
	group := func(vips string) string {
		return "virtual_server_group g {\n" + vips + "}\n" + vs("group g", "", "192.168.1.11 80 "+tcpCheck)
	}
	sc := newScene(t)
	sc.load(group("192.168.1.100 80\n192.168.1.101 80\n") + vs("192.168.1.102 80", "", "192.168.1.12 80"))
	sc.load(vs("192.168.1.102 80", "", "192.168.1.12 80"))
	want := []string{"RS [192.168.1.11]:tcp:80 [192.168.1.100]:tcp:80 DOWN", "VS [192.168.1.100]:tcp:80 DOWN", "VS [192.168.1.101]:tcp:80 DOWN"}
	if got := told(sc.notices); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Mails are sent of services that start and of what is removed, not of servers that start.
func TestMailsAboutAFile(t *testing.T) {
	const head = "global_defs {\nrs_init_notifies\n}\n"
	web := vs("192.168.1.100 80", "smtp_alert", "192.168.1.11 80 "+tcpCheck, "192.168.1.12 80 "+tcpCheck+";smtp_alert off")
	sc := newScene(t)
	mails := func() (all []string) {
		for _, n := range sc.notices {
			if n.Alert {
				all = append(all, n.Line())
			}
		}
		return all
	}
	sc.load(head + web)
	if got, want := mails(), []string{"VS [192.168.1.100]:tcp:80 UP"}; !slices.Equal(got, want) {
		t.Errorf("of the start %q, want %q", got, want)
	}
	sc.load(head + vs("192.168.1.101 80", "", "192.168.1.13 80"))
	if got, want := mails(), []string{"RS [192.168.1.11]:tcp:80 [192.168.1.100]:tcp:80 DOWN", "VS [192.168.1.100]:tcp:80 DOWN"}; !slices.Equal(got, want) {
		t.Errorf("of the reload %q, want %q", got, want)
	}
}
