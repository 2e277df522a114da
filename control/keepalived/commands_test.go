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

func TestCommandsOfVRRPAreAmongThem(t *testing.T) {
	c := func(name string) Command { return Command{Line: name} }
	notify := func(prefix string) VRRPNotify {
		return VRRPNotify{Master: c(prefix + "master"), Backup: c(prefix + "backup"), Fault: c(prefix + "fault"), Stop: c(prefix + "stop"),
			Deleted: c(prefix + "deleted"), LowerPriority: c(prefix + "lower"), Any: c(prefix + "any")}
	}
	cfg := &Config{Global: Global{ScriptUser: "u"}, VRRP: VRRP{Global: VRRPGlobal{FIFO: "/run/f", FIFOScript: c("/reader")},
		Instances: []*Instance{{Notify: notify("/i-")}, {}}, Groups: []*SyncGroup{{Notify: notify("/g-")}}, Scripts: []*TrackScript{{Command: Command{"/s", "v", ""}}}}}
	want := []Command{{"/reader", "u", ""}}
	for _, prefix := range []string{"/i-", "/g-"} {
		for _, name := range []string{"master", "backup", "fault", "stop", "deleted", "lower", "any"} {
			want = append(want, Command{prefix + name, "u", ""})
		}
	}
	want = append(want, Command{"/s", "v", ""})
	if got := slices.Collect(cfg.Commands()); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	cfg.VRRP.Global.FIFO = "" // nothing reads it then
	if got := slices.Collect(cfg.Commands()); !slices.Equal(got, want[1:]) {
		t.Errorf("without a FIFO: %+v", got)
	}
}
