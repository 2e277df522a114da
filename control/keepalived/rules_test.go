package keepalived

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/dataplane/frame"
)

// load reads text as the file "f".
func load(t *testing.T, text string, change func(*Options)) (*Config, Diagnostics) {
	t.Helper()
	o := testOptions(text)
	if change != nil {
		change(&o)
	}
	c, ds, err := Load("f", o)
	checkDiagnostics(t, ds, err)
	if err != nil {
		t.Fatal(err)
	}
	return c, ds
}

func TestMinimalServiceLoadsAsItStands(t *testing.T) {
	c, ds, err := Load("testdata/minimal.conf", Options{})
	if err != nil || ds.ExitCode() != ExitOK {
		t.Fatal(ds, err)
	}
	want := &Config{
		Global: Global{DRCheck: true},
		VirtualServers: []*VirtualServer{{
			Addr: netip.MustParseAddr("192.168.1.100"), Port: 8080, Protocol: frame.ProtoTCP, Scheduler: "wrr",
			Persistence: Persistence{Timeout: 120, FromDefault: true},
			Timing:      Timing{DelayLoop: 6 * time.Second, ConnectTimeout: 5 * time.Second, Retry: 1, DelayBeforeRetry: time.Second, Warmup: 6 * time.Second, Rise: 1},
			Weight:      1, Quorum: 1, Pos: Pos{"testdata/minimal.conf", 1},
		}},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v, want %+v", c.VirtualServers[0], want.VirtualServers[0])
	}
}

// The reference configuration shows every word that is used now, and says
// nothing that is reported above a Note.
func TestReferenceConfiguration(t *testing.T) {
	_, ds, err := Load("testdata/reference.conf", Options{})
	if err != nil || ds.Max() > Note {
		t.Fatal(ds, err)
	}
	nodes, _, err := Parse("testdata/reference.conf", Options{})
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	var collect func([]*Node, string)
	collect = func(nodes []*Node, in string) {
		for _, n := range nodes {
			shown[in+" "+n.Keyword] = true
			collect(n.Children, n.Keyword)
		}
	}
	root := grammar()
	collect(nodes, root.name)
	var check func(*block)
	check = func(b *block) {
		for _, w := range b.words {
			if w.status != used {
				continue
			}
			if !shown[b.name+" "+w.name] {
				t.Errorf("%s is not shown in %s", w.name, b.name)
			}
			if w.block != nil {
				check(w.block)
			}
		}
	}
	check(root)
}

// The table itself: no word twice in a block, and every word that is used is
// read by something.
func TestGrammar(t *testing.T) {
	var check func(*block, int)
	check = func(b *block, depth int) {
		seen := map[string]bool{}
		for _, w := range b.words {
			if seen[w.name] {
				t.Errorf("%s is twice in %s", w.name, b.name)
			}
			seen[w.name] = true
			if w.status == used && w.set == nil && w.block == nil {
				t.Errorf("nothing reads %s in %s", w.name, b.name)
			}
			if w.max < w.min {
				t.Errorf("%s in %s takes %d to %d arguments", w.name, b.name, w.min, w.max)
			}
			if w.block != nil {
				check(w.block, depth+1)
			}
		}
		if depth > 4 {
			t.Errorf("%s is %d blocks deep", b.name, depth)
		}
	}
	check(grammar(), 0)
}

// Every word at its own place has a value with which it is accepted, and with
// that it is reported at most once, however often it is written.
func TestEveryWordIsAcceptedAndReportedOnce(t *testing.T) {
	values := []string{" a b", " 7", " 2", " on", "", " 10.0.0.1", " 224.0.0.1", " ff02::12", " root", " VS", " BACKUP", " allow_if_changes", " a", " 1000"}
	check := func(in string, w word, around string) {
		t.Helper()
		want := Note
		if w.status == refused {
			want = Warning
		}
		for _, v := range values {
			line := w.name + v + "\n"
			if w.block != nil {
				line = w.name + " {\n}\n"
				if w.block.data {
					line = w.name + " {\n10.0.0.1 dev eth0 \n}\n"
				}
			}
			_, ds := load(t, fmt.Sprintf(around, line+line), nil)
			about := slices.DeleteFunc(ds, func(d Diagnostic) bool { return d.Keyword != w.name })
			if len(about) == 0 || len(about) == 1 && about[0].Severity == want {
				return
			}
		}
		t.Errorf("%s: no value of %s is accepted", in, w.name)
	}
	for _, top := range grammar().words {
		if top.status == used || top.block == nil || top.block.data {
			continue
		}
		for _, w := range top.block.words {
			check(top.name, w, top.name+" x {\n%s}\n")
		}
	}
	for _, w := range unusedGlobals() {
		check("global_defs", w, "global_defs {\n%s}\n")
	}
}

