package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
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

// An iperfReport is the part of iperf3's JSON that a test needs.
type iperfReport struct {
	Error string `json:"error"`
	Start struct {
		MSS int64 `json:"tcp_mss_default"`
	} `json:"start"`
	End struct {
		Sent struct {
			Bytes       int64 `json:"bytes"`
			Retransmits int64 `json:"retransmits"`
		} `json:"sum_sent"`
		Received struct {
			Bytes         int64   `json:"bytes"`
			BitsPerSecond float64 `json:"bits_per_second"`
		} `json:"sum_received"`
	} `json:"end"`
}

// String is the report in a line.
func (r iperfReport) String() string {
	return fmt.Sprintf("%.2f Gbit/s, %d of about %d segments sent again",
		r.End.Received.BitsPerSecond/1e9, r.End.Sent.Retransmits, r.segments())
}

// segments is about how many segments were sent.
func (r iperfReport) segments() int64 { return r.End.Sent.Bytes / max(r.Start.MSS, 1) }

// mostBuffered is the most bytes that a TCP socket of the host buffers, by tcp_wmem
// or tcp_rmem of tcp(7).
func mostBuffered(t *testing.T, h *netns.Host, setting string) (n int64) {
	t.Helper()
	err := h.Do(func() error {
		b, err := os.ReadFile("/proc/sys/net/ipv4/" + setting)
		if err == nil {
			_, err = fmt.Sscan(string(b), new(int64), new(int64), &n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Bulk TCP at the default offloads is what breaks where checksums or segment
// sizes are lost on the way. iperf3 opens two connections which must meet at
// one server: the default persistence sees to that.
func TestIperf(t *testing.T) {
	t.Parallel()
	iperf := tool(t, "iperf3", "iperf3")
	lab := newLab(t, netlab.Spec{})
	for _, n := range lab.Servers {
		start(t, n.Host, iperf, "--server", "--bind", "0.0.0.0", "--port", fmt.Sprint(port))
	}
	for _, n := range lab.Servers {
		await(t, "iperf3 to listen on "+n.Name(), func() bool { return listening(t, n.Host, port) })
	}
	d := direct(t, lab, lab.Config(netlab.Service{Port: port}))
	run := func(addr fmt.Stringer, seconds int) iperfReport {
		out, err := lab.Clients[0].Command(t.Context(), iperf, "--client", addr.String(), "--port", fmt.Sprint(port),
			"--time", fmt.Sprint(seconds), "--json").Output()
		var r iperfReport
		if jsonErr := json.Unmarshal(out, &r); err != nil || jsonErr != nil || r.Error != "" {
			t.Fatalf("iperf3 to %s: %v, %v\n%s", addr, err, jsonErr, out)
		}
		return r
	}
	through := run(lab.Spec.VIP, sized(3, 1, 1))
	t.Logf("through the director: %v", through)
	t.Logf("to a real server:     %v", run(lab.Servers[0].Addr, 1))
	r := through.End
	// What is missing is still in the buffers of both sockets: iperf3 stops there.
	room := mostBuffered(t, lab.Clients[0].Host, "tcp_wmem") + mostBuffered(t, lab.Servers[0].Host, "tcp_rmem")
	if r.Received.Bytes == 0 || r.Received.Bytes < r.Sent.Bytes-room {
		t.Errorf("%d of %d bytes arrived, and buffers have room for %d", r.Received.Bytes, r.Sent.Bytes, room)
	}
	if s := r.Sent.Retransmits; s > max(through.segments()/100, 100) {
		t.Errorf("%d of about %d segments were sent again", s, through.segments())
	}
	if b := status(t, d).Services[0].Traffic.Bytes; b < uint64(r.Received.Bytes) {
		t.Errorf("%d bytes arrived and the director counts %d", r.Received.Bytes, b)
	}
}
