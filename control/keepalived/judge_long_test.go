//go:build long

package keepalived

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A sentence is a configuration that is judged.
type sentence struct{ name, text string }

// Configurations around a few lines.
func inGlobal(lines string) string {
	return "global_defs {\n" + lines + "\n}\n" + inServer("weight 1")
}
func inServer(lines string) string {
	return inService("real_server 192.0.2.11 80 {\n" + lines + "\n}")
}
func inService(lines string) string {
	return "virtual_server 192.0.2.1 80 {\nlb_algo rr\nlb_kind DR\nprotocol TCP\npersistence_timeout 50\n" + lines + "\n}\n"
}
func inPlain(lines string) string { return inService(lines + "\nreal_server 192.0.2.11 80 {\n}") }
func inCheck(kind, lines string) string {
	return inServer(kind + " {\n" + lines + "\n}")
}
func inURL(lines string) string { return inCheck("HTTP_GET", "url {\npath /\n"+lines+"\n}") }

// each makes a sentence of each line of the list, with the same text around it.
func each(around func(string) string, where string, lines ...string) (all []sentence) {
	for _, l := range lines {
		all = append(all, sentence{strings.ReplaceAll(l, "\n", "; ") + ", in " + where, around(l)})
	}
	return all
}

func checkOf(kind string) func(string) string {
	return func(lines string) string { return inCheck(kind, lines) }
}