// service is a service with more lines in it.
func service(more string) string {
	return "virtual_server 10.0.0.1 80 {\nlb_algo rr\nlb_kind DR\nprotocol TCP\npersistence_timeout 0\n" + more + "\n}\n"
}

func TestRules(t *testing.T) {
	const rs = "real_server 10.0.0.2 80 {\n}\n"
	tests := []struct {
		name, in string
		exit     int
		report   string // begins one of the reports; "" when there is no report above a Note
		services int    // that are loaded
		servers  int    // of the first
	}{
		{"a service with a server", service(rs), 0, "", 1, 1},
		{"protocol missing is UDP", "virtual_server 10.0.0.1 80 {\nlb_algo rr\nlb_kind DR\n}", 5, "f:1: error: virtual_server: [10.0.0.1]:udp:80: protocol is missing", 1, 0},
		{"protocol unknown", service("protocol ICMP"), 5, `f:6: error: protocol: "ICMP" is neither`, 1, 0},
		{"protocol SCTP", service("protocol SCTP"), 0, "", 1, 0},
		{"protocol in lower case", service("protocol udp"), 0, "", 1, 0},
		{"scheduler missing is wlc", "virtual_server 10.0.0.1 80 {\nlb_kind DR\nprotocol TCP\n}", 5, "f:1: error: virtual_server: [10.0.0.1]:tcp:80: lb_algo is missing; wlc is used", 1, 0},
		{"scheduler unknown is wlc", service("lb_algo wlcc"), 5, `f:6: error: lb_algo: "wlcc" is no scheduler, did you mean wlc?; wlc is used`, 1, 0},
		{"scheduler in upper case", service("lb_algo RR"), 5, `f:6: error: lb_algo: "RR" is no scheduler, did you mean rr?`, 1, 0},
		{"forwarding missing is NAT", "virtual_server 10.0.0.1 80 {\nlb_algo rr\nprotocol TCP\n}", 5, "f:1: error: virtual_server: [10.0.0.1]:tcp:80: lb_kind is missing; NAT is used: add `lb_kind DR` if that is meant", 1, 0},
		{"forwarding NAT", service("lb_kind NAT\n" + rs), 0, "", 1, 1},
		{"forwarding NAT to other ports", service("lb_kind NAT\nreal_server 10.0.0.2 8080 {\n}\nreal_server 10.0.0.2 8081 {\n}"), 0, "", 1, 2},
		{"a server twice with NAT", service("lb_kind NAT\nreal_server 10.0.0.2 8080 {\n}\nreal_server 10.0.0.2 8080 {\n}"), 5, "f:9: warning: real_server: [10.0.0.2]:tcp:8080 is there twice", 1, 1},
		{"a server twice, once by NAT without a port", service("real_server 10.0.0.2 80 {\n}\nreal_server 10.0.0.2 {\nlvs_method NAT\n}"), 5, "f:8: warning: real_server: [10.0.0.2]:tcp:80 is there twice", 1, 1},
		{"the same service twice with other ports of a server", service("lb_kind NAT\nreal_server 10.0.0.2 8080 {\n}") + service("lb_kind NAT\nreal_server 10.0.0.2 8081 {\n}"), 0, "f:10: note: virtual_server: [10.0.0.1]:tcp:80 is defined already", 1, 2},
		{"forwarding TUN with options", service("lvs_method TUN type gue port 6080\n" + rs), 0, "", 1, 1},
		{"forwarding TUN to another port", service("lb_kind TUN\nreal_server 10.0.0.2 81 {\n}"), 5, "f:7: warning: real_server: [10.0.0.2]:tcp:81: with TUN a real server has the port of its service; port 80", 1, 1},
		{"forwarding TUN wrong", service("lvs_method TUN type gue"), 5, "f:6: error: lvs_method: a gue tunnel needs its port: write type gue port 6080; the service [10.0.0.1]:tcp:80 is left out", 0, 0},
		{"the words of a tunnel behind DR", service("lb_kind DR type gre csum\n" + rs), 0, "", 1, 1},
		{"forwarding in lower case", service("lb_kind dr"), 5, `f:6: error: lb_kind: "dr" is no forwarding method, upper and lower case count: write DR; the service`, 0, 0},
		{"IPv6", strings.Replace(service(""), "10.0.0.1", "2001:db8::1", 1), 5, "f:1: error: virtual_server: IPv6 is not supported yet; the service [2001:db8::1] is left out", 0, 0},
		{"no address", "virtual_server example.org 80 {\n}", 5, `f:1: error: virtual_server: "example.org" is not an IP address`, 0, 0},
		{"address of many", "virtual_server 224.0.0.1 80 {\n}", 5, "f:1: error: virtual_server: 224.0.0.1 is not the address of one host", 0, 0},
		{"port out of range", "virtual_server 10.0.0.1 65536 {\n}", 5, "f:1: error: virtual_server: port: 65536 is not between 0 and 65535", 0, 0},
		{"port by name", "virtual_server 10.0.0.1 http {\n}", 5, `f:1: error: virtual_server: port: "http" is not a whole number`, 0, 0},
		{"the same service twice is one", service(rs) + service("real_server 10.0.0.3 80 {\n}"), 0, "f:10: note: virtual_server: [10.0.0.1]:tcp:80 is defined already at f:1: the real servers of this block join those there", 1, 2},
		{"the same service twice with the same server", service(rs) + service(rs), 0, "f:15: note: real_server: [10.0.0.2]:tcp:80 is in the service at f:1 already; this one is left out", 1, 1},
		{"the same service a second time without servers", service(rs) + service(""), 0, "f:10: note: virtual_server: [10.0.0.1]:tcp:80 is defined already at f:1", 1, 1},
		{"the same service after one that was left out", service("lb_kind XYZ") + service(rs), 5, "f:6: error: lb_kind", 1, 1},
		{"the same address with another protocol", service(rs) + service("protocol UDP"), 0, "", 2, 1},
		{"server on another port", service("real_server 10.0.0.2 8080 {\n}"), 5, "f:6: warning: real_server: [10.0.0.2]:tcp:8080: with DR a real server has the port of its service; port 80", 1, 1},
		{"server without a port", service("real_server 10.0.0.2 {\n}"), 0, "", 1, 1},
		{"server twice", service(rs + rs), 5, "f:8: warning: real_server: [10.0.0.2]:tcp:80 is there twice", 1, 1},
		{"server twice after its port is corrected", service(rs + "real_server 10.0.0.2 81 {\n}"), 5, "f:8: warning: real_server: [10.0.0.2]:tcp:80 is there twice", 1, 1},
		{"server of another family", service("real_server 2001:db8::2 80 {\n}"), 5, "f:6: error: real_server: [2001:db8::2] is of another address family", 1, 0},
		{"server of another family by tunnel", service("real_server 2001:db8::2 80 {\nlvs_method TUN\n}"), 0, "", 1, 1},
		{"server of another family by the service's tunnel", service("lb_kind TUN\nreal_server 2001:db8::2 80 {\n}"), 0, "", 1, 1},
		{"server of another family by NAT", service("lb_kind TUN\nreal_server 2001:db8::2 80 {\nlvs_method NAT\n}"), 5, "f:7: error: real_server: [2001:db8::2] is of another address family than its service [10.0.0.1], which only lvs_method TUN allows", 1, 0},
		{"server with NAT", service("real_server 10.0.0.2 8080 {\nlvs_method NAT\n}"), 0, "", 1, 1},
		{"server with a wrong method", service("real_server 10.0.0.2 80 {\nlvs_method TUN gre\n}"), 5, `f:7: error: lvs_method: "gre" is not understood: a tunnel has type, port, nocsum, csum and remcsum; the real server [10.0.0.2]:tcp:80 is left out`, 1, 0},
		{"lb_kind in a server", service("real_server 10.0.0.2 80 {\nlb_kind DR\n}"), 5, "f:7: error: lb_kind: belongs in virtual_server, not in real_server", 1, 1},
		{"thresholds the wrong way round", service("real_server 10.0.0.2 80 {\nuthreshold 1\nlthreshold 2\n}" + rs), 5, "f:6: error: real_server: lthreshold 2 is greater than uthreshold 1", 1, 0},
		{"weight of a server out of range", service("real_server 10.0.0.2 80 {\nweight 2147483648\n}"), 5, "f:7: error: weight: 2147483648 is not between 0 and 2147483647", 1, 1},
		{"a weight with a sign", service("real_server 10.0.0.2 80 {\nweight +3\n}"), 0, "", 1, 1},
		{"a name that is missing", service("virtualhost\n" + rs), 5, "f:6: warning: virtualhost: a value is missing, and keepalived leaves the line out", 1, 1},
		{"an alert that is neither on nor off", service("smtp_alert maybe\n" + rs), 5, `f:6: error: smtp_alert: "maybe" is neither on`, 1, 1},
		{"negative weight", service("real_server 10.0.0.2 80 {\nweight -1\n}"), 5, "f:7: error: weight: -1 is not between 0 and 2147483647", 1, 1},
		{"weight 0 of a service", service("weight 0"), 5, "f:6: error: weight: 0 is not between 1 and", 1, 0},
		{"ops", service("protocol UDP\nops"), 0, "", 1, 0},
		{"ops without UDP", service("ops"), 5, "f:1: warning: virtual_server: [10.0.0.1]:tcp:80: ops is only for UDP", 1, 0},
		{"a scheduler's flag before the scheduler", service("sh-port"), 5, `f:6: error: sh-port: needs "lb_algo sh" before it`, 1, 0},
		{"a scheduler's flag", service("lb_algo sh\nsh-port\nsh-fallback"), 0, "", 1, 0},
		{"quorum out of reach", service(rs + "quorum 2"), 5, "f:8: warning: quorum: [10.0.0.1]:tcp:80: 2 is more than all weights together; it is 1", 1, 1},
		{"hysteresis not less than the quorum", service(rs + "hysteresis 1"), 5, "f:8: warning: hysteresis: [10.0.0.1]:tcp:80: 1 is not less than the quorum; it is 0", 1, 1},
		{"check on every port", "virtual_server 10.0.0.1 {\nlb_algo rr\nlb_kind DR\nprotocol TCP\npersistence_timeout 9\nreal_server 10.0.0.2 {\nTCP_CHECK {\n}\n}\n}", 5, "f:7: error: TCP_CHECK: the service has no port, so connect_port is needed", 1, 0},
		{"check from another family", service("real_server 10.0.0.2 80 {\nTCP_CHECK {\nbindto 2001:db8::1\n}\n}"), 5, "f:7: error: TCP_CHECK: bindto 2001:db8::1 and connect_ip 10.0.0.2 are of different", 1, 1},
		{"a value too many", service("delay_loop 6 lb_algo rr"), 0, `f:6: note: delay_loop: "lb_algo" and what follows in the line is left out; write one keyword a line`, 1, 0},
		{"a value too few", service("delay_loop"), 2, "f:6: error: delay_loop: a value is missing", 1, 0},
		{"a block where none is", service("delay_loop 6 {\n}"), 5, "f:6: error: delay_loop: takes no block", 1, 0},
		{"no block where one is", service("real_server 10.0.0.2 80"), 5, "f:6: error: real_server: a block in", 1, 1},
		{"a typing error", service("real_server 10.0.0.2 80 {\nwieght 1\n}"), 5, "f:7: error: wieght: unknown word in real_server; did you mean weight?", 1, 1},
		{"a word from nowhere", service("frobnicate"), 5, "f:6: error: frobnicate: unknown word in virtual_server; the line is left out", 1, 0},
		{"a word of another block", "vrrp_instance V {\nreal_server 1 2\n}", 5, "f:2: error: real_server: belongs in virtual_server, not in vrrp_instance", 0, 0},
		{"a block from nowhere is left out whole", "frob {\nlb_algo rr\n}", 5, "f:1: error: frob: unknown word", 0, 0},
		{"a timeout by another name", "global_defs {\nlvs_timeouts tcp 5 icmp 6\n}", 5, `f:2: error: lvs_timeouts: "icmp" is neither`, 0, 0},
		{"a timeout without a value", "global_defs {\nlvs_timeouts tcp\n}", 5, "f:2: error: lvs_timeouts: the value of tcp is missing", 0, 0},
		{"a timeout of 0", "global_defs {\nlvs_timeouts tcp 0\n}", 0, "", 0, 0},
		{"a sorry server on another port", service(rs + "sorry_server 10.0.0.9 81"), 5, "f:8: warning: sorry_server: with DR a sorry server has the port of its service; port 80 is used instead of 81", 1, 1},
		{"a sorry server without a port", service(rs + "sorry_server 10.0.0.9"), 0, "", 1, 1},
		{"sorry_server_inhibit before the sorry server", service(rs + "sorry_server_inhibit\nsorry_server 10.0.0.9"), 5, "f:8: error: sorry_server_inhibit: needs a sorry_server before it", 1, 1},
		{"a sorry server by Direct Routing", service(rs + "sorry_server 10.0.0.9\nsorry_server_lvs_method DR"), 0, "", 1, 1},
		{"a sorry server by another method", service(rs + "sorry_server 10.0.0.9 8080\nsorry_server_lvs_method NAT"), 0, "", 1, 1},
		{"a sorry server by no method", service(rs + "sorry_server 10.0.0.9\nsorry_server_lvs_method nat"), 5, `f:9: error: sorry_server_lvs_method: "nat" is no forwarding method, upper and lower case count: write NAT; the sorry server of [10.0.0.1]:tcp:80 is left out`, 1, 1},
		{"a sorry server of another family", service(rs + "sorry_server 2001:db8::9 80"), 5, "f:8: error: sorry_server: [2001:db8::9] is of another address family than its service, which only TUN allows; the sorry server", 1, 1},
		{"a sorry server of another family by tunnel", service(rs + "sorry_server 2001:db8::9 80\nsorry_server_lvs_method TUN type gre csum"), 0, "", 1, 1},
		{"a method of no sorry server", service(rs + "sorry_server_lvs_method DR"), 5, "f:8: error: sorry_server_lvs_method: needs a sorry_server before it", 1, 1},
		{"a command without a program", service(rs + "quorum_up \"\""), 5, "f:8: error: quorum_up: names no program", 1, 1},
		{"a command of a real server and its user", service("real_server 10.0.0.2 80 {\nnotify_up /bin/a nobody :users\nnotify_down \"/bin/b x\"\n}"), 0, "", 1, 1},
		{"a FIFO that is not named from the root", "global_defs {\nnotify_fifo fifo\n}\n" + service(rs), 5, "f:2: error: notify_fifo: fifo is not the path of a file from the root", 1, 1},
		{"a prefix length behind any address", service("sorry_server 10.0.0.9/32\nreal_server 10.0.0.2/24 80 {\nTCP_CHECK {\nconnect_ip 10.0.0.3/x\nbindto 10.0.0.4/8\n}\n}"), 0, "f:9: note: connect_ip: the prefix length /x of 10.0.0.3 is left out", 1, 1},
		{"a value behind a switch of a service", service("inhibit_on_failure no\nalpha off\n" + rs), 0, `f:6: note: inhibit_on_failure: is on: "no" is left out`, 1, 1},
		{"a value behind a switch of a server", service("real_server 10.0.0.2 80 {\nalpha 1\n}"), 5, `f:7: error: alpha: "1" is neither on`, 1, 1},
		{"apostrophes around values of fixed form", service("weight '3'\nreal_server '10.0.0.2' '80' {\n}"), 0, "f:6: note: weight: '3' is read as 3; keepalived takes the apostrophes as a part of it", 1, 1},
		{"apostrophes around a part", service("weight '3"), 5, `f:6: error: weight: "'3" is not a whole number`, 1, 0},
		{"a word that only old releases have", service("nat_mask 255.0.0.0\n" + rs), 5, "f:6: warning: nat_mask: keepalived does not know the word here, and it has no effect; the line should go", 1, 1},
		{"a word that only old releases have, misspelt", service("nat_maks 255.0.0.0\n" + rs), 5, "f:6: error: nat_maks: unknown word in virtual_server; the line should go", 1, 1},
		{"the old word for retry in HTTP_GET", service("real_server 10.0.0.2 80 {\nHTTP_GET {\nurl {\npath /\n}\nnb_get_retry 3\n}\n}"), 5, "f:11: warning: nb_get_retry: is the word of old releases: write `retry 3`", 1, 1},
		{"a url without a path", service("real_server 10.0.0.2 80 {\nSSL_GET {\nurl {\nstatus_code 200\n}\n}\n}"), 5, "f:7: error: SSL_GET: needs a url { path ... }", 1, 1},
		{"a status code that is none", service("real_server 10.0.0.2 80 {\nHTTP_GET {\nurl {\npath /\nstatus_code 200 299-200\n}\n}\n}"), 5, `f:10: error: status_code: "299-200" is no status code`, 1, 1},
		{"a digest that is none", service("real_server 10.0.0.2 80 {\nHTTP_GET {\nurl {\npath /\ndigest abc\n}\n}\n}"), 5, `f:10: error: digest: "abc" is not 32 hexadecimal digits`, 1, 1},
		{"a wrong value in a host", service("real_server 10.0.0.2 80 {\nSMTP_CHECK {\nhost {\nconnect_port x\n}\n}\n}"), 5, `f:9: error: connect_port: "x" is not a whole number`, 1, 1},
		{"MISC_CHECK", service("real_server 10.0.0.2 80 {\nMISC_CHECK {\nmisc_path /nowhere/x\n}\n}"), 0, "", 1, 1},
		{"MISC_CHECK without its command", service("real_server 10.0.0.2 80 {\nMISC_CHECK {\nmisc_path\n}\n}"), 5, "f:7: error: MISC_CHECK: misc_path is missing; the check is left out", 1, 1},
		{"connect_timeout in MISC_CHECK", service("real_server 10.0.0.2 80 {\nMISC_CHECK {\nmisc_path /x\nconnect_timeout 3\n}\n}"), 5, "f:9: error: connect_timeout: belongs in", 1, 1},
		{"a query that is none", service("real_server 10.0.0.2 80 {\nDNS_CHECK {\ntype X\n}\n}"), 5, `f:8: error: type: "X" is none of A, NS`, 1, 1},
		{"a payload that is none", service("real_server 10.0.0.2 80 {\nUDP_CHECK {\npayload 0z\n}\n}"), 5, `f:8: error: payload: "0z" is not hexadecimal`, 1, 1},
		{"a value too few in a word that is not used", service("real_server 10.0.0.2 80 {\nTCP_CHECK {\nbind_if\n}\n}"), 2, "f:8: error: bind_if: a value is missing", 1, 1},
		{"a value too few in global_defs", "global_defs {\nrouter_id\n}", 5, "f:2: error: router_id: a value is missing", 0, 0},
		{"a router that has no number", "vrrp_instance V {\nvirtual_router_id 256\n}", 5, "f:2: warning: virtual_router_id: 256 is not between 1 and 255, and keepalived leaves the line out", 0, 0},
		{"mail to nobody", "global_defs {\nnotification_email {\n}\n}", 5, "f:2: warning: notification_email: has no address in it", 0, 0},
		{"a family that is none", service("ip_family x\n" + rs), 5, `f:6: error: ip_family: "x" is neither inet nor inet6; the line is left out`, 1, 1},
		{"an interval that is none", "vrrp_instance V {\nvirtual_router_id 1\nadvert_int x\n}", 5, `f:3: warning: advert_int: "x" is not a number of seconds`, 0, 0},
		{"a router without a number", "vrrp_instance V {\n}", 5, "f:1: warning: vrrp_instance: has no virtual_router_id", 0, 0},
		{"a router without a name", "vrrp_instance {\nvirtual_router_id 1\n}", 2, "f:1: error: vrrp_instance: a value is missing", 0, 0},
		{"a default that is none", "global_defs {\npersistence_default never\n}", 5, `f:2: error: persistence_default: "never" is not a whole number, and not off`, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, ds := load(t, tt.in, nil)
			if got := ds.ExitCode(); got != tt.exit {
				t.Errorf("exit code %d, want %d", got, tt.exit)
			}
			found := tt.report == "" && ds.Max() == Note
			for _, d := range ds {
				found = found || tt.report != "" && strings.HasPrefix(d.String(), tt.report)
			}
			if !found {
				t.Errorf("reports %v, want %q", ds, tt.report)
			}
			if len(c.VirtualServers) != tt.services || tt.services > 0 && len(c.VirtualServers[0].RealServers) != tt.servers {
				t.Errorf("got\n%swant %d services, %d servers", dumped(t, c), tt.services, tt.servers)
			}
		})
	}
}

