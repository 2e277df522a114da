package keepalived

import (
	"io"
	"strings"
	"testing"
	"time"
)

func TestSlowStartIsSaidForAServiceOrAServer(t *testing.T) {
	for _, c := range []struct {
		service, server string
		want            time.Duration
	}{
		{"", "", 0},
		{"lvsdr_slow_start 60", "", time.Minute},
		{"lvsdr_slow_start 60", "lvsdr_slow_start 2.5", 2500 * time.Millisecond},
		{"lvsdr_slow_start 60", "lvsdr_slow_start 0", 0},
		{"", "lvsdr_slow_start x", 0},
	} {
		cfg, found := load(t, service(c.service+"\nreal_server 10.0.0.2 80 {\n"+c.server+"\n}"), nil)
		if (found.Max() == Error) != strings.HasSuffix(c.server, "x") {
			t.Errorf("%q: %v", c.server, found)
			continue
		}
		if got := cfg.VirtualServers[0].RealServers[0].SlowStart; got != c.want {
			t.Errorf("%q in the service and %q in the server: %v, want %v", c.service, c.server, got, c.want)
		}
	}
}

func TestCommandsAreReadWithTheirUsersAndGroups(t *testing.T) {
	for _, c := range []struct {
		text string
		want Command
	}{
		{"/bin/a", Command{Line: "/bin/a"}},
		{"/bin/a nobody", Command{"/bin/a", "nobody", ""}},
		{"/bin/a nobody users", Command{"/bin/a", "nobody", "users"}},
		{"/bin/a nobody :users", Command{"/bin/a", "nobody", "users"}},
		{"/bin/a nobody : users", Command{"/bin/a", "nobody", "users"}},
		{`"/bin/a b 'c d'" nobody`, Command{"/bin/a b 'c d'", "nobody", ""}},
		{"'/bin/a b'", Command{Line: "/bin/a b"}},
	} {
		text := "global_defs {\nscript_user daemon adm\nenable_script_security\nnotify_fifo /run/a\nlvs_notify_fifo /run/b\nrs_init_notifies\nnotify_fifo_script " + c.text + "\nlvs_notify_fifo_script " + c.text + "\n}\n" +
			"virtual_server 10.0.0.1 80 {\nlb_algo rr\nlb_kind DR\nprotocol TCP\npersistence_timeout 9\nquorum_up " + c.text + "\nquorum_down " + c.text + "\n" +
			"real_server 10.0.0.2 80 {\nnotify_up " + c.text + "\nnotify_down " + c.text + "\n}\n}\n"
		cfg, found, err := Load("f", Options{Files: Files{Open: func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}})
		if err != nil || len(found) > 0 {
			t.Errorf("%s: %v, %v", c.text, found, err)
			continue
		}
		v := cfg.VirtualServers[0]
		for _, got := range []Command{v.QuorumUp, v.QuorumDown, v.RealServers[0].NotifyUp, v.RealServers[0].NotifyDown, cfg.Global.FIFOScripts[0], cfg.Global.FIFOScripts[1]} {
			if got != c.want {
				t.Errorf("%s is read as %+v, want %+v", c.text, got, c.want)
			}
		}
		if g := cfg.Global; g.ScriptUser != "daemon" || g.ScriptGroup != "adm" || !g.ScriptSecurity || !g.InitNotifies || g.FIFOs != [2]string{"/run/a", "/run/b"} {
			t.Errorf("global_defs are %+v", g)
		}
	}
}
