package control

import (
	"slices"
	"strings"
	"testing"

	"lvsdr/control/site"
)

func TestTheNotifierHearsOfTheFileAndOfAllChanges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		file := "global_defs {\nscript_user daemon\nnotify_fifo /run/fifo\nnotify_fifo_script \"/bin/reader x\"\n}\n" +
			strings.Replace(service("192.168.1.100", checkedServer("192.168.1.11")+";notify_down down"), "lb_kind", "omega\nquorum_up gained\nquorum_down lost\nlb_kind", 1)
		r := running(t, file)
		if s := r.Settings; s.User != "daemon" || len(s.FIFOs) != 1 || s.FIFOs[0].Path != "/run/fifo" || !slices.Equal(s.FIFOs[0].Reader.Argv, []string{"/bin/reader", "x"}) || s.FIFOs[0].Reader.User != "daemon" {
			t.Errorf("it is set up as %+v", s)
		}
		r.check("192.168.1.11", false)
		r.check("192.168.1.11", true)
		if _, err := r.reload(strings.Replace(file, "daemon", "nobody", 1)); err != nil || r.Settings.User != "nobody" {
			t.Errorf("after a reload it is set up as %+v (%v)", r.Settings, err)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range r.Messages {
			got = append(got, strings.TrimSpace(m.Line+" "+m.Command.Line))
		}
		rs, vs := "RS [192.168.1.11]:tcp:80 [192.168.1.100]:tcp:80 ", "VS [192.168.1.100]:tcp:80 "
		if want := []string{vs + "UP gained", rs + "DOWN down", vs + "DOWN lost", rs + "UP", vs + "UP gained", rs + "DOWN down", vs + "DOWN lost"}; !slices.Equal(got, want) {
			t.Errorf("it was told %q, want %q", got, want)
		}
	})
}

// The subjects are those of keepalived 2.2.7, recorded with IPVS.
func TestMailsAreWordedAsKeepalivedDoes(t *testing.T) {
	const rs, vs = "[192.168.1.11]:tcp:80 of VS [192.168.1.100]:tcp:80", "[192.168.1.100]:tcp:80"
	const ofServer = "[R] Realserver [192.168.1.11]:tcp:80 of virtual server [192.168.1.100]:tcp:80 - "
	for _, c := range []struct {
		n           site.Notice
		title, text string
	}{
		{site.Notice{Kind: site.ServerUp, Name: rs}, ofServer + "UP", "=> all its checks are good <="},
		{site.Notice{Kind: site.ServerDown, Name: rs, Reason: "refused"}, ofServer + "DOWN", "=> refused <="},
		{site.Notice{Kind: site.ServerDown, Name: rs, Reason: "removed", ByFile: true}, ofServer + "DOWN", "=> removed <="},
		{site.Notice{Kind: site.ServiceUp, Name: vs}, "[R] Virtualserver " + vs + " - UP", "=> it has its quorum <="},
		{site.Notice{Kind: site.ServiceUp, Name: vs, ByFile: true}, "[R] Virtualserver " + vs + " - UP", "=> it starts with its quorum <="},
		{site.Notice{Kind: site.ServiceDown, Name: vs}, "[R] Virtualserver " + vs + " - DOWN", "=> it has lost its quorum <="},
		{site.Notice{Kind: site.ServiceDown, Name: vs, Reason: "removed", ByFile: true}, "[R] Virtualserver " + vs + " - DOWN", "=> removed <="},
	} {
		if title, text := mail("R", &c.n); title != c.title || text != c.text {
			t.Errorf("%v: %q, %q, want %q, %q", c.n.Kind, title, text, c.title, c.text)
		}
	}
	if title, _ := mail("", &site.Notice{Kind: site.ServiceUp, Name: vs}); title != "Virtualserver "+vs+" - UP" {
		t.Errorf("without router_id %q", title)
	}
}

// Programs are told of a start and a reload: first what is gone, then what is new.
func TestProgramsAreToldWhatAFileBringsAndRemoves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		first := service("192.168.1.100", checkedServer("192.168.1.11"))
		r := running(t, first)
		if len(r.Messages) != 1 || r.Messages[0].Line != "VS [192.168.1.100]:tcp:80 UP" {
			t.Errorf("the start is told as %+v", r.Messages)
		}
		if _, err := r.reload(service("192.168.1.101", checkedServer("192.168.1.11"))); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range r.Messages[1:] {
			got = append(got, m.Line)
		}
		want := []string{"RS [192.168.1.11]:tcp:80 [192.168.1.100]:tcp:80 DOWN", "VS [192.168.1.100]:tcp:80 DOWN", "VS [192.168.1.101]:tcp:80 UP"}
		if !slices.Equal(got, want) {
			t.Errorf("the reload is told as %q, want %q", got, want)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
	})
}
