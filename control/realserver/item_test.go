package realserver

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/control/hostnet"
	"lvsdr/control/policyroute"
	"lvsdr/dataplane/frame"
)

func TestItemsAreNamedAsTheirCommandsDo(t *testing.T) {
	p := netip.MustParsePrefix
	for want, i := range map[string]Item{
		"net.ipv4.conf.all.arp_ignore":         {Sysctl: "net/ipv4/conf/all/arp_ignore"},
		"net/ipv4/conf/eth0.7/arp_ignore":      {Sysctl: "net/ipv4/conf/eth0.7/arp_ignore"},
		"address 192.168.1.100/32 dev lo":      {Address: p("192.168.1.100/32")},
		"address fd00:1::100/128 dev lo":       {Address: p("fd00:1::100/128")},
		"route 192.168.1.100/32 dev lo":        {Route: Route{To: p("192.168.1.100/32"), Interface: "lo", Table: unix.RT_TABLE_MAIN}},
		"route fd00:1::100/128 dev lo src ::1": {Route: Route{To: p("fd00:1::100/128"), Interface: "lo", Source: netip.IPv6Loopback(), Table: unix.RT_TABLE_MAIN}},
		"route 192.168.1.100/32 dev eth0 src 192.168.1.11 table 7": {Route: Route{To: p("192.168.1.100/32"), Interface: "eth0",
			Source: netip.MustParseAddr("192.168.1.11"), Table: 7}},
		"rule 0: from all lookup local":                                          {Rule: Rule{Table: unix.RT_TABLE_LOCAL}},
		"rule 2: from all lookup 7":                                              {Rule: Rule{Priority: 2, Table: 7}},
		"rule 1: from all to 192.168.1.100 iif lo ipproto tcp dport 80 lookup 7": {Rule: Rule{Priority: 1, Table: 7, To: vipA, Port: web}},
		"rule 1: from all to fd00:1::100 iif lo ipproto udp dport 53 lookup 7":   {Rule: Rule{IPv6: true, Priority: 1, Table: 7, To: vip6, Port: dns}},
	} {
		if got := i.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestPortsAreReadWithTheirProtocol(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Port
	}{
		{"80", web}, {"80/tcp", web}, {"53/udp", dns}, {"65535", Port{frame.ProtoTCP, 65535}},
		{"", Port{}}, {"0", Port{}}, {"65536", Port{}}, {"-1", Port{}}, {"http", Port{}}, {"80/", Port{}}, {"80/sctp", Port{}}, {"80/tcp/", Port{}}, {" 80", Port{}},
	} {
		got, err := ParsePort(c.in)
		if got != c.want || (err == nil) != c.want.valid() {
			t.Errorf("%q: %v, %v, want %v", c.in, got, err, c.want)
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("port %q: want PORT, PORT/tcp or PORT/udp", c.in)) {
			t.Errorf("%q: %v", c.in, err)
		}
	}
}

// A refusal of the kernel says what to do about it, where anything is to be done.
func TestRefusalsOfTheKernelAreExplained(t *testing.T) {
	ignore, address := Item{Sysctl: "net/ipv4/conf/all/arp_ignore"}, Item{Address: netip.PrefixFrom(vipA, 32)}
	rule := Item{Rule: Rule{Table: unix.RT_TABLE_LOCAL}}
	for _, c := range []struct {
		law         string
		item        Item
		value       string
		err         error
		want, never string
	}{
		{"a read-only /proc/sys is set from outside", ignore, "1", unix.EROFS,
			"docker run --sysctl net.ipv4.conf.all.arp_ignore=1, or on the machine with nsenter --net --target PID sysctl -w net.ipv4.conf.all.arp_ignore=1", "root"},
		{"without the privilege for a sysctl it is named", ignore, "1", unix.EPERM, "it needs CAP_NET_ADMIN in this network namespace: run it as root", "docker"},
		{"for an address too", address, Present, unix.EACCES, "it needs CAP_NET_ADMIN", "docker"},
		{"a rule says by itself what it needs", rule, Present, unix.EPERM, "; run it as root", "it needs CAP_NET_ADMIN"},
		{"any other error stands alone", rule, Absent, unix.ENOENT, "set rule 0: from all lookup local to absent: no such file or directory", ";"},
	} {
		err := explain(c.item, c.value, fmt.Errorf("do it: %w", c.err))
		if !errors.Is(err, c.err) || !strings.Contains(strings.Replace(err.Error(), "do it: ", "", 1), c.want) || strings.Contains(err.Error(), c.never) {
			t.Errorf("%s: %v", c.law, err)
		}
	}
}

// What a host has is compared by what matters: not by the maker of a rule, nor by
// the source of a route where none was asked for.
func TestWhatAHostHasIsFound(t *testing.T) {
	p := netip.MustParsePrefix
	v := view{net: &hostnet.Snapshot{
		Links: []hostnet.Link{{Name: "lo", Index: 1, Kind: hostnet.Loopback, Up: true}, {Name: "eth0", Index: 2, Up: true}},
		Addrs: []hostnet.Addr{{Link: 1, Prefix: p("192.168.1.100/32")}, {Link: 2, Prefix: p("192.168.1.101/32")}},
		Routes: []hostnet.Route{
			{To: p("192.168.1.100/32"), Table: unix.RT_TABLE_MAIN, Link: 1, Type: hostnet.Unicast},
			{To: p("192.168.1.100/32"), Table: policyroute.BalanceTable, Link: 2, Type: hostnet.Unicast, Source: netip.MustParseAddr("192.168.1.11")},
			{To: p("192.168.1.102/32"), Table: unix.RT_TABLE_MAIN, Link: 1, Type: hostnet.Local},
			{To: p("192.168.1.103/32"), Table: unix.RT_TABLE_MAIN, Link: 2, Type: hostnet.Unicast, Gateway: netip.MustParseAddr("192.168.1.1")},
		}}}
	v.rules[0] = []policyroute.Rule{
		{Pref: 0, Table: unix.RT_TABLE_LOCAL, Protocol: unix.RTPROT_KERNEL},
		{Pref: 1, Table: policyroute.BalanceTable, IIF: "lo", To: p("192.168.1.100/32"), Proto: frame.ProtoTCP, Ports: policyroute.Ports{First: 80, Last: 80}, Protocol: 3},
		{Pref: 5, Table: unix.RT_TABLE_LOCAL, IIF: "eth0"},
	}
	route := func(to, ifname string, table int, source string) Item {
		r := Route{To: p(to), Interface: ifname, Table: table}
		if source != "" {
			r.Source = netip.MustParseAddr(source)
		}
		return Item{Route: r}
	}
	for _, c := range []struct {
		law  string
		item Item
		want string
	}{
		{"an address on lo", Item{Address: p("192.168.1.100/32")}, Present},
		{"an address with another length", Item{Address: p("192.168.1.100/24")}, Absent},
		{"an address on another interface", Item{Address: p("192.168.1.101/32")}, Absent},
		{"a route", route("192.168.1.100/32", "lo", unix.RT_TABLE_MAIN, ""), Present},
		{"a route of another table", route("192.168.1.100/32", "lo", 7, ""), Absent},
		{"a route by another interface", route("192.168.1.100/32", "eth0", unix.RT_TABLE_MAIN, ""), Absent},
		{"a route by an interface that is not there", route("192.168.1.100/32", "eth9", unix.RT_TABLE_MAIN, ""), Absent},
		{"a route with its source", route("192.168.1.100/32", "eth0", policyroute.BalanceTable, "192.168.1.11"), Present},
		{"whatever its source", route("192.168.1.100/32", "eth0", policyroute.BalanceTable, ""), Present},
		{"a route with another source", route("192.168.1.100/32", "eth0", policyroute.BalanceTable, "192.168.1.12"), Absent},
		{"a route of local addresses", route("192.168.1.102/32", "lo", unix.RT_TABLE_MAIN, ""), Absent},
		{"a route by a gateway", route("192.168.1.103/32", "eth0", unix.RT_TABLE_MAIN, ""), Absent},
		{"a rule, whoever made it", Item{Rule: Rule{Priority: 1, Table: policyroute.BalanceTable, To: vipA, Port: web, Owner: policyroute.Protocol}}, Present},
		{"a rule of another port", Item{Rule: Rule{Priority: 1, Table: policyroute.BalanceTable, To: vipA, Port: dns, Owner: policyroute.Protocol}}, Absent},
		{"a rule of the other family", Item{Rule: Rule{IPv6: true, Table: unix.RT_TABLE_LOCAL}}, Absent},
	} {
		if got, err := v.get(c.item); err != nil || got != c.want {
			t.Errorf("%s: %s, %v, want %s", c.law, got, err, c.want)
		}
	}
	if got := v.localRules(false); len(got) != 1 || got[0].Priority != 0 || got[0].Owner != unix.RTPROT_KERNEL {
		t.Errorf("unconditional rules for local addresses: %+v", got)
	}
	if _, err := v.get(Item{Sysctl: "net/ipv4/conf/none/arp_ignore"}); !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "look for net.ipv4.conf.none.arp_ignore: ") {
		t.Errorf("a sysctl of an interface that is not there: %v", err)
	}
}

