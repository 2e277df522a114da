package main_test

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
	"lvsdr/control/api/apitest"
)

// curl makes a request of the director with curl, and wants a whole answer.
func curl(t *testing.T, socket string, args ...string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, tool(t, "curl", "curl"), append([]string{"-sS", "-i", "--raw", "--unix-socket", socket}, args...)...).Output()
	if err != nil {
		t.Fatalf("curl %v: %v\n%s", args, err, out)
	}
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(out)), nil)
	if err != nil {
		t.Fatalf("curl %v: %v\n%s", args, err, out)
	}
	return r
}

// body is the body of an answer.
func body(t *testing.T, r *http.Response) string {
	t.Helper()
	var b strings.Builder
	if _, err := bufio.NewReader(r.Body).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Somebody who has curl alone reads and edits a running director; what it answers is
// as its own description says.
func TestTheAPIWithCurl(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	d := direct(t, lab, lab.Config(rotating()))
	get(t, lab, 4)
	s, err := apitest.Load([]byte(body(t, curl(t, d.Socket, "http://lvsdr/v1/openapi.yaml"))))
	if err != nil {
		t.Fatal(err)
	}
	vip, rs := lab.Spec.VIP.String(), lab.Servers[1].Addr.String()
	web := "/v1/services/tcp-" + vip + "-" + strconv.Itoa(port)
	server := web + "/servers/" + rs + "-" + strconv.Itoa(port)
	ask := func(method, target, text string, status int, want string) {
		t.Helper()
		args := []string{"-X", method, "http://lvsdr" + target}
		if text != "" {
			args = append(args, "-d", text)
		}
		r := curl(t, d.Socket, args...)
		got := body(t, r)
		if r.StatusCode != status || !strings.Contains(got, want) {
			t.Errorf("%s %s %s: %s, want %d with %s: %s", method, target, text, r.Status, status, want, got)
		}
		path, _, _ := strings.Cut(target, "?")
		if err := s.Answer(method, path, r.StatusCode, r.Header, []byte(got)); err != nil && !strings.Contains(want, "no-path") {
			t.Error(err)
		}
	}
	for _, c := range []struct {
		method, target, text string
		status               int
		want                 string
	}{
		{"GET", "/v1/status", "", 200, vip},
		{"GET", "/v1/explain?client=" + lab.Clients[0].Addr.String() + "&address=" + vip + "&port=" + strconv.Itoa(port), "", 200, `"verdict":"forward"`},
		{"GET", "/v1/sticky?client=" + lab.Clients[0].Addr.String(), "", 200, `"persistence":0`},
		{"GET", "/v1/services", "", 200, `"scheduler"`},
		{"GET", "/v1/connections?server=" + rs, "", 200, rs},
		{"GET", "/v1/timeouts", "", 200, `"tcp":900`},
		{"GET", web, "", 200, `"owner":"file"`},
		{"GET", web + "/servers", "", 200, rs},
		{"GET", server, "", 200, `"up":true`},
		{"PUT", server, `{"weight":0}`, 200, `"state":"quiesced: weight 0"`},
		{"POST", "/v1/services", `{"protocol":"udp","address":"` + vip + `","port":53,"one_packet":true}`, 201, `"owner":"runtime"`},
		{"POST", "/v1/services", `{"protocol":"udp","address":"203.0.113.1","port":53}`, 400, "203.0.113.1"},
		{"PUT", "/v1/services/udp-" + vip + "-53/servers/" + rs + "-53", `{"weight":2}`, 201, `"weight":2`},
		{"PUT", "/v1/services/udp-" + vip + "-53/servers/" + rs + "-53", `{"heft":2}`, 400, "heft"},
		{"DELETE", "/v1/services/udp-" + vip + "-53", "", 204, ""},
		{"GET", "/v1/services/udp-" + vip + "-53", "", 404, "no-service"},
		{"PUT", "/v1/timeouts", `{"tcp":77}`, 200, `"tcp":77`},
		{"PUT", "/v1/timeouts", `{"tcp":-77}`, 400, "-77"},
		{"POST", "/v1/edits", `[{"op":"zero"},{"op":"del-service","service":{"fwmark":9,"port":0}}]`, 200, `[null,{"code":"no-service"`},
		{"POST", "/v1/reload", "", 200, `"changes":[]`},
		{"GET", "/v1/nothing", "", 404, "no-path"},
	} {
		ask(c.method, c.target, c.text, c.status, c.want)
	}
	if tally := get(t, lab, 8); len(tally.ByServer) != 1 {
		t.Errorf("a server of weight 0 answers: %v", tally.ByServer)
	}
	ask("PUT", server, `{"weight":1}`, 200, `"state":"up`)
	if tally := get(t, lab, 8); len(tally.ByServer) != 2 {
		t.Errorf("of two servers answer %v", tally.ByServer)
	}
}

// `curl -N` shows what happens, as it happens; with the ID of the last event it goes on
// there.
func TestEventsWithCurl(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	d := direct(t, lab, lab.Config(rotating()))
	follow := func(args ...string) *bufio.Scanner {
		cmd := exec.CommandContext(t.Context(), tool(t, "curl", "curl"), append([]string{"-sSN", "--unix-socket", d.Socket, "http://lvsdr/v1/events"}, args...)...)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }) // its error is that it was killed
		return bufio.NewScanner(out)
	}
	// until reads to the event, and returns its ID and its data.
	until := func(in *bufio.Scanner, event string) (id, data string) {
		t.Helper()
		found := false
		for in.Scan() {
			line := in.Text()
			if v, ok := strings.CutPrefix(line, "id: "); ok {
				id = v
			}
			found = found || line == "event: "+event
			if v, ok := strings.CutPrefix(line, "data: "); ok && found {
				return id, v
			}
		}
		t.Fatalf("no event %s: %v", event, in.Err())
		return "", ""
	}
	events := follow()
	if !events.Scan() || !strings.HasPrefix(events.Text(), ": ") { // the stream has begun
		t.Fatalf("at first %q, %v", events.Text(), events.Err())
	}
	server := lab.Servers[1].Addr.String() + "-" + strconv.Itoa(port)
	curl(t, d.Socket, "-X", "PUT", "http://lvsdr/v1/services/tcp-"+lab.Spec.VIP.String()+"-"+strconv.Itoa(port)+"/servers/"+server, "-d", `{"weight":7}`)
	id, data := until(events, "service-changed")
	if !strings.Contains(data, "weight 7") {
		t.Errorf("an edit: %s", data)
	}
	curl(t, d.Socket, "-X", "POST", "http://lvsdr/v1/reload")
	if _, data := until(events, "config-reloaded"); !strings.Contains(data, "0 changes, 0 problems") {
		t.Errorf("a reload: %s", data)
	}
	again := follow("-H", "Last-Event-ID: "+id)
	if next, data := until(again, "config-reloaded"); next == id || !strings.Contains(data, "0 changes") {
		t.Errorf("after %s: %s %s", id, next, data)
	}
}