func sentences() []sentence {
	verbatim := func(s string) string { return s }
	all := slices.Concat(
		each(inPlain, "a virtual_server",
			"lb_algo wrr", "lvs_sched wlc", "lb_algo lblcr", "lb_algo RR", "lb_algo nosuch", "lb_algo", "lb_kind dr", "lb_kind XYZ", "lvs_method DR",
			"lb_kind NAT", "lb_kind TUN", "lb_kind NAT x", "lb_kind DR x", "lb_kind DR type ipip", "lb_kind DR csum", "lb_kind NAT type gue", "lb_kind TUN type ipip", "lb_kind TUN type ipip nocsum", "lb_kind TUN type ipip csum", "lb_kind TUN type ipip port 5", "lb_kind TUN type gue", "lb_kind TUN type gue port 6080", "lb_kind TUN type gue port 0", "lb_kind TUN type gue port 65536", "lb_kind TUN type gue port x", "lb_kind TUN type gue port", "lb_kind TUN type gue port 6080 csum", "lb_kind TUN type gue remcsum port 6080", "lb_kind TUN type gre", "lb_kind TUN type gre csum", "lb_kind TUN type gre csum nocsum", "lb_kind TUN type gre remcsum", "lb_kind TUN type gre port 5", "lb_kind TUN type", "lb_kind TUN gre", "lb_kind TUN type vxlan", "lb_kind TUN csum", "lb_kind TUN port 6", "lb_kind TUN type gre type ipip", "lb_kind TUN x type gre",
			"protocol tcp", "protocol SCTP", "protocol XYZ", "protocol", "delay_loop 6", "delay_loop 0.5", "delay_loop 0", "delay_loop -1", "delay_loop abc", "delay_loop",
			"connect_timeout 3", "connect_timeout 0", "retry 3", "retry 0", "retry x", "delay_before_retry 2", "warmup 0", "warmup 5", "warmup",
			"persistence_timeout 360", "persistence_timeout 2678401", "persistence_timeout x", "persistence_granularity 255.255.255.0", "persistence_granularity 255.0.255.0",
			"persistence_granularity 24", "persistence_granularity x", "persistence_engine sip", "persistence_engine nosuch", "ops", "flag-1", "flag-1\nflag-2\nflag-3", "hashed",
			"sh-port", "lb_algo sh\nsh-port\nsh-fallback", "mh-port", "lb_algo mh\nmh-port\nmh-fallback", "ha_suspend", "alpha", "omega", "alpha off",
			"quorum 1", "quorum 0", "quorum 99", "quorum -1", "hysteresis 0", "hysteresis 5", "hysteresis -1", "quorum 1\nhysteresis 1", "weight 5", "weight 0", "weight 2147483648",
			"sorry_server 192.0.2.99 80", "sorry_server 192.0.2.99", "sorry_server", "sorry_server x 80", "sorry_server 192.0.2.99 80\nsorry_server_inhibit", "sorry_server_inhibit",
			"sorry_server_lvs_method DR", "sorry_server 192.0.2.99 81\nsorry_server_lvs_method NAT", "sorry_server 192.0.2.99 80\nsorry_server_lvs_method TUN type gre csum", "sorry_server 192.0.2.99 80\nsorry_server_lvs_method TUN type gue",
			"sorry_server 2001:db8::99 80", "sorry_server 2001:db8::99 80\nsorry_server_lvs_method TUN", "sorry_server 192.0.2.99 81", "lb_kind NAT\nsorry_server 192.0.2.99 81", "inhibit_on_failure", "virtualhost www.example.org", "virtualhost", "smtp_alert", "smtp_alert off", "smtp_alert maybe", "snmp_name web",
			"ip_family inet", "ip_family inet6", "ip_family x", "nosuch 5", "nb_sock_retry 3", "quorum_up /usr/bin/nosuch", "quorum_down"),
		each(inServer, "a real_server",
			"weight 0", "weight 65536", "weight -1", "weight", "weight x", "uthreshold 5", "uthreshold 5\nlthreshold 3", "uthreshold -1", "uthreshold", "lthreshold x",
			"inhibit_on_failure", "inhibit_on_failure off", "inhibit_on_failure maybe", "alpha", "alpha no", "alpha maybe", "retry 2", "delay_before_retry 1", "warmup 1", "connect_timeout 4",
			"delay_loop 5", "smtp_alert", "virtualhost a.example", "snmp_name x", "lvs_method DR", "lvs_method NAT", "lvs_method TUN type gue port 6080 csum", "lvs_method TUN type gue", "lvs_method nat", "lb_kind DR", "nosuch", "notify_up", "notify_down /usr/bin/nosuch", "quorum 2"),
		each(checkOf("TCP_CHECK"), "a TCP_CHECK",
			"", "connect_ip 192.0.2.12", "connect_ip x", "connect_ip", "connect_port 81", "connect_port 0", "connect_port 65536", "connect_port", "bindto 192.0.2.5", "bindto x", "bindto 192.0.2.5 4000",
			"bind_port 4000", "bind_port 65536", "bind_if lo", "bind_if nosuch0", "fwmark 7", "fwmark x", "connect_timeout 3", "connect_timeout x", "retry 0", "retry -1", "delay_before_retry 1",
			"warmup 0", "delay_loop 3", "alpha", "log_all_failures", "log_all_failures maybe", "url {\npath /\n}", "nosuch"),
		each(inURL, "a url of HTTP_GET",
			"", "path /other", "digest 640205b7b0fc66c1ea91c463fac6334d", "digest 640205b7b0fc66c1ea91c463fac6334d\ndigest 640205b7b0fc66c1ea91c463fac6334d",
			"digest 640205b7b0fc66c1ea91c463fac6334d\ndigest abc", "digest abc", "digest", `digest ""`, "digest 640205b7b0fc66c1ea91c463fac6334z",
			"status_code 200", "status_code 200-299 404", "status_code 99", "status_code 299-200", "status_code", "virtualhost a.example", "regex a", "regex", "regex_no_match", "regex_options caseless",
			"regex_min_offset 2", "regex_max_offset 1", "regex_stack 1 2", "tls_compliant", "nosuch"),
		each(checkOf("SSL_GET"), "an SSL_GET",
			"url {\npath /\n}\nenable_sni", "url {\npath /\n}\nfast_recovery", "url {\npath /\n}\nfast_recovery maybe", "url {\npath /\n}\nhttp_protocol 1.1", "url {\npath /\n}\nhttp_protocol 1.0C",
			"url {\npath /\n}\nhttp_protocol 3", "url {\npath /\n}\nvirtualhost b.example", "url {\npath /\n}\nnb_get_retry 3"),
		each(checkOf("SMTP_CHECK"), "an SMTP_CHECK", "", "helo_name lb.example", "helo_name", "host {\nconnect_ip 192.0.2.12\n}", "connect_port 25\nretry 2"),
		each(checkOf("DNS_CHECK"), "a DNS_CHECK", "", "type A", "type a", "type NOSUCH", "type", "name example.org", "name", "retry 2"),
		each(checkOf("UDP_CHECK"), "a UDP_CHECK", "", "payload 01ab", "payload 01a", "payload xy", "require_reply", "require_reply 01xx", "min_reply_length 3", "min_reply_length x", "max_reply_length 65536"),
		each(inGlobal, "global_defs",
			"router_id lb1", "router_id", `router_id ""`, "notification_email {\nops@example.org\n}", "notification_email_from lb@example.org", "smtp_server 192.0.2.25", "smtp_server 192.0.2.25 2525",
			"smtp_server", "smtp_helo_name lb1", "smtp_connect_timeout 30", "smtp_alert", "smtp_alert_checker off", "smtp_alert_vrrp maybe", "lvs_sync_daemon lo", "lvs_sync_daemon",
			"lvs_timeouts tcp 900 tcpfin 120 udp 300", "lvs_timeouts tcp x", "lvs_timeouts", "lvs_flush", "lvs_flush_on_stop VS", "checker_log_all_failures", "checker_log_all_failures maybe",
			"rs_init_notifies", "no_checker_emails", "script_user root", "script_user nosuchuser", "enable_script_security", "lvs_notify_fifo /run/nosuch.fifo", "notify_fifo", "vrrp_mcast_group4 224.0.0.18",
			"vrrp_version 3", "vrrp_version 9", "vrrp_garp_master_delay 5", "vrrp_garp_master_repeat x", "vrrp_min_garp", "vrrp_garp_interval 0.1", "vrrp_strict", "vrrp_skip_check_adv_addr",
			"vrrp_startup_delay 3", "checker_priority -5", "checker_rt_priority 5", "checker_cpu_affinity 0", "nosuch_word 1"),
		each(verbatim, "the file",
			"", "! a comment alone\n# and another\n", inServer("weight 1")+"}\n", strings.TrimSuffix(inServer("weight 1"), "}\n"), "virtual_server 192.0.2.1 80\n",
			"virtual_server 192.0.2.1 99999 {\n}\n", "virtual_server x 80 {\n}\n", "virtual_server 192.0.2.1 80 {\nprotocol TCP\n}\n", "nosuch {\n}\n", "SSL {\npassword a\n}\n"+inServer(""),
			"virtual_server_group g {\n192.0.2.1 80\n192.0.2.2-4 80\n}\nvirtual_server group g {\nlb_algo rr\nlb_kind DR\nprotocol TCP\nreal_server 192.0.2.11 80 {\n}\n}\n",
			"$A=192.0.2.11\n"+strings.ReplaceAll(inServer("weight 1"), "192.0.2.11", "$A"),
			inServer("weight 1")+inServer("weight 2"), inService("real_server 192.0.2.11 80 {\n}\nreal_server 192.0.2.11 80 {\n}"), inService("real_server 192.0.2.11 81 {\n}"),
			inService("lb_kind NAT\nreal_server 192.0.2.11 81 {\n}"), inService("lb_kind NAT\nreal_server 192.0.2.11 {\n}"), inService("lb_kind NAT\nreal_server 192.0.2.11 81 {\n}\nreal_server 192.0.2.11 82 {\n}"),
			inService("real_server 192.0.2.11 81 {\nlvs_method NAT\n}"), inService("real_server 192.0.2.11 81 {\nlvs_method TUN\n}"), inService("real_server 2001:db8::2 80 {\nlvs_method TUN\n}"),
			inService("real_server 2001:db8::2 80 {\n}"), inService("lb_kind TUN\nreal_server 2001:db8::2 80 {\n}"), "virtual_server fwmark 3 {\nlb_algo rr\nlb_kind NAT\nreal_server 192.0.2.11 81 {\n}\n}\n",
			"virtual_server fwmark 3 {\nlb_algo rr\nlb_kind TUN\nreal_server 192.0.2.11 81 {\n}\nreal_server 2001:db8::2 {\n}\n}\n",
			inService("real_server 192.0.2.11 80 \"{\"\nweight 1\n}"), inService("real_server 192.0.2.11 80\nweight 1\n}"), inServer("TCP_CHECK { connect_timeout 3 }"), inServer("TCP_CHECK {}"),
			inService("real_server 192.0.2.11 80{\n}"), inServer("TCP_CHECK {\n} weight 1"), inService("real_server x 80 {\nweight\n}"),
			"virtual_server x 80 {\nprotocol\n}\n"+inServer(""), "virtual_server 192.0.2.1 \"{\" {\n}\n",
			"virtual_server 192.0.2.1 80\ndelay_loop\n}\n"+inServer(""), inServer("HTTP_GET\nurl\npath\n}"), inServer("TCP_CHECK\nconnect_timeout\n}"),
			"global_defs\nrouter_id\n}\n"+inServer(""), "virtual_server 192.0.2.1 80\nreal_server 192.0.2.11 80\nTCP_CHECK\nconnect_port\n}\n}\n}\n"),
	)
	return append(all,
		sentence{"a group that is not there", "virtual_server group nosuch {\nlb_algo rr\nlb_kind DR\nprotocol TCP\nreal_server 192.0.2.11 80 {\n}\n}\n"},
		sentence{"real_server without a port", inService("real_server 192.0.2.11 \"\" {\n}")},
		sentence{"a service whose servers weigh nothing", inService("real_server 192.0.2.11 80 {\nweight 0\n}\nreal_server 192.0.2.12 80 {\nweight 0\n}")},
		sentence{"an empty number is 0", inPlain("hysteresis \"\"") + inServer("uthreshold \" 5\"\nlthreshold \"\"")},
		sentence{"a quoted brace for a port", inService("real_server 192.0.2.11 \"{\" {\n}")},
	)
}

