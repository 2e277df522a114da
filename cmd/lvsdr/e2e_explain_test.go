package main_test

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
)

// explained asks the director itself, over its socket, which the verb does too.
func explained(t *testing.T, d *netlab.Director, client, service string) *api.Explained {
	t.Helper()
	from, err := netip.ParseAddrPort(client)
	if err != nil {
		from = netip.AddrPortFrom(netip.MustParseAddr(client), 0)
	}
	to := netip.MustParseAddrPort(service)
	c := api.NewClient(d.Socket)
	defer c.Close()
	x, err := c.Explain(t.Context(), api.Question{Client: from.Addr(), ClientPort: from.Port(), VIP: to.Addr(), Port: to.Port()})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// explainedByVerb returns the JSON of explain.
func explainedByVerb(t *testing.T, d *netlab.Director, client, service string, more ...string) *api.Explained {
	t.Helper()
	r := verb(t, append([]string{"explain", client, service, "--json", "--socket", d.Socket}, more...)...)
	dec := json.NewDecoder(strings.NewReader(r.stdout))
	dec.DisallowUnknownFields()
	x := &api.Explained{}
	if err := dec.Decode(x); err != nil || r.code != 0 {
		t.Fatalf("exit code %d, %v, stderr %q", r.code, err, r.stderr)
	}
	return x
}

// words wants each of them in what a command says.
func words(t *testing.T, r result, all ...string) {
	t.Helper()
	for _, s := range all {
		if !strings.Contains(r.stdout, s) {
			t.Errorf("it does not say %q:\n%s%s", s, r.stdout, r.stderr)
		}
	}
	if r.code != 0 {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
}

// What explain says of a new connection is what the next one meets, again and
// again; and asking changes nothing.
func TestExplainForetellsTheNextConnection(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(3, 2, 1)})
	d := direct(t, lab, lab.Config(rotating()))
	names := map[netip.Addr]string{}
	for _, s := range lab.Servers {
		names[s.Addr] = s.Name()
	}
	client := lab.Clients[0].Addr.String()
	service := netip.AddrPortFrom(lab.Spec.VIP, port).String()
	for i := range 12 {
		before := status(t, d)
		x := explained(t, d, client, service)
		if i == 0 {
			if y := explainedByVerb(t, d, client, service); !reflect.DeepEqual(x, y) {
				t.Errorf("the verb says %+v, the socket %+v", y, x)
			}
		}
		for range 3 {
			y := explained(t, d, client, service)
			if y.Server.Address != x.Server.Address || y.Scheduler != x.Scheduler {
				t.Fatalf("asked again it says %+v, %+v before", y, x)
			}
		}
		if after := status(t, d); after.Services[0].Traffic.Conns != uint64(i) || after.Table.Entries != before.Table.Entries ||
			after.Reasons["scheduled"] != uint64(i) {
			t.Fatalf("before: %+v\nafter: %+v", before, after)
		}
		if x.Reason != "scheduled" || x.Verdict != "forward" || !x.AnyPort || x.Packet != "SYN" || x.Server.MAC == "" || x.Server.Interface != "eth0" || x.Scheduler == "" {
			t.Fatalf("explained as %+v", x)
		}
		tally := get(t, lab, 1)
		if tally.ByServer[names[x.Server.Address]] != 1 {
			t.Errorf("connection %d: explained as to %s (%s), it went to %v", i, x.Server.Address, names[x.Server.Address], tally.ByServer)
		}
	}
	words(t, lvsdr(t, "explain", client, service, "--socket", d.Socket),
		"tcp "+service+", wrr, not persistent", "any port", "in the pass for weights of", "forward (scheduled)", "weight", "MAC address 0", "by eth0")
}

