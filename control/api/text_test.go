package api_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"lvsdr/control/api"
)

// texter is a value that prints itself.
type texter interface{ WriteText(io.Writer) error }

func text(t *testing.T, v texter) string {
	t.Helper()
	var b bytes.Buffer
	if err := v.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// wantText compares, without the blanks at the ends of lines.
func wantText(t *testing.T, got, want string) {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(got) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	if got := b.String(); got != want {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
}

// web is a service that is served from the file.
func web() api.Service {
	key := api.ServiceKey{Protocol: "tcp", Address: addr("192.0.2.1"), Port: 80}
	return api.Service{ServiceConfig: api.ServiceConfig{ServiceKey: key, Scheduler: "sh", Flags: "sh-port", Persistence: 120},
		Owner: api.OwnedByFile, Interface: "eth0", Traffic: api.Traffic{Conns: 5, Packets: 70, Bytes: 900}, Servers: servers()}
}

// servers are one in each state.
func servers() []api.Server {
	good := func(last string, weight int) api.Server {
		return api.Server{ServerConfig: api.ServerConfig{Address: addr("10.0.0." + last), Port: 80, Method: api.Direct, Weight: weight}, Effective: weight,
			Up: true, Check: "ok", MAC: "02:00:00:00:00:0" + last, Interface: "eth1", Active: 1, Inactive: 2, Persistent: 3, Traffic: api.Traffic{Conns: 4}}
	}
	up, unchecked, down, deaf, full, quiesced := good("1", 3), good("2", 1), good("3", 1), good("4", 1), good("5", 1), good("6", 0)
	local := good("7", 1)
	unchecked.Check = "none"
	down.Up, down.Effective, down.Check = false, 0, "connection refused"
	deaf.MAC = ""
	full.Overloaded, full.Upper = true, 3
	local.MAC, local.Method = "", api.Local
	return []api.Server{up, unchecked, down, deaf, full, quiesced, local}
}

func TestStatusAsText(t *testing.T) {
	start := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	mark := api.Service{ServiceConfig: api.ServiceConfig{ServiceKey: api.ServiceKey{FWMark: 7, IPv6: true}, Scheduler: "rr"}, Owner: api.OwnedAtRuntime,
		Marked: []string{"tcp 2001:db8::1 80-90"}}
	st := &api.Status{Version: "1.2", PID: 77, Started: start, Time: start.Add(90 * time.Second), Active: true, ConfigErr: "line 3", Local: "served",
		Problems: []string{"eth9 is down"}, Services: []api.Service{web(), mark}, Table: api.Table{Entries: 1, Limit: 2, Evicted: 3},
		Ports:   map[string]api.PortStats{"eth1": {Sent: 5, SentXDP: 6, SendFull: 7, SendError: 8}, "eth0": {Received: 1, Missed: 2, MissedSYN: 9, Truncated: 3}},
		Reasons: map[string]uint64{"hit": 5, "scheduled": 9, "arp": 5}, ARP: map[string]uint64{"answered": 1}, Notify: api.Notifications{Run: 9, Failed: 2, Dropped: 3, Lines: 40, LostLines: 5}}
	wantText(t, text(t, st), `lvsdr 1.2, process 77, announcing its VIPs, up 1m30s
the last reload was refused: line 3
clients on this host: served
problem: eth9 is down

tcp 192.0.2.1:80 on eth0, sh, persistent 120 s: 5 connections, 70 packets, 900 bytes
  SERVER       WEIGHT  MAC                ACTIVE  INACTIVE  PERSISTENT  CONNECTIONS  STATE
  10.0.0.1:80  3       02:00:00:00:00:01  1       2         3           4            up
  10.0.0.2:80  1       02:00:00:00:00:02  1       2         3           4            up, not checked
  10.0.0.3:80  0 (1)   02:00:00:00:00:03  1       2         3           4            down: connection refused
  10.0.0.4:80  1       unknown            1       2         3           4            no MAC: no ARP answer on eth1
  10.0.0.5:80  1       02:00:00:00:00:05  1       2         3           4            full: upper threshold 3
  10.0.0.6:80  0       02:00:00:00:00:06  1       2         3           4            quiesced: weight 0
  10.0.0.7:80  1       unknown            1       2         3           4            up

fwmark 7 IPv6, made by ipvsadm, rr, not persistent: 0 connections, 0 packets, 0 bytes
  its packets: tcp 2001:db8::1 80-90
  no real server

connection table: 1 of 2 entries, 3 evicted
notifications: 9 commands run, 2 of them failed, 3 dropped; 40 lines to FIFOs, 5 lost

INTERFACE  RECEIVED  MISSED  MISSED SYN  TRUNCATED  SENT  BY XDP  SEND FULL  SEND ERROR
eth0       1         2       9           3          0     0       0          0
eth1       0         0       0           0          5     6       7          8

FRAMES     COUNT
scheduled  9
arp        5
hit        5

ARP       COUNT
answered  1
`)
	st.Active, st.Notify = false, api.Notifications{}
	if got := text(t, st); strings.Contains(got, "notifications") {
		t.Errorf("nobody is to be told, and it printed %s", got)
	}
	if got := text(t, st); !strings.HasPrefix(got, "lvsdr 1.2, process 77, silent, ") {
		t.Errorf("printed %s", got)
	}
}

func TestExplainedAsText(t *testing.T) {
	s := web()
	x := &api.Explained{Protocol: "tcp", Client: addr("10.1.0.1"), ClientPort: 40000, AnyPort: true, Address: addr("192.0.2.1"), Port: 80, Packet: "SYN", OurVIP: true,
		Verdict: "forward", Reason: "scheduled", Meaning: "forwarded: the scheduler chose", Service: &s, Flags: "sh-port", Scheduler: "bucket 9", Asked: true,
		Server: &s.Servers[0]}
	s.Servers = s.Servers[:1]
	wantText(t, text(t, x), `TCP from 10.1.0.1, any port to 192.0.2.1:80, next packet: SYN

service     tcp 192.0.2.1:80, sh (sh-port), persistent 120 s
connection  not looked for: no client port was given, a new connection is explained
template    none: the client is new to the service, or its time is up
scheduler   sh: bucket 9
decision    forward (scheduled): forwarded: the scheduler chose
server      10.0.0.1:80, weight 3, 1 active, 2 inactive; MAC address 02:00:00:00:00:01, by eth1

SERVER       WEIGHT  ACTIVE  INACTIVE  PERSISTENT  STATE
10.0.0.1:80  3       1       2         3           up
`)
	anew := &api.Explained{Verdict: "forward", Reason: "persistent", Server: &servers()[1]}
	x = &api.Explained{Protocol: "tcp", Client: addr("10.1.0.1"), ClientPort: 5, Address: addr("192.0.2.1"), Port: 80, Packet: "ACK", OurVIP: true, Verdict: "forward", Reason: "hit",
		Meaning: "of a known connection", Service: &s, Server: &servers()[3], Anew: anew,
		Connection: &api.Conn{State: "FIN_WAIT", Server: addr("10.0.0.4"), Expires: 119.6, Removed: true},
		Template:   &api.Conn{Client: addr("10.1.0.0"), Server: addr("10.0.0.4"), Expires: 60, Connections: 2}}
	got := text(t, x)
	for _, want := range []string{"from 10.1.0.1:5 to", "connection  FIN_WAIT, to 10.0.0.4 (removed from the service), ends in 2m0s without another packet\n",
		"template    10.1.0.0 goes to 10.0.0.4 for 1m0s more, 2 connections use it\n", "scheduler   sh: not asked\n", "MAC address unknown, by eth1\n",
		"the connection is closing: a SYN from this port instead is forward (persistent), to 10.0.0.2:80\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("does not say %q:\n%s", want, got)
		}
	}
	x.Anew.Server, x.Connection, s.Persistence, x.Template = nil, nil, 0, nil
	for _, want := range []string{"to no server\n", "connection  none known from this port\n", "template    none: the service is not persistent\n"} {
		if got := text(t, x); !strings.Contains(got, want) {
			t.Errorf("does not say %q:\n%s", want, got)
		}
	}
}

func TestExplainedWithoutAServiceAsText(t *testing.T) {
	x := &api.Explained{Protocol: "udp", Client: addr("fd00::1"), ClientPort: 5, Address: addr("fd00::2"), Port: 53, Packet: "datagram",
		Verdict: "drop", Reason: "not-ours", Meaning: "to others", Elsewhere: []string{"tcp [fd00::9]:80"}}
	wantText(t, text(t, x), `UDP from [fd00::1]:5 to [fd00::2]:53, next packet: datagram

service     none: fd00::2 is not a virtual address of this director; its services: tcp [fd00::9]:80
connection  none known from this port
decision    drop (not-ours): to others
server      none
`)
	x.OurVIP = true
	if got := text(t, x); !strings.Contains(got, "none for udp port 53; on fd00::2 there are: tcp [fd00::9]:80\n") {
		t.Errorf("printed %s", got)
	}
	x.Elsewhere = nil
	if got := text(t, x); !strings.Contains(got, "service     none at all\n") {
		t.Errorf("printed %s", got)
	}
}

func TestPersistenceAsText(t *testing.T) {
	key := api.ServiceKey{Protocol: "tcp", Address: addr("192.0.2.1"), Port: 80}
	p := &api.Persistence{Client: addr("10.1.0.1"), Services: []api.ServicePersistence{
		{ServiceKey: key, Scheduler: "wrr", Persistence: 120, FromDefault: true, Granularity: "10.1.0.0/24",
			Template:    &api.Conn{Server: addr("10.0.0.1"), Expires: 30, Connections: 2},
			Connections: []api.Conn{{Protocol: "tcp", Server: addr("10.0.0.1"), State: "ESTABLISHED"}, {Protocol: "tcp", Server: addr("10.0.0.1"), State: "FIN_WAIT"}, {Protocol: "tcp", Server: addr("10.0.0.1"), State: "ESTABLISHED"}}},
		{ServiceKey: key, Scheduler: "sh", Granularity: "10.1.0.1/32"},
		{ServiceKey: key, Scheduler: "mh", Flags: "mh-port", FromDefault: true, Granularity: "10.1.0.1/32"},
		{ServiceKey: key, Scheduler: "dh", Persistence: 9, Granularity: "10.1.0.1/32"},
	}}
	wantText(t, text(t, p), `10.1.0.1

tcp 192.0.2.1:80, wrr
  persistence_timeout  120 s, the default: the service says nothing
  template             10.1.0.0/24 goes to 10.0.0.1 for 30s more, 2 connections use it
  connections          2 to 10.0.0.1 ESTABLISHED, 1 to 10.0.0.1 FIN_WAIT
  scheduler            wrr: does not choose by address
  to change it         write `+"`persistence_timeout 0`"+` into the virtual_server block, or a shorter time; or `+"`persistence_default off`"+` into global_defs, for all services that say nothing; then send SIGHUP
  to change it         with 0 the template is ignored; with another time it keeps its present one until it expires
  to change it         leave out persistence_granularity: all of 10.1.0.0/24 are one client to it
  to change it         an open connection stays where it is, whatever is changed: a client that keeps connections (HTTP keep-alive) has to open new ones

tcp 192.0.2.1:80, sh
  persistence_timeout  0, configured: not persistent
  template             none: the service is not persistent
  connections          none known
  scheduler            sh: chooses by the client's address, always alike while the servers stay
  to change it         choose another lb_algo, such as wrr or wlc, or add the flag sh-port

tcp 192.0.2.1:80, mh (mh-port)
  persistence_timeout  off: the service says nothing, and the default was switched off
  template             none: the service is not persistent
  connections          none known
  scheduler            mh: chooses by the client's address and port: each connection by itself

tcp 192.0.2.1:80, dh
  persistence_timeout  9 s, configured
  template             none now; the next connection makes one, for 10.1.0.1/32
  connections          none known
  scheduler            dh: chooses by the virtual address, always alike while the servers stay
  to change it         write `+"`persistence_timeout 0`"+` into the virtual_server block, or a shorter time; then send SIGHUP
  to change it         choose another lb_algo, such as wrr or wlc
`)
	wantText(t, text(t, &api.Persistence{Client: addr("fd00::1")}), "fd00::1\n\nno service of its address family\n")
}

func TestTraceLinesAsText(t *testing.T) {
	at := time.Date(2024, 1, 2, 3, 4, 5, 6000, time.Local)
	for want, l := range map[string]api.TraceLine{
		"7 frames not shown\n": {NotShown: 7},
		"03:04:05.000006 eth0 tcp 10.0.0.1:5 > 192.0.2.1:80 [S], 74 bytes: forward (scheduled) to 10.0.0.9\n": {Time: at, In: "eth0", Protocol: "tcp", Src: "10.0.0.1", SrcPort: 5,
			Dst: "192.0.2.1", DstPort: 80, Flags: "S", Length: 74, Verdict: "forward", Reason: "scheduled", Server: "10.0.0.9", Out: "eth0"},
		"03:04:05.000006 eth0 udp fd00::1 > fd00::2 fragment at 1480, 9000 bytes in segments of 1400: forward (fragment-followed) to fd00::9 by eth1\n": {Time: at, In: "eth0",
			Protocol: "udp", Src: "fd00::1", Dst: "fd00::2", Fragment: 1480, Length: 9000, GSOSize: 1400, Verdict: "forward", Reason: "fragment-followed", Server: "fd00::9", Out: "eth1"},
		"03:04:05.000006 eth0 other, 60 bytes: drop (not-ip)\n": {Time: at, In: "eth0", Length: 60, Verdict: "drop", Reason: "not-ip"},
	} {
		if got := text(t, &l); got != want {
			t.Errorf("printed %q, want %q", got, want)
		}
	}
}

// fullDisk takes nothing.
type fullDisk struct{}

var errFull = errors.New("no space left")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestATextThatCannotBeWrittenIsAnError(t *testing.T) {
	s := web()
	for _, v := range []texter{&api.Status{}, &api.Explained{Service: &s}, &api.Persistence{}, &api.TraceLine{}, &api.Event{}} {
		if err := v.WriteText(fullDisk{}); !errors.Is(err, errFull) {
			t.Errorf("%T: %v", v, err)
		}
	}
}