func TestRecordsThatCannotBeWrittenLeaveNothingBehind(t *testing.T) {
	missing := records{dir: filepath.Join(t.TempDir(), "none")}
	if err := missing.save(fullRecord()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in no folder: %v", err)
	}
	if _, err := missing.lock(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("locked no folder: %v", err)
	}
	d := records{dir: t.TempDir()}
	if err := os.Mkdir(d.path(vipA), 0o755); err != nil { // where the record is to be
		t.Fatal(err)
	}
	if err := d.save(fullRecord()); err == nil || !strings.HasPrefix(err.Error(), "write the record: ") {
		t.Errorf("over a folder: %v", err)
	}
	if files, err := os.ReadDir(d.dir); err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
	if _, err := d.load(vipA); err == nil {
		t.Error("a folder was read as a record")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (records{dir: filepath.Join(file, "below")}).make(); err == nil || !strings.HasPrefix(err.Error(), "make the folder of the records: ") {
		t.Errorf("a folder below a file: %v", err)
	}
}

func TestABrokenRecordSaysHowToGoOn(t *testing.T) {
	d := records{dir: t.TempDir()}
	for text, want := range map[string]string{
		"":                              "EOF",
		"{}":                            "no vip",
		`{"vip":"192.168.1.100","x":1}`: `unknown field "x"`,
		`{"vip":"192.168.1.100","balance":[{"protocol":"tcp","number":0}]}`: "balance 0/tcp: not a port of TCP or UDP",
	} {
		if err := os.WriteFile(d.path(vipA), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := d.load(vipA)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "remove it, then nothing is restored") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// Two processes never work on the records at a time, and the lock goes with its
// file.
func TestOneProcessAtATimeHasTheRecords(t *testing.T) {
	d := records{dir: t.TempDir()}
	first, err := d.lock()
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.Open(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := unix.Flock(int(other.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("locked twice: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(other.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Errorf("after the first: %v", err)
	}
}
