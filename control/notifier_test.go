package control

import (
	"slices"
	"strings"
	"testing"
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