// The API over TCP answers a client that has the token, and a start without any is
// refused.
func TestTheAPIOverTCP(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	token := filepath.Join(shortDir(t), "token")
	if err := os.WriteFile(token, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const at = "127.0.0.1:9443"
	direct(t, lab, lab.Config(rotating()), "--api-listen", at, "--api-token-file", token)
	curl := tool(t, "curl", "curl")
	for _, c := range []struct{ header, want string }{
		{"Authorization: Bearer 0123456789abcdef", `"version"`},
		{"Authorization: Bearer 0123456789abcdeF", `"code":"token"`},
		{"X: y", `"code":"token"`},
	} {
		cmd := lab.Director.Command(t.Context(), curl, "-sS", "-H", c.header, "http://"+at+"/v1/status")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %v %s, want %s", c.header, err, out, c.want)
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--api-listen", at}, "every host could change the director; give --api-client-ca or --api-token-file"},
		{[]string{"--api-listen", "192.0.2.1:9443", "--api-token-file", token}, "the network could read the token"},
		{[]string{"--api-token-file", token}, "need --api-listen"},
		{[]string{"--api-listen", "9443", "--api-token-file", token}, "want an IP address and a port"},
	} {
		if r := verb(t, append([]string{"run", "--no-config"}, c.args...)...); r.code != 2 || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%v: exit code %d, %s, want %s", c.args, r.code, r.stderr, c.want)
		}
	}
}

// `lvsdr plan` says what a file would change and how many connections that touches; its
// exit code tells a file that changes nothing from one that does.
func TestPlan(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	config := lab.Config(rotating())
	d := direct(t, lab, config)
	c := lab.client(t, lab.Clients[0].Addr, keptConnections)
	if resp, err := c.Get(url(lab)); err != nil { // a connection that stays
		t.Fatal(err)
	} else if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	dir := shortDir(t)
	write := func(name, text string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	write("services.inc", strings.Replace(config, lab.Spec.VIP.String(), "192.168.1.222", 1))
	for _, c := range []struct {
		law, text string
		code      int
		out, err  string
	}{
		{"the file in force", config, 0, "nothing changes\n", ""},
		{"another weight", strings.Replace(config, "weight 1", "weight 5", 1), 3, ", weight 5", ""},
		{"other servers", strings.NewReplacer(lab.Servers[0].Addr.String(), "192.168.1.21", lab.Servers[1].Addr.String(), "192.168.1.22").Replace(config), 3, "of which 1 lose their server", ""},
		{"an included file", config + "include services.inc\n", 3, "add tcp 192.168.1.222:8080", ""},
		{"a mistake", strings.Replace(config, "lb_algo", "lb_alga", 1), 1, "", "a reload would refuse the file: "},
	} {
		r := verb(t, "plan", "--socket", d.Socket, write("new.conf", c.text))
		if r.code != c.code || !strings.Contains(r.stdout, c.out) || !strings.Contains(r.stderr, c.err) {
			t.Errorf("%s: exit code %d, want %d with %q%q\n%s%s", c.law, r.code, c.code, c.out, c.err, r.stdout, r.stderr)
		}
		t.Logf("%s:\n%s%s", c.law, r.stdout, r.stderr)
	}
	if r := verb(t, "plan", "--json", "--socket", d.Socket, write("new.conf", config)); r.code != 0 || !strings.Contains(r.stdout, `"changes": []`) {
		t.Errorf("as JSON: exit code %d, %s%s", r.code, r.stdout, r.stderr)
	}
	if r := verb(t, "plan", "--socket", d.Socket, filepath.Join(dir, "nowhere")); r.code != 1 || !strings.Contains(r.stderr, "no such file") {
		t.Errorf("no file: exit code %d, %s", r.code, r.stderr)
	}
	if r := verb(t, "plan", "--socket", d.Socket); r.code != 2 {
		t.Errorf("no argument: exit code %d, %s", r.code, r.stderr)
	}
	if r := verb(t, "reload", "--socket", d.Socket); r.code != 0 || !strings.Contains(r.stdout, "reloaded, 0 changes") {
		t.Errorf("after the plans: exit code %d, %s", r.code, r.stdout)
	}
}
