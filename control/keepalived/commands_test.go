package keepalived

import (
	"slices"
	"testing"
)

func TestCommandsAreAllThatTheDirectorRuns(t *testing.T) {
	const server = "real_server 10.0.0.2 80 {\nnotify_up /up a\nnotify_down \"/down x\" b c\nMISC_CHECK {\nmisc_path /misc\nuser d\n}\nMISC_CHECK {\nmisc_path /misc2\n}\nTCP_CHECK {\n}\n}\n"
	text := service("quorum_up /qup e\nquorum_down /qdown\n"+server) + "vrrp_script x {\nscript /vrrp\nuser f\n}\n"
	const fifos = "notify_fifo /run/f\nnotify_fifo_script \"/fs x\" g\nlvs_notify_fifo_script /without\n" // a FIFO
	anybody := func(o *Options) {
		o.Files.User = func(string) bool { return true }
		o.Files.Group = o.Files.User
	}
	for _, c := range []struct {
		global, user, group string
	}{{"global_defs {\n" + fifos + "}\n", "", ""}, {"global_defs {\nscript_user u g\n" + fifos + "}\n", "u", "g"}, {"global_defs {\n" + fifos + "script_user u\n}\n", "u", ""}} {
		cfg, _ := load(t, c.global+text, anybody)
		got := slices.Collect(cfg.Commands())
		want := []Command{{"/fs x", "g", ""}, {"/qup", "e", ""}, {"/qdown", c.user, c.group}, {"/up", "a", ""}, {"/down x", "b", "c"}, {"/misc", "d", ""}, {"/misc2", c.user, c.group}}
		if !slices.Equal(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
		for n := range want { // whoever looks no further is not told of more
			for range cfg.Commands() {
				if n--; n < 0 {
					break
				}
			}
		}
	}
}
