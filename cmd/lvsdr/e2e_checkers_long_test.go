//go:build long

package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	"lvsdr/control/api"
)

// A real server with one check of each kind goes down with each of the daemons that they ask, one
// after the other, and is up again with it.
func TestEachKindOfCheckTakesItsServerOutAndBack(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	dir := shortDir(t)
	number, code := filepath.Join(dir, "number"), verdict(filepath.Join(dir, "code"))
	host := lab.Servers[0].Host
	daemons := []daemon{
		{"TCP_CHECK {|connect_port PORT|", startTCP, "connection refused"},
		{"HTTP_GET {|connect_port PORT|url {|path /|status_code 200|regex ^fine|}|", startWeb(false), "connection refused"},
		{"SSL_GET {|connect_port PORT|url {|path /|digest 9fba564e229a2c83496c7ee12d96bb64|}|", startWeb(true), "connection refused"},
		{"SMTP_CHECK {|connect_port PORT|", startMail, "connection refused"},
		{"DNS_CHECK {|connect_port PORT|connect_timeout 1|", startNames, "connection refused"},
		{"UDP_CHECK {|connect_port PORT|payload 0102|require_reply 0102|", startEcho, "connection refused"},
		{"MISC_CHECK {|" + code.check(""), func(t *testing.T, _ *netns.Host, _ int) func() {
			code.set(t, 0)
			return func() { code.set(t, 3) }
		}, "exit code 3"},
		{"FILE_CHECK {|track_file number|weight 0|", func(t *testing.T, _ *netns.Host, _ int) func() {
			must(t, os.WriteFile(number, []byte("0"), 0o600))
			return func() { must(t, os.WriteFile(number, []byte("5"), 0o600)) }
		}, "says 5"},
		{"PING_CHECK {|connect_timeout 1|", func(t *testing.T, h *netns.Host, _ int) func() {
			must(t, h.Sysctl("net.ipv4.icmp_echo_ignore_all", "0"))
			return func() { must(t, h.Sysctl("net.ipv4.icmp_echo_ignore_all", "1")) }
		}, "no answer"},
	}
	const first = 9100
	var checks strings.Builder
	stops := make([]func(), len(daemons))
	for i, d := range daemons {
		stops[i] = d.start(t, host, first+i)
		checks.WriteString(strings.NewReplacer("PORT", fmt.Sprint(first+i), "|", "\n").Replace(d.check) + "}\n")
	}
	t.Cleanup(func() {
		for _, stop := range stops {
			stop()
		}
	})
	config := fmt.Sprintf("track_file number {\nfile %s\n}\nvirtual_server %s %d {\nlb_algo wrr\nlb_kind DR\nprotocol TCP\npersistence_timeout 0\n"+
		"delay_loop 0.1\nwarmup 0\nretry 1\ndelay_before_retry 0.1\nreal_server %s %d {\n%s}\nreal_server %s %d {\n}\n}\n",
		number, lab.Spec.VIP, port, lab.Servers[0].Addr, port, &checks, lab.Servers[1].Addr, port)
	d := direct(t, lab, config)
	awaitServer(t, d, 0, "up", isUp)
	for i, dm := range daemons {
		kind, _, _ := strings.Cut(dm.check, " ")
		stops[i]()
		down := awaitServer(t, d, 0, "down by "+kind, isDown)
		if text := fmt.Sprintf("%+v", *down); !strings.Contains(text, dm.want) {
			t.Errorf("%s: it is down without %q: %s", kind, dm.want, text)
		}
		stops[i] = dm.start(t, host, first+i)
		awaitServer(t, d, 0, "up by "+kind, func(s *api.Server) bool { return isUp(s) })
	}
	wantServed(t, lab, "rs1", "rs2")
}