func TestPersistence(t *testing.T) {
	const notedBy = "persistence_timeout is absent, so clients stick to one real server for "
	for _, tt := range []struct {
		name, global, port, lines string
		option                    PersistenceDefault
		want                      Persistence
		report                    string // part of one of the reports
		exit                      int
	}{
		{"absent", "", "80", "", PersistenceDefault{}, Persistence{120, true}, notedBy + "120 s", 0},
		{"absent, default off", "off", "80", "", PersistenceDefault{}, Persistence{0, true}, "", 0},
		{"absent, default 0", "0", "80", "", PersistenceDefault{}, Persistence{0, true}, "", 0},
		{"absent, default 50", "50", "80", "", PersistenceDefault{}, Persistence{50, true}, notedBy + "50 s", 0},
		{"absent, an option goes before the file", "50", "80", "", PersistenceDefault{true, 0}, Persistence{0, true}, "", 0},
		{"without a value", "off", "80", "persistence_timeout", PersistenceDefault{}, Persistence{360, false}, "", 0},
		{"a value", "off", "80", "persistence_timeout 7", PersistenceDefault{true, 9}, Persistence{7, false}, "", 0},
		{"off", "50", "80", "persistence_timeout off", PersistenceDefault{}, Persistence{0, false}, "off means that clients do not stick", 0},
		{"0", "50", "80", "persistence_timeout 0", PersistenceDefault{}, Persistence{0, false}, "0 means that clients do not stick", 0},
		{"too long", "off", "80", "persistence_timeout 2678401", PersistenceDefault{}, Persistence{0, true}, "2678401 is not between", 5},
		{"as long as possible", "off", "80", "persistence_timeout 2678400", PersistenceDefault{}, Persistence{2678400, false}, "", 0},
		{"granularity alone", "off", "80", "persistence_granularity 255.255.255.0", PersistenceDefault{}, Persistence{360, false}, "switches persistence on, with 360 s", 0},
		{"granularity with 0", "", "80", "persistence_granularity 255.255.255.0\npersistence_timeout 0", PersistenceDefault{}, Persistence{0, false}, "0 means", 0},
		{"every port, absent", "50", "", "", PersistenceDefault{}, Persistence{360, false}, "a service without a port must be persistent", 5},
		{"every port, 0", "", "", "persistence_timeout 0", PersistenceDefault{}, Persistence{360, false}, "a service without a port must be persistent", 5},
		{"every port, a value", "", "0", "persistence_timeout 5", PersistenceDefault{}, Persistence{5, false}, "", 0},
		{"every port, granularity alone", "", "", "persistence_granularity 255.0.255.0", PersistenceDefault{}, Persistence{360, false}, "switches persistence on", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := "virtual_server 10.0.0.1 " + tt.port + " {\nlb_algo rr\nlb_kind DR\nprotocol TCP\n" + tt.lines + "\nreal_server 10.0.0.2 {\n}\n}\n"
			if tt.global != "" {
				text += "global_defs {\npersistence_default " + tt.global + "\n}\n" // also behind the service
			}
			c, ds := load(t, text, func(o *Options) { o.PersistenceDefault = tt.option })
			if got := c.VirtualServers[0].Persistence; got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if tt.report == "" && len(ds) > 0 || tt.report != "" && (len(ds) == 0 || !strings.Contains(ds[len(ds)-1].Text, tt.report)) {
				t.Errorf("reports %v, want %q", ds, tt.report)
			}
			if ds.ExitCode() != tt.exit {
				t.Errorf("exit code %d, want %d", ds.ExitCode(), tt.exit)
			}
		})
	}
}

