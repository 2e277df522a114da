package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
)

// nginxConfig has the folder, the port and the server's name. One process, as
// the only user of the world, which keeps everything in its folder.
const nginxConfig = `daemon off;
master_process off;
user root;
pid %[1]s/pid;
error_log %[1]s/error.log;
events {}
http {
    access_log off;
    client_body_temp_path %[1]s/body;
    proxy_temp_path %[1]s/proxy;
    fastcgi_temp_path %[1]s/fastcgi;
    uwsgi_temp_path %[1]s/uwsgi;
    scgi_temp_path %[1]s/scgi;
    server {
        listen 0.0.0.0:%[2]d;
        location / { return 200 "%[3]s\n"; }
    }
}
`

func TestNginxAnswersCurl(t *testing.T) {
	t.Parallel()
	nginx, curl := tool(t, "nginx", "nginx-light"), tool(t, "curl", "curl")
	lab := newLab(t, netlab.Spec{Servers: weighted(3, 2, 1)})
	for _, n := range lab.Servers {
		dir := t.TempDir()
		conf := filepath.Join(dir, "nginx.conf")
		if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConfig, dir, port, n.Name()), 0o600); err != nil {
			t.Fatal(err)
		}
		start(t, n.Host, nginx, "-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", conf)
	}
	for _, n := range lab.Servers {
		await(t, "nginx to listen on "+n.Name(), func() bool { return listening(t, n.Host, port) })
	}
	d := direct(t, lab, lab.Config(rotating()))
	served := map[string]int{}
	const requests, ofEach = 60, 10 // a curl makes several, each on a connection of its own
	for first := 0; first < requests; first += ofEach {
		var args []string
		for i := range ofEach {
			// From a port that was not used before, see client.
			args = append(args, "--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "20",
				"--local-port", strconv.Itoa(20000+first+i), url(lab), "--next")
		}
		out, err := lab.Clients[0].Command(t.Context(), curl, args[:len(args)-1]...).CombinedOutput()
		if err != nil {
			t.Fatalf("curl: %v\n%s", err, out)
		}
		for line := range strings.Lines(string(out)) {
			served[strings.TrimSpace(line)]++
		}
	}
	if n := status(t, d).Services[0].Traffic.Conns; n != requests {
		t.Errorf("%d connections for %d requests", n, requests)
	}
	checkShares(t, lab, served)
	if len(served) != len(lab.Servers) {
		t.Errorf("the answers came from %v", served)
	}
}
