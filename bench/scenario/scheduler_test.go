package scenario

import (
	"strings"
	"testing"
)

// play plays a scenario written without its header, and gives its operations.
func play(t *testing.T, kernel, text string) []*Op {
	t.Helper()
	ops, err := Read("test", strings.NewReader(`{"op":"scenario","schema":1,"kernel":"`+kernel+"\"}\n"+text))
	if err == nil {
		err = Play(ops)
	}
	if err != nil {
		t.Fatal(err)
	}
	return ops[1:]
}

// went lists where the packets of ops went.
func went(ops []*Op) string {
	var to []string
	for _, op := range ops {
		if op.Op == "pkt" {
			to = append(to, strings.TrimPrefix(op.To, "10.2.0."))
		}
	}
	return strings.Join(to, " ")
}

const (
	syn = `{"op":"pkt","proto":"tcp","src":"10.1.0.1","sport":PORT,"dst":"10.0.0.1","dport":80,"flags":"S"}` + "\n"
	svc = `"svc":{"proto":"tcp","vip":"10.0.0.1","port":80`
)

func TestSchedulerFlagsOfServices(t *testing.T) {
	for _, c := range []struct {
		law, sched, flags string
		exit              int
		err, text         string
	}{
		{"flags are listed by bit", "sh", `"sh-port","sh-fallback"`, 0, "", "(sh-fallback,sh-port) persistent 50"},
		{"numbers are flags, too", "mh", `"flag-2","flag-1"`, 0, "", "(mh-fallback,mh-port) persistent 50"},
		{"any scheduler takes numbers", "rr", `"flag-3"`, 0, "", "(flag-3) persistent 50"},
		{"a flag of another scheduler is refused", "rr", `"sh-port"`, 2, "incompatible scheduler flag `sh-port'", ""},
		{"a word that is no flag is refused", "sh", `"port"`, 2, "invalid scheduler flag `port'", ""},
	} {
		t.Run(c.law, func(t *testing.T) {
			ops := play(t, "", `{"op":"add-service",`+svc+`,"sched":"`+c.sched+`","sched_flags":[`+c.flags+`],"persist":50}}
				{"op":"services"}`)
			if ops[0].Exit != c.exit || ops[0].Err != c.err {
				t.Errorf("exit %d, %q, want %d, %q", ops[0].Exit, ops[0].Err, c.exit, c.err)
			}
			text := ""
			for _, s := range ops[1].Services {
				text += s.Flags
			}
			if text != c.text {
				t.Errorf("listed as %q, want %q", text, c.text)
			}
		})
	}
}

// A change of flags alone counts from the next connection on and leaves the
// scheduler as it is.
func TestEditedFlags(t *testing.T) {
	servers := `{"op":"add-server",` + svc + `},"server":{"addr":"10.2.0.1","weight":1}}
		{"op":"add-server",` + svc + `},"server":{"addr":"10.2.0.2","weight":1}}
		{"op":"add-server",` + svc + `},"server":{"addr":"10.2.0.3","weight":1}}` + "\n"
	packet := func(port string) string { return strings.ReplaceAll(syn, "PORT", port) }
	ops := play(t, "", `{"op":"add-service",`+svc+`,"sched":"rr"}}`+"\n"+servers+packet("1000")+
		`{"op":"edit-service",`+svc+`,"sched":"rr","sched_flags":["flag-1"]}}`+"\n"+packet("1001")+packet("1002")+
		`{"op":"edit-service",`+svc+`,"sched":"wrr"}}`+"\n"+packet("1003"))
	if got, want := went(ops), "3 2 1 3"; got != want {
		t.Errorf("rr went to %s, want %s: around, and anew with the new scheduler", got, want)
	}
	var many string
	for _, port := range strings.Fields("1000 1001 1002 1003 1004 1005 1006 1007 1008 1009") {
		many += packet(port)
	}
	ops = play(t, "", `{"op":"add-service",`+svc+`,"sched":"mh"}}`+"\n"+servers+many+
		`{"op":"edit-service",`+svc+`,"sched":"mh","sched_flags":["mh-port"]}}`+"\n"+strings.ReplaceAll(many, "sport\":10", "sport\":20"))
	to := strings.Fields(went(ops))
	if a := distinct(to[:10]); a != 1 {
		t.Errorf("without mh-port one client went to %d servers: %v", a, to)
	}
	if b := distinct(to[10:]); b != 3 {
		t.Errorf("with mh-port ten ports went to %d servers: %v", b, to)
	}
}

func distinct(s []string) int {
	m := map[string]bool{}
	for _, v := range s {
		m[v] = true
	}
	return len(m)
}

// A server that is quiesced keeps its clients to itself with mh. One that is
// removed and added with weight 0 has none, whatever weight it once had.
func TestLastWeightOfServers(t *testing.T) {
	server := func(op, n, weight string) string {
		return `{"op":"` + op + `",` + svc + `},"server":{"addr":"10.2.0.` + n + `","weight":` + weight + "}}\n"
	}
	begin := `{"op":"add-service",` + svc + `,"sched":"mh","sched_flags":["mh-port"]}}` + "\n" + server("add-server", "1", "1") + server("add-server", "2", "1")
	var packets string
	for _, port := range strings.Fields("1000 1001 1002 1003 1004 1005 1006 1007 1008 1009") {
		packets += strings.ReplaceAll(syn, "PORT", port)
	}
	for _, c := range []struct {
		law, edit string
		refused   bool
	}{
		{"quiesced", server("edit-server", "2", "0"), true},
		{"removed and added quiesced", server("del-server", "2", "0") + server("add-server", "2", "0"), false},
		{"quiesced, removed and added quiesced", server("edit-server", "2", "0") + server("del-server", "2", "0") + server("add-server", "2", "0"), false},
	} {
		if got := went(play(t, "", begin+c.edit+packets)); strings.Contains(got, "icmp:3/3") != c.refused || !strings.Contains(got, "1") {
			t.Errorf("%s: went to %s, some being refused should be %v", c.law, got, c.refused)
		}
	}
}

// Kernels before 6.12 look at edited thresholds with the next connection.
func TestThresholdsOfKernels(t *testing.T) {
	text := `{"op":"add-service",` + svc + `,"sched":"fo"}}
		{"op":"add-server",` + svc + `},"server":{"addr":"10.2.0.1","weight":1}}
		{"op":"add-server",` + svc + `},"server":{"addr":"10.2.0.2","weight":2}}` + "\n"
	edit := func(upper string) string {
		return `{"op":"edit-server",` + svc + `},"server":{"addr":"10.2.0.2","weight":2,"upper":` + upper + "}}\n"
	}
	packets := func(ports string) (s string) {
		for _, p := range strings.Fields(ports) {
			s += strings.ReplaceAll(syn, "PORT", p)
		}
		return s
	}
	text += packets("1 2 3") + edit("2") + packets("4 5") + edit("3") + packets("6 7") + edit("0") + packets("8")
	for kernel, want := range map[string]string{
		"Linux 6.1.176 (uml)": "2 2 2 2 1 2 1 2",
		"Linux 5.10":          "2 2 2 2 1 2 1 2",
		"Linux 6.12.117":      "2 2 2 1 1 1 1 2",
		"Linux 7.0":           "2 2 2 1 1 1 1 2",
		"":                    "2 2 2 2 1 2 1 2",
	} {
		if got := went(play(t, kernel, text)); got != want {
			t.Errorf("%q: went to %s, want %s", kernel, got, want)
		}
	}
}