func TestOnlyAvailableSchedulersAreServed(t *testing.T) {
	only := func(o *Options) { o.Schedulers = []string{"rr", "wrr"} }
	c, ds := load(t, service("lb_algo fo"), only)
	const want = "f:6: error: lb_algo: scheduler fo is not supported yet; the service [10.0.0.1]:tcp:80 is left out: use one of rr, wrr"
	if len(c.VirtualServers) != 0 || len(ds) == 0 || ds[len(ds)-1].String() != want || !ds[len(ds)-1].LeftOut {
		t.Errorf("%v, %d services", ds, len(c.VirtualServers))
	}
	if c, ds = load(t, service("lb_algo nonsense"), only); len(c.VirtualServers) != 0 {
		t.Errorf("the default scheduler is not available, but served; %v", ds)
	}
	if c, ds = load(t, service(""), only); len(c.VirtualServers) != 1 || ds.ExitCode() != 0 {
		t.Errorf("%v, %d services", ds, len(c.VirtualServers))
	}
}

func TestIPv6WithTheOption(t *testing.T) {
	text := strings.Replace(service("persistence_granularity 64\nreal_server 2001:db8::2 80 {\nTCP_CHECK {\n}\n}"), "10.0.0.1", "2001:db8::1", 1)
	c, ds := load(t, text, func(o *Options) { o.IPv6 = true })
	if ds.ExitCode() != 0 || len(c.VirtualServers) != 1 {
		t.Fatal(ds)
	}
	if v := c.VirtualServers[0]; v.Name() != "[2001:db8::1]:tcp:80" || v.Granularity != netip.MustParseAddr("ffff:ffff:ffff:ffff::") || len(v.RealServers) != 1 {
		t.Errorf("%+v", v)
	}
}