// differs are the sentences about which keepalived says something else on purpose,
// with its exit code and the reason; docs/configuration.md has the reasons.
var differs = map[string]struct {
	keepalived int
	reason     string
}{
	"persistence_granularity 24, in a virtual_server": {0, "keepalived takes the mask 0.0.0.24, and 255.255.255.0 is meant"},
	"tls_compliant, in a url of HTTP_GET":             {5, "2.2.7 does not know the word, 2.4 does"},
	`real_server without a port`:                      {0, "an empty port would be another than the service's"},
	"a group that is not there":                       {0, "the service would have no address"},
}

// keepalivedSays is the exit code of keepalived -t for a file, -1 for a crash.
func keepalivedSays(t *testing.T, path, name string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, "-t", "-f", name)
	cmd.Stdout, cmd.Stderr = &out, &out
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// The keepalived that is installed is the judge: its -t exits as ours does for each
// sentence, or the table above says why not.
func TestKeepalivedItselfJudgesAlike(t *testing.T) {
	path, err := exec.LookPath("keepalived")
	if err != nil {
		t.Fatal("needs keepalived: apt-get install keepalived")
	}
	all := sentences()
	if len(all) < 60 {
		t.Errorf("only %d sentences", len(all))
	}
	seen := map[string]bool{}
	var mu sync.Mutex // guards seen
	t.Run("sentences", func(t *testing.T) {
		dir := t.TempDir() // keepalived takes braces in the name of a file as a pattern
		for i, s := range all {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				name := filepath.Join(dir, fmt.Sprint(i))
				if err := os.WriteFile(name, []byte(s.text), 0o600); err != nil {
					t.Fatal(err)
				}
				theirs, said := keepalivedSays(t, path, name)
				_, ds, err := Load(name, Options{IPv6: true})
				if err != nil {
					t.Fatal(err)
				}
				ours := ds.ExitCode()
				d, ok := differs[s.name]
				mu.Lock()
				seen[s.name] = true
				mu.Unlock()
				switch {
				case ok && theirs != d.keepalived:
					t.Errorf("keepalived exits with %d, not %d as noted (%s): %s", theirs, d.keepalived, d.reason, said)
				case ok && ours == theirs:
					t.Errorf("both exit with %d: it does not differ any more (%s)", ours, d.reason)
				case !ok && ours != theirs:
					t.Errorf("exit code %d, keepalived %d\n%s\nreports: %v\nkeepalived: %s", ours, theirs, s.text, ds, said)
				}
			})
		}
	})
	for name := range differs {
		if !seen[name] {
			t.Errorf("there is no sentence %q", name)
		}
	}
}
