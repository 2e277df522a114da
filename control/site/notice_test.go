package site

import (
	"slices"
	"strings"
	"testing"
)

// told are the lines of notices, with the commands to run.
func told(notices []Notice) []string {
	var all []string
	for _, n := range notices {
		all = append(all, strings.TrimSpace(n.Line()+" "+n.Command.Line))
	}
	return all
}

const (
	serverCommands  = ";notify_up up;notify_down down"
	serviceCommands = ";quorum_up gained;quorum_down lost"
)

func TestNoticesAreWrittenAsKeepalivedDoesAndSayWhatToRun(t *testing.T) {
	sc := newScene(t)
	sc.load(vs("192.168.1.100 80", "quorum 2"+serviceCommands, "192.168.1.11 80 "+tcpCheck+serverCommands, "192.168.1.12 80 "+tcpCheck))
	for _, c := range []struct {
		server string
		up     bool
		want   []string
	}{
		{".11", false, []string{"RS [192.168.1.11]:tcp:80 [192.168.1.100]:tcp:80 DOWN down", "VS [192.168.1.100]:tcp:80 DOWN lost"}},
		{".12", false, []string{"RS [192.168.1.12]:tcp:80 [192.168.1.100]:tcp:80 DOWN"}},
		{".11", true, []string{"RS [192.168.1.11]:tcp:80 [192.168.1.100]:tcp:80 UP up"}},
		{".11", true, nil},
		{".12", true, []string{"RS [192.168.1.12]:tcp:80 [192.168.1.100]:tcp:80 UP", "VS [192.168.1.100]:tcp:80 UP gained"}},
	} {
		sc.check(c.server, c.up)
		if got := told(sc.notices); !slices.Equal(got, c.want) {
			t.Errorf("%s is up: %v: %q, want %q", c.server, c.up, got, c.want)
		}
	}
}

// keepalived tells at the start that a quorum is there, and that it is lost where a sorry server comes in.
func TestAStartWithASorryServerIsTold(t *testing.T) {
	for _, c := range []struct {
		law, lines string
		want       []string
	}{
		{"a sorry server that serves", "alpha;sorry_server 192.168.1.99 80", []string{"VS [192.168.1.100]:tcp:80 DOWN lost"}},
		{"none", "alpha", nil},
		{"one that does not serve", "sorry_server 192.168.1.99 80", []string{"VS [192.168.1.100]:tcp:80 UP gained"}},
	} {
		sc := newScene(t)
		file := vs("192.168.1.100 80", c.lines+serviceCommands, "192.168.1.11 80 "+tcpCheck)
		sc.load(file)
		if got := told(sc.notices); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.law, got, c.want)
		}
		sc.load(file)
		if got := told(sc.notices); len(got) > 0 {
			t.Errorf("%s: after a reload that changes nothing %q", c.law, got)
		}
	}
}

func TestAReloadChangesWhatIsRun(t *testing.T) {
	sc := newScene(t)
	sc.load(vs("192.168.1.100 80", serviceCommands[1:], "192.168.1.11 80 "+tcpCheck+serverCommands))
	c := sc.load(vs("192.168.1.100 80", "quorum_down other", "192.168.1.11 80 "+tcpCheck+";notify_down another"))
	if len(c.Edits) > 0 || c.Checks {
		t.Errorf("other commands change the table: %+v", c)
	}
	sc.check(".11", false)
	if got, want := told(sc.notices), []string{"RS [192.168.1.11]:tcp:80 [192.168.1.100]:tcp:80 DOWN another", "VS [192.168.1.100]:tcp:80 DOWN other"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWithOmegaWhatIsUpGoesDownAtTheEnd(t *testing.T) {
	sc := newScene(t)
	sc.load(vs("192.168.1.100 80", "omega"+serviceCommands, "192.168.1.11 80 "+tcpCheck+serverCommands, "192.168.1.12 80 "+tcpCheck+serverCommands) +
		vs("192.168.1.101 80", serviceCommands[1:], "192.168.1.11 80 "+tcpCheck+serverCommands))
	sc.check("[192.168.1.11]:tcp:80 of VS [192.168.1.100]", false)
	want := []string{"RS [192.168.1.12]:tcp:80 [192.168.1.100]:tcp:80 DOWN down", "VS [192.168.1.100]:tcp:80 DOWN lost"}
	if got := told(sc.s.Farewell()); !slices.Equal(got, want) {
		t.Errorf("at the end %q, want %q", got, want)
	}
	sc.load(web("11 " + tcpCheck))
	if got := sc.s.Farewell(); len(got) > 0 {
		t.Errorf("without omega %q", told(got))
	}
}