// What is said at one level holds below it, until something else is said.
func TestInheritance(t *testing.T) {
	c, ds := load(t, service(`
		delay_loop 10
		retry 4
		weight 7
		inhibit_on_failure
		alpha
		real_server 10.0.0.2 80 {
			TCP_CHECK {
			}
		}
		real_server 10.0.0.3 80 {
			delay_loop 20
			weight 0
			inhibit_on_failure no
			connect_timeout 0.5
			TCP_CHECK {
				retry 0
				delay_loop 30
				connect_port 81
				connect_ip 10.0.0.9
			}
			TCP_CHECK {
				warmup 0
				alpha off
			}
		}
		connect_timeout 2`), nil)
	if ds.ExitCode() != 0 {
		t.Fatal(ds)
	}
	s := time.Second
	type check struct {
		Timing
		ip   string
		port uint16
	}
	var got []check
	for _, r := range c.VirtualServers[0].RealServers {
		for _, k := range r.Checks {
			got = append(got, check{k.Timing, k.ConnectIP.String(), k.ConnectPort})
		}
	}
	want := []check{
		{Timing{10 * s, 2 * s, 4, s, 10 * s, true, 1}, "10.0.0.2", 80},
		{Timing{30 * s, s / 2, 0, s, 30 * s, true, 1}, "10.0.0.9", 81},
		{Timing{20 * s, s / 2, 4, s, 0, false, 1}, "10.0.0.3", 80},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	a, b := c.VirtualServers[0].RealServers[0], c.VirtualServers[0].RealServers[1]
	if a.Weight != 7 || !a.InhibitOnFailure || b.Weight != 0 || b.InhibitOnFailure {
		t.Errorf("%+v %+v", a, b)
	}
}

// The exit code is that of the gravest kind of report, in keepalived's order.
func TestExitCode(t *testing.T) {
	missing, script, mistake := "real_server 10.0.0.2 80 {\nweight\n}\n", "quorum_up \"/usr/bin/notify up\"\n", "frob\n"
	uncounted := "real_server 10.0.0.3 80 {\nHTTP_GET {\nurl {\npath /\nregex a(\n}\n}\n}\n"
	const secure = "global_defs {\nenable_script_security\nscript_user root\n}\n"
	for _, tt := range []struct {
		name, in string
		want     int
	}{
		{"nothing", "", ExitOK},
		{"a warning that keepalived does not count", service(uncounted), ExitOK},
		{"a mistake", service(mistake), ExitConfig},
		{"a mistake and such a warning", service(mistake + uncounted), ExitConfig},
		{"a script that is there", service(script), ExitSecurity},
		{"a script that is not there", service("quorum_up /usr/bin/another"), ExitOK},
		{"a script that is there, and protection", service(script) + secure, ExitOK},
		{"a script of a router", "vrrp_instance V {\nvirtual_router_id 1\nnotify_master \"/usr/bin/notify m\"\n}", ExitSecurity},
		{"a script that starts with the director", "global_defs {\nstartup_script /usr/bin/notify\n}", ExitSecurity},
		{"a script and a mistake", service(script + mistake), ExitSecurity},
		{"a missing value and all else", service(mistake + script + missing), ExitMissing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, ds := load(t, tt.in, func(o *Options) {
				o.Files.Command = func(name string) bool { return name == "/usr/bin/notify" }
				o.Files.User = isRoot
			})
			if got := ds.ExitCode(); got != tt.want {
				t.Errorf("exit code %d, want %d: %v", got, tt.want, ds)
			}
		})
	}
}
