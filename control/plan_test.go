package control

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"lvsdr/control/api"
	"lvsdr/control/keepalived"
	"lvsdr/control/site"
	"lvsdr/dataplane"
)

// planned is a plan of text, with ten connections and a template at each server that
// the engine has.
func (r *rig) planned(text string) (*api.Plan, error) {
	r.Helper()
	p := &planner{r.l, func(name string, files keepalived.Files) (*keepalived.Config, keepalived.Diagnostics, error) {
		return keepalived.Load(name, keepalived.Options{IPv6: true, Files: files})
	}, func(k dataplane.ServiceKey) (s dataplane.ServiceStatus, ok bool) {
		service := r.Table.Service(k)
		if service == nil {
			return s, false
		}
		for _, c := range service.Servers {
			s.Servers = append(s.Servers, dataplane.ServerStatus{Config: c.Config, Active: 7, Inactive: 3, Persistent: 1})
		}
		return s, true
	}}
	return p.Plan(r.Context(), &api.PlanRequest{Name: "test.conf", Files: map[string]string{"test.conf": text}})
}

// A plan says what a reload then does, and how many connections each change touches;
// it changes nothing itself.
func TestAPlanIsWhatAReloadDoes(t *testing.T) {
	const before = rs1 + " weight 2"
	check := func(addr, words string) string { return addr + " TCP_CHECK { ; connect_port 1 ;" + words + " }" }
	for _, c := range []struct {
		law, old, new string
		want          string // ops, with connections and ! where they end
		touched       int
		ended         int
	}{
		{"the same file", service(vip, rs1), service(vip, rs1), "", 0, 0},
		{"the same in another layout", service(vip, rs1), "\n\n! comment\n" + service(vip, rs1), "", 0, 0},
		{"another weight", service(vip, rs1, rs2), service(vip, rs1, rs2+" weight 5"), "edit-server 10", 10, 0},
		{"a server that goes", service(vip, rs1, rs2), service(vip, rs1), "del-server 10!", 10, 10},
		{"a server that comes", service(vip, rs1), service(vip, rs1, rs2), "add-server 0", 0, 0},
		{"one for another", service(vip, rs1), service(vip, rs2), "add-server 0, del-server 10!", 10, 10},
		{"a service that goes", service(vip, rs1, rs2), service(other, rs1), "add-service 0, add-server 0, del-service 20!", 20, 20},
		{"another scheduler", service(vip, rs1, rs2), strings.Replace(service(vip, rs1, rs2), "wrr", "rr", 1), "edit-service 20", 20, 0},
		{"another scheduler and weight: each connection counts once", service(vip, rs1, rs2), strings.Replace(service(vip, rs1, rs2+" weight 9"), "wrr", "rr", 1),
			"edit-service 20, edit-server 10", 20, 0},
		{"another check", service(vip, check(rs1, "")), service(vip, check(rs1, " connect_timeout 9 ;")), "settings 0", 0, 0},
		{"another quorum", service(vip, before), strings.Replace(service(vip, before), "protocol TCP", "protocol TCP\n quorum 2", 1), "settings 0", 0, 0},
		{"other global words", service(vip, rs1), "global_defs {\n router_id x\n}\n" + service(vip, rs1), "settings 0", 0, 0},
	} {
		bubble(t, func(t *testing.T) {
			r := running(t, c.old)
			was := r.world()
			p, err := r.planned(c.new)
			if err != nil {
				t.Errorf("%s: %v", c.law, err)
				return
			}
			synctest.Wait()
			if now := r.world(); now != was {
				t.Errorf("%s: the plan changed\n%s\nto\n%s", c.law, was, now)
			}
			var got []string
			var texts []string
			for _, ch := range p.Changes {
				mark := ""
				if ch.Ends {
					mark = "!"
				}
				got = append(got, fmt.Sprintf("%s %d%s", ch.Op, ch.Connections, mark))
				if ch.Op != "settings" {
					texts = append(texts, ch.Text)
				}
			}
			if g := strings.Join(got, ", "); g != c.want || p.Connections != c.touched || p.Ended != c.ended {
				t.Errorf("%s: %s with %d connections, %d ended; want %s, %d, %d", c.law, g, p.Connections, p.Ended, c.want, c.touched, c.ended)
			}
			done, err := r.reload(c.new)
			if err != nil || strings.Join(done.Changes, "; ") != strings.Join(texts, "; ") {
				t.Errorf("%s: the reload did %q, %v; planned %q", c.law, done.Changes, err, texts)
			}
		})
	}
}

// What a reload would refuse a plan refuses, for the same reason.
func TestAPlanOfAFileThatAReloadWouldRefuse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1))
		for _, text := range []string{"", "virtual_server {\n", strings.Replace(service(vip, rs1), "lb_algo", "lb_alga", 1)} {
			was := r.world()
			_, planErr := r.planned(text)
			_, reloadErr := r.reload(text)
			if planErr == nil || reloadErr == nil || !strings.Contains(planErr.Error(), reloadErr.Error()) {
				t.Errorf("%q: the plan says %v, the reload %v", text, planErr, reloadErr)
			}
			if r.world() != was {
				t.Errorf("%q changed something", text)
			}
		}
		none := &planner{loop: r.l}
		if _, err := none.Plan(t.Context(), &api.PlanRequest{}); !errors.Is(err, errNoFile) {
			t.Errorf("without a file: %v", err)
		}
	})
}

// A plan starts from what edits and checks have made of the services, and names what
// cannot be served.
func TestAPlanStartsFromWhatIsThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, checkedServer(rs1), rs2))
		r.check(rs1, false)
		r.edit(site.Edit{Op: site.EditServer, Service: dataplane.ServiceConfig{Key: key(vip)}, Server: server(rs2, 9)})
		if p, err := r.planned(service(vip, checkedServer(rs1), rs2)); err != nil || len(p.Changes) != 0 {
			t.Errorf("the file in force: %+v, %v", p, err)
		}
		p, err := r.planned(service(vip, checkedServer(rs1), rs2+" weight 4") + service("203.0.113.7", rs1))
		if err != nil || len(p.Problems) != 1 || !strings.Contains(p.Problems[0], "203.0.113.7") {
			t.Fatalf("%+v, %v", p, err)
		}
		if len(p.Changes) == 0 || !strings.Contains(fmt.Sprint(p.Changes), "weight 4") {
			t.Errorf("%+v", p.Changes)
		}
	})
}