func TestExplainKnowsConnectionsAndTemplates(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	d := direct(t, lab, lab.Config(netlab.Service{Port: port}))
	client := lab.Clients[0].Addr
	service := netip.AddrPortFrom(lab.Spec.VIP, port).String()
	c, err := lab.Clients[0].DialFrom(t.Context(), "tcp", netip.AddrPortFrom(client, 5555), service)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	await(t, "the connection to be established", func() bool {
		x := explained(t, d, client.String()+":5555", service)
		return x.Connection != nil && x.Connection.State == "ESTABLISHED"
	})
	x := explained(t, d, client.String()+":5555", service)
	if x.Reason != "hit" || x.Packet != "ACK" || x.Connection.Expires < 800 || x.Connection.Server != x.Server.Address || x.Anew != nil {
		t.Errorf("a known connection: %+v", x)
	}
	words(t, verb(t, "explain", client.String()+":5555", service, "--socket", d.Socket),
		"ESTABLISHED, to "+x.Server.Address.String(), "forward (hit)", "goes to "+x.Server.Address.String(), "1 connections use it", "not asked")

	y := explained(t, d, client.String()+":5556", service)
	if y.Reason != "persistent" || y.Connection != nil || y.Template == nil || y.Template.Server != x.Server.Address ||
		y.Server.Address != x.Server.Address || y.Template.Expires > 120 || y.Template.Expires < 60 {
		t.Errorf("a known client: %+v, template %+v", y, y.Template)
	}
	words(t, lvsdr(t, "why-sticky", client.String(), "--socket", d.Socket), "120 s, the default: the service says nothing",
		client.String()+"/32 goes to "+x.Server.Address.String(), "1 to "+x.Server.Address.String()+" ESTABLISHED", "persistence_timeout 0", "persistence_default off", "an open connection stays where it is")
	words(t, verb(t, "why-sticky", "192.168.1.77", service, "--socket", d.Socket), "none now; the next connection makes one", "none known")

	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, "the connection to be closing", func() bool {
		x = explained(t, d, client.String()+":5555", service)
		return x.Connection != nil && x.Connection.State != "ESTABLISHED"
	})
	if x.Anew == nil || x.Anew.Packet != "SYN" || x.Anew.Server == nil {
		t.Errorf("a closing connection: %+v, anew %+v", x, x.Anew)
	}
}

func TestExplainSaysWhyNot(t *testing.T) {
	t.Parallel()
	lab := newLab(t, netlab.Spec{})
	d := direct(t, lab, lab.Config(netlab.Service{Port: port, Persistence: "0", Scheduler: "sh"}))
	vip := lab.Spec.VIP.String()
	for _, test := range []struct {
		client, service, proto string
		verdict, reason        string
		words                  []string
	}{
		{"192.168.1.50", vip + ":81", "tcp", "answer", "reset-no-service", []string{"none for tcp port 81; on " + vip + " there are: tcp " + vip + ":8080", "RST sent"}},
		{"192.168.1.50", vip + ":81", "udp", "answer", "unreachable-no-service", []string{"none for udp port 81"}},
		{"192.168.1.50", vip + ":8080", "sctp", "drop", "protocol-ignored", []string{"none for sctp"}},
		{"192.168.1.50", "192.168.1.99:8080", "tcp", "drop", "not-ours", []string{"192.168.1.99 is not a virtual address", "tcp " + vip + ":8080"}},
		{"127.0.0.1", vip + ":8080", "tcp", "drop", "bad-source", nil},
		{vip, vip + ":8080", "tcp", "drop", "bad-source", nil},
	} {
		x := explainedByVerb(t, d, test.client, test.service, "--proto", test.proto)
		if x.Verdict != test.verdict || x.Reason != test.reason || x.Server != nil {
			t.Errorf("%v: %+v", test, x)
		}
		words(t, verb(t, "explain", test.client, test.service, "--proto", test.proto, "--socket", d.Socket), append(test.words, test.reason, "server      none")...)
	}
	words(t, verb(t, "explain", "192.168.1.50", vip+":8080", "--socket", d.Socket), "sh: the client's address is hashed to bucket", "forward (scheduled)")
	words(t, verb(t, "why-sticky", "192.168.1.50", vip+":8080", "--socket", d.Socket), "0, configured", "sh: chooses by the client's address", "flag sh-port")
	for _, args := range [][]string{{"explain", "nobody", vip + ":80"}, {"explain", "1.2.3.4", vip}, {"explain", "1.2.3.4"},
		{"explain", "1.2.3.4", vip + ":80", "--proto", "icmp"}, {"why-sticky"}, {"why-sticky", "x"}, {"trace", "--sample", "half"}, {"trace", "--count", "-1"}, {"top", "--interval", "1ms"}} {
		if r := verb(t, append(args, "--socket", d.Socket)...); r.code != 2 || r.stdout != "" {
			t.Errorf("%v: exit code %d, %q", args, r.code, r.stderr)
		}
	}
	if r := verb(t, "why-sticky", "192.168.1.50", vip+":81", "--socket", d.Socket); r.code != 1 || !strings.Contains(r.stderr, "no service at") {
		t.Errorf("exit code %d, %q", r.code, r.stderr)
	}
}
