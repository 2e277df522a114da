package site

import (
	"testing"
)

// A step is an event and what the web service has afterwards.
type step struct {
	law  string
	do   func(*scene)
	want string
}

func TestWhatTheDirectorHasStepByStep(t *testing.T) {
	load := func(text string) func(*scene) { return func(sc *scene) { sc.load(text) } }
	check := func(id string, up bool) func(*scene) { return func(sc *scene) { sc.check(id, up) } }
	admin := func(e Event) func(*scene) { return func(sc *scene) { sc.do(e) } }
	const tcpCheck = " TCP_CHECK {;}"
	for _, story := range []struct {
		name  string
		steps []step
	}{
		{"reload", []step{
			{"servers are added in the order of the file, so the last is at the head", load(web("11 weight 3", "12 weight 2")), "12*2 11*3"},
			{"an edited server keeps its place", load(web("11 weight 5", "12 weight 2")), "12*2 11*5"},
			{"the order of the file alone changes nothing", load(web("12 weight 2", "11 weight 5")), "12*2 11*5"},
			{"a new server enters at the head, a missing one goes", load(web("13", "11 weight 5")), "13*1 11*5"},
			{"a service that is not in the file any more goes", load(""), "-"},
		}},
		{"health", []step{
			{"servers are up at first", load(web("11 weight 3;"+tcpCheck, "12")), "12*1 11*3"},
			{"one that is down is taken out", check(".11", false), "12*1"},
			{"a reload does not bring it back", load(web("11 weight 4;"+tcpCheck, "12")), "12*1"},
			{"when it is back it enters at the head", check(".11", true), "11*4 12*1"},
			{"one that is down comes back with its last check", load(web("11"+tcpCheck, "12")), "11*1 12*1"},
			{"a failure", check(".11", false), "12*1"},
			{"which its check takes away with it", load(web("11", "12")), "11*1 12*1"},
		}},
		{"inhibit_on_failure", []step{
			{"a server that is inhibited on failure", load(web("11 weight 3;inhibit_on_failure;"+tcpCheck, "12")), "12*1 11*3"},
			{"stays in its place with weight 0", check(".11", false), "12*1 11*0"},
			{"and gets its weight back", check(".11", true), "12*1 11*3"},
			{"without the word", check(".11", false), "12*1 11*0"},
			{"it is taken out", load(web("11 weight 3;"+tcpCheck, "12")), "12*1"},
		}},
		{"alpha", []step{
			{"a server with alpha is down at first", load(web("11 alpha;"+tcpCheck, "12")), "12*1"},
			{"until a check is good", check(".11", true), "11*1 12*1"},
			{"a reload changes nothing", load(web("11 alpha;"+tcpCheck, "12")), "11*1 12*1"},
			{"alpha for one that is up changes nothing either", load(web("11 alpha;"+tcpCheck, "12 alpha;"+tcpCheck)), "11*1"},
		}},
		{"two checks", []step{
			{"a server with two checks", load(web("11 TCP_CHECK {;};TCP_CHECK {;connect_port 81;}", "12")), "12*1 11*1"},
			{"is down while one is", check("#2", false), "12*1"},
			{"or both are", check("#1", false), "12*1"},
			{"one alone does not bring it back", check("#2", true), "12*1"},
			{"both do", check("#1", true), "11*1 12*1"},
		}},
		{"ipvsadm changes a weight", []step{
			{"a weight", load(web("11 weight 3;"+tcpCheck, "12"+tcpCheck)), "12*1 11*3"},
			{"that is changed", admin(weight(EditServer, 11, 7)), "12*1 11*7"},
			{"stays when another server goes", check(".12", false), "11*7"},
			{"and comes back", check(".12", true), "12*1 11*7"},
			{"and when the file changes another one", load(web("11 weight 3;"+tcpCheck, "12 weight 2;"+tcpCheck)), "12*2 11*7"},
			{"or the service", load(vs("192.168.1.100 80", "lb_algo wrr", "192.168.1.11 80 weight 3;"+tcpCheck, "192.168.1.12 80 weight 2;"+tcpCheck)), "12*2 11*7"},
			{"until the file changes it", load(web("11 weight 4;"+tcpCheck, "12 weight 2;"+tcpCheck)), "12*2 11*4"},
			{"or", admin(weight(EditServer, 11, 7)), "12*2 11*7"},
			{"until the server goes", check(".11", false), "12*2"},
			{"and comes back", check(".11", true), "11*4 12*2"},
		}},
		{"ipvsadm adds a server", []step{
			{"a server", load(web("11"+tcpCheck, "12")), "12*1 11*1"},
			{"that is added", admin(weight(AddServer, 13, 5)), "13*5 12*1 11*1"},
			{"stays when others go", check(".11", false), "13*5 12*1"},
			{"and come back", check(".11", true), "11*1 13*5 12*1"},
			{"and through a reload", load(web("11" + tcpCheck)), "11*1 13*5"},
			{"until the file has it too", load(web("11"+tcpCheck, "13 weight 2")), "11*1 13*2"},
			{"then it goes with the file", load(web("11" + tcpCheck)), "11*1"},
		}},
		{"ipvsadm adds a server of the file that is down", []step{
			{"a server", load(web("11 weight 3;"+tcpCheck, "12")), "12*1 11*3"},
			{"that is down", check(".11", false), "12*1"},
			{"and is added", admin(weight(AddServer, 11, 9)), "11*9 12*1"},
			{"is the file's again when it is up", check(".11", true), "11*3 12*1"},
			{"and goes when it is down", check(".11", false), "12*1"},
			{"added again", admin(weight(AddServer, 11, 9)), "11*9 12*1"},
			{"it does not go with the file, which did not have it up", load(web("12")), "11*9 12*1"},
		}},
		{"ipvsadm removes a server", []step{
			{"a server", load(web("11 weight 3;inhibit_on_failure;"+tcpCheck, "12"+tcpCheck)), "12*1 11*3"},
			{"that is removed", admin(weight(DelServer, 11, 0)), "12*1"},
			{"stays away when it is quiesced", check(".11", false), "12*1"},
			{"and has its weight again", check(".11", true), "12*1"},
			{"and through a reload", load(web("11 weight 3;inhibit_on_failure;"+tcpCheck, "12"+tcpCheck, "13")), "13*1 12*1"},
			{"until the file changes it", load(web("11 weight 4;inhibit_on_failure;"+tcpCheck, "12"+tcpCheck, "13")), "11*4 13*1 12*1"},
			{"another one", admin(weight(DelServer, 12, 0)), "11*4 13*1"},
			{"comes back when its health says so", check(".12", false), "11*4 13*1"},
			{"as with keepalived", check(".12", true), "12*1 11*4 13*1"},
			{"one more", admin(weight(DelServer, 13, 0)), "12*1 11*4"},
			{"that the file removes too", load(web("11 weight 4;inhibit_on_failure;"+tcpCheck, "12"+tcpCheck)), "12*1 11*4"},
		}},
		{"ipvsadm removes the service", []step{
			{"a service", load(web("11"+tcpCheck, "12")), "12*1 11*1"},
			{"that is removed", admin(Admin{[]Edit{{Op: DelService, Service: config4(webKey, "rr")}}}), "-"},
			{"stays away when a server goes", check(".11", false), "-"},
			{"and comes back", check(".11", true), "-"},
			{"and when the file changes a server", load(web("11 weight 2;"+tcpCheck, "12")), "-"},
			{"until the file changes the service", load(vs("192.168.1.100 80", "lb_algo wrr", "192.168.1.11 80 weight 2;"+tcpCheck, "192.168.1.12 80")), "11*2 12*1"},
		}},
		{"ipvsadm takes the service for itself", []step{
			{"a service", load(web("11", "12")), "12*1 11*1"},
			{"that is removed and added", admin(Admin{[]Edit{{Op: DelService, Service: config4(webKey, "rr")}, {Op: AddService, Service: config4(webKey, "wlc")}}}), ""},
			{"stays empty through a reload", load(web("11", "12")), ""},
			{"but for what the file changes", load(web("11", "12 weight 2")), "12*2"},
			{"and goes with the file", load(""), "-"},
		}},
		{"a service of ipvsadm's is in the file later", []step{
			{"no service", load(""), "-"},
			{"one of ipvsadm's", admin(Admin{[]Edit{{Op: AddService, Service: config4(webKey, "wlc")}}}), ""},
			{"with a server", admin(weight(AddServer, 13, 5)), "13*5"},
			{"stays through a reload", load(""), "13*5"},
			{"the file takes it over, and the server stays", load(web("11")), "11*1 13*5"},
			{"and it goes with the file", load(""), "-"},
		}},
		{"flush", []step{
			{"services", load(web("11"+tcpCheck, "12")), "12*1 11*1"},
			{"a flush empties the table", admin(Admin{[]Edit{{Op: Flush}}}), "-"},
			{"which stays empty when health changes", check(".11", false), "-"},
			{"again", check(".11", true), "-"},
			{"and through a reload", load(web("11"+tcpCheck, "12")), "-"},
			{"until the file changes the service", load(vs("192.168.1.100 80", "lb_algo wrr", "192.168.1.11 80"+tcpCheck)), "11*1"},
		}},
	} {
		t.Run(story.name, func(t *testing.T) {
			sc := newScene(t)
			for _, step := range story.steps {
				step.do(sc)
				if got := sc.servers("192.168.1.100", 80); got != step.want {
					t.Fatalf("%s: %q, want %q", step.law, got, step.want)
				}
			}
		})
	}
}
