package control

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lvsdr/bench/netns"
)

// metricsAt is where directors of tests tell Prometheus, in the namespace of the test.
const metricsAt = "127.0.0.1:9477"

// scrape returns the text that Prometheus reads; empty: nothing is told.
func scrape(t *testing.T) string {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + metricsAt + "/metrics")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Prometheus reads of a running director what its status says.
func TestPrometheusReadsARunningDirector(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	w := newLab(t)
	w.metrics = metricsAt
	other := "vrrp_instance other {\n interface eth0\n virtual_router_id 7\n virtual_ipaddress {\n 198.51.100.7\n }\n}\n"
	d := w.run(other + strings.Replace(service(vip, rs1+" TCP_CHECK { ; }"), "lb_algo", "delay_loop 1\n lb_algo", 1))
	if !w.served(w.client, vip) {
		t.Fatalf("the client is not served; log:\n%s", &d.log)
	}
	if _, err := d.ask.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	want := []string{
		`lvsdr_server_up{server="192.168.1.11:80",service="tcp 192.168.1.100:80"} 1`,
		`lvsdr_server_connections_total{server="192.168.1.11:80",service="tcp 192.168.1.100:80"} 1`,
		`lvsdr_service_connections_total{service="tcp 192.168.1.100:80"} 1`,
		`lvsdr_config_reloads_total{result="success"} 1`,
		`lvsdr_check_duration_seconds_count{kind="TCP_CHECK + DR_CHECK",result="good"} `,
		`lvsdr_frames_total{reason="scheduled",verdict="forward"} 1`,
		`lvsdr_table_entries 1`, `lvsdr_announcing 1`, `lvsdr_workers 2`,
	}
	got := ""
	netns.Eventually(t, "the health check to be told of", func() bool {
		got = scrape(t)
		return strings.Contains(got, `result="good"`)
	})
	for _, line := range want {
		if !strings.Contains(got, "\n"+line) {
			t.Errorf("not told: %s", line)
		}
	}
	namesOf(t, got)
	d.end()
	if scrape(t) != "" {
		t.Error("it is told after the end")
	}
}

// namesOf looks for each name that alerts and the dashboard ask for in a scrape.
func namesOf(t *testing.T, scraped string) {
	t.Helper()
	there := map[string]bool{"up": true} // that is Prometheus' own
	for line := range strings.Lines(scraped) {
		name, _, _ := strings.Cut(line, " ")
		name, _, _ = strings.Cut(name, "{")
		there[name] = true
	}
	asked := 0
	for _, file := range []string{"alerts.yml", "dashboard.json"} {
		b, err := os.ReadFile("../docs/prometheus/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`\b(?:lvsdr|go|process)_\w+`).FindAllString(string(b), -1) {
			asked++
			if !there[name] {
				t.Errorf("%s asks for %s, which a scrape does not have", file, name)
			}
		}
	}
	if asked < 40 {
		t.Errorf("only %d names were found", asked)
	}
}

// An address that is taken keeps nobody from being served, and is used when it is free.
func TestATakenAddressOfMetricsIsTriedAgain(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	w := newLab(t)
	w.metrics = metricsAt
	l, err := net.Listen("tcp", metricsAt)
	if err != nil {
		t.Fatal(err)
	}
	d := w.run(service(vip, rs1))
	if !w.served(w.client, vip) {
		t.Error("the client is not served")
	}
	netns.Eventually(t, "the log to say so", func() bool { return strings.Contains(d.log.String(), metricsAt+" failed; it is started again") })
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	netns.Eventually(t, "a scrape", func() bool { return scrape(t) != "" })
	d.end()
}

// node_exporter of Debian, which knows nothing of us, tells Prometheus what it reads of a
// kernel with IPVS.
func TestNodeExporterReadsTheFilesAsAKernels(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	exporter := netns.Tool(t, "prometheus-node-exporter", "prometheus-node-exporter")
	w := newLab(t)
	w.ipvsProc = filepath.Join(t.TempDir(), "proc")
	d := w.run(service(vip, rs1+" weight 5"))
	if !w.served(w.client, vip) {
		t.Fatalf("the client is not served; log:\n%s", &d.log)
	}
	netns.Eventually(t, "the files", func() bool {
		_, err := os.Stat(filepath.Join(w.ipvsProc, "net/ip_vs_stats"))
		return err == nil
	})
	cmd := w.director.Command(t.Context(), exporter, "--path.procfs="+w.ipvsProc, "--collector.disable-defaults", "--collector.ipvs", "--web.listen-address="+metricsAt)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	got, backend := "", `local_address="192.168.1.100",local_mark="",local_port="80",proto="TCP",remote_address="192.168.1.11",remote_port="80"} `
	netns.Eventually(t, "node_exporter", func() bool {
		got = scrape(t)
		return strings.Contains(got, "\nnode_ipvs_connections_total 1")
	})
	for _, line := range []string{
		`node_scrape_collector_success{collector="ipvs"} 1`,
		"node_ipvs_backend_weight{" + backend + "5",
		"node_ipvs_backend_connections_active{" + backend,
		"node_ipvs_backend_connections_inactive{" + backend,
		"node_ipvs_incoming_packets_total ", "node_ipvs_incoming_bytes_total ", "node_ipvs_outgoing_bytes_total 0",
	} {
		if !strings.Contains(got, "\n"+line) {
			t.Errorf("not told: %s", line)
		}
	}
	_ = cmd.Process.Kill() // it may have ended
	_ = cmd.Wait()         // killed
	d.end()
	if _, err := os.Stat(filepath.Join(w.ipvsProc, "net")); err == nil {
		t.Error("the files are there after the end")
	}
}
