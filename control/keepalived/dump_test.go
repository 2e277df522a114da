package keepalived

import (
	"cmp"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lvsdr/conntrack"
	"lvsdr/control/ask"
	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
)

func drawTimer(t *rapid.T, name string, lo, hi time.Duration) time.Duration {
	usual := rapid.SampledFrom([]time.Duration{lo, hi, time.Second, 5 * time.Second, 60 * time.Second, 1500 * time.Millisecond})
	odd := rapid.Map(rapid.Int64Range(int64(lo/time.Microsecond), int64(hi/time.Microsecond)), func(us int64) time.Duration { return time.Duration(us) * time.Microsecond })
	return rapid.OneOf(usual, odd).Draw(t, name)
}

func drawTiming(t *rapid.T, minRetry uint32) Timing {
	return Timing{
		DelayLoop:        drawTimer(t, "delay_loop", time.Microsecond, maxTimer),
		ConnectTimeout:   drawTimer(t, "connect_timeout", time.Microsecond, maxConnectTimeout),
		Retry:            rapid.Uint32Range(minRetry, 3).Draw(t, "retry"),
		DelayBeforeRetry: drawTimer(t, "delay_before_retry", 0, maxTimer),
		Warmup:           drawTimer(t, "warmup", 0, maxTimer),
		Alpha:            rapid.Bool().Draw(t, "alpha"),
		Rise:             rapid.Uint32Range(1, 3).Draw(t, "rise"),
	}
}

func drawCommand(t *rapid.T) Command {
	return rapid.SampledFrom([]Command{{}, {Line: "/bin/a"}, {"/bin/a b 'c d'", "nobody", ""}, {"/bin/a b", "nobody", "users"}}).Draw(t, "command")
}

func drawServer(t *rapid.T, addr netip.Addr, port uint16) *RealServer {
	r := &RealServer{
		Addr: addr, Port: port, Weight: rapid.Uint32Range(0, maxWeight).Draw(t, "weight"),
		InhibitOnFailure: rapid.Bool().Draw(t, "inhibit"), Timing: drawTiming(t, 1),
		Upper: rapid.Uint32Range(0, maxWeight).Draw(t, "upper"),
	}
	if rapid.Bool().Draw(t, "MAC given") {
		r.MAC = frame.MAC{2, 0, 0, 0, 0x55, 1}
	}
	r.Alert = rapid.Bool().Draw(t, "alert")
	r.SlowStart = drawTimer(t, "slow start", 0, maxTimer)
	if rapid.Bool().Draw(t, "damped") {
		suppress := rapid.Uint32Range(1, 1000).Draw(t, "suppress")
		r.Damping = Damping{drawTimer(t, "half-life", time.Second, maxTimer), suppress, rapid.Uint32Range(1, suppress).Draw(t, "reuse")}
	}
	if rapid.Bool().Draw(t, "passive") {
		r.Passive = Passive{rapid.Uint32Range(1, 99).Draw(t, "percent"), rapid.Uint32Range(1, 100).Draw(t, "connections"), drawTimer(t, "hold", time.Second, maxTimer)}
	}
	r.NotifyUp, r.NotifyDown = drawCommand(t), drawCommand(t)
	r.Lower = rapid.Uint32Range(0, r.Upper).Draw(t, "lower")
	for range rapid.IntRange(0, 2).Draw(t, "checks") {
		c := &Check{Kind: TCPCheck, ConnectIP: addr, ConnectPort: max(port, 1), Timing: drawTiming(t, 0)}
		if rapid.Bool().Draw(t, "elsewhere") {
			c.ConnectIP, c.ConnectPort, c.BindTo = addr.Prev(), rapid.Uint16Range(1, 65535).Draw(t, "connect_port"), addr.Next()
		}
		c.BindPort, c.Mark, c.LogAll = rapid.Uint16().Draw(t, "bind_port"), rapid.Uint32().Draw(t, "fwmark"), rapid.Bool().Draw(t, "log_all")
		c.BindIf = rapid.SampledFrom([]string{"", "eth0"}).Draw(t, "bind_if")
		switch rapid.IntRange(0, 7).Draw(t, "kind") {
		case 4:
			c.Kind, c.Ask = UDPCheck, drawUDP(t)
		case 7:
			*c = Check{Kind: FileCheck, Ask: drawFile(t), ConnectIP: addr,
				Timing: Timing{DelayLoop: r.DelayLoop, ConnectTimeout: defaultConnectTimeout, Alpha: r.Alpha}}
		case 6:
			c.Kind, c.Ask, c.ConnectPort, c.BindPort = PingCheck, &ask.Ping{}, 0, 0
		case 5:
			*c = Check{Kind: MiscCheck, Ask: drawProgram(t), ConnectIP: addr, LogAll: c.LogAll, Timing: c.Timing}
			c.ConnectTimeout = r.ConnectTimeout
		case 1:
			c.Kind, c.Ask = SMTPCheck, &ask.SMTP{Helo: rapid.SampledFrom([]string{"a.example", "a b#"}).Draw(t, "helo_name")}
		case 2:
			c.Kind, c.Ask = DNSCheck, &ask.DNS{Type: rapid.SampledFrom([]string{"A", "SOA"}).Draw(t, "type"), Name: rapid.SampledFrom([]string{".", "a.example"}).Draw(t, "name")}
		case 3:
			h := drawHTTP(t)
			c.Ask, c.Kind = h, HTTPGet
			if h.TLS {
				c.Kind = SSLGet
			}
		}
		if c.Rise = r.Rise; c.Kind == FileCheck {
			c.Rise = 1
		}
		r.Checks = append(r.Checks, c)
	}
	return r
}

// drawProgram makes any program, of a file without script_user.
func drawProgram(t *rapid.T) *ask.Program {
	c := rapid.SampledFrom([]Command{{Line: "/bin/a"}, {"/bin/a b 'c d'", "nobody", ""}, {"/bin/a b", "nobody", "users"}}).Draw(t, "program")
	return &ask.Program{Line: c.Line, User: c.User, Group: c.Group, Dynamic: rapid.Bool().Draw(t, "dynamic"),
		Timeout: time.Duration(rapid.IntRange(1, 4294).Draw(t, "misc_timeout")) * time.Second}
}

// drawFile makes any file.
func drawFile(t *rapid.T) *ask.File {
	f := &ask.File{Path: rapid.SampledFrom([]string{"/run/a", "/run/b c"}).Draw(t, "path"), Reverse: rapid.Bool().Draw(t, "reverse"),
		Weight: rapid.Int32Range(-math.MaxInt32, math.MaxInt32).Draw(t, "weight"), Init: rapid.Bool().Draw(t, "init")}
	if f.Init {
		f.Overwrite, f.Value = rapid.Bool().Draw(t, "overwrite"), rapid.Int32().Draw(t, "value")
	}
	return f
}

// drawUDP makes any question by a datagram.
func drawUDP(t *rapid.T) *ask.UDP {
	u := &ask.UDP{Payload: rapid.SampledFrom([]string{"", "\x01\x02"}).Draw(t, "payload"), Reply: rapid.Bool().Draw(t, "reply")}
	if !u.Reply {
		return u
	}
	u.Min = rapid.IntRange(0, 9).Draw(t, "min")
	u.Max = rapid.IntRange(u.Min, ask.MaxReply).Draw(t, "max")
	if rapid.Bool().Draw(t, "data") {
		u.Data, u.Mask = "\x12\x30", "\xff\xf0"
	}
	return u
}

// drawHTTP makes any question to a web server.
func drawHTTP(t *rapid.T) *ask.HTTP {
	name := rapid.SampledFrom([]string{"", "www.example.org", "www.example.org:8443"})
	h := &ask.HTTP{Version: ask.Version(rapid.IntRange(0, 2).Draw(t, "version")), TLS: rapid.Bool().Draw(t, "TLS"), SNI: rapid.Bool().Draw(t, "SNI"),
		SNIName: name.Draw(t, "sni_name"), Strict: rapid.Bool().Draw(t, "strict"), Fast: rapid.Bool().Draw(t, "fast")}
	for range rapid.IntRange(1, 3).Draw(t, "pages") {
		p := ask.Page{Path: rapid.StringMatching(`/[!#-~]{0,9}`).Draw(t, "path"), Host: name.Draw(t, "host"),
			Digest: rapid.SampledFrom([]string{"", "640205b7b0fc66c1ea91c463fac6334d"}).Draw(t, "digest")}
		for range rapid.IntRange(1, 3).Draw(t, "codes") {
			if err := p.Codes.Add(strconv.Itoa(rapid.IntRange(100, 999).Draw(t, "code"))); err != nil {
				t.Fatal(err)
			}
		}
		if rapid.Bool().Draw(t, "regex") {
			p.Regex = ask.Regex{Pattern: rapid.SampledFrom([]string{"^OK$", `a "b" 'c' \d\\ # $x {2} ! é`, " ", "[$]"}).Draw(t, "pattern"),
				Options: rapid.SampledFrom([]string{"", "caseless", "caseless utf"}).Draw(t, "options"), NoMatch: rapid.Bool().Draw(t, "no match"),
				Min: rapid.Uint32Range(0, 9).Draw(t, "min")}
			if rapid.Bool().Draw(t, "limit") {
				p.Regex.Max = p.Regex.Min + rapid.Uint32Range(1, 9).Draw(t, "max")
			}
		}
		h.Pages = append(h.Pages, p)
	}
	return h
}

// drawConfig makes any configuration that Load could make.
func drawConfig(t *rapid.T) *Config {
	c := &Config{Global: Global{
		Mail:     Mail{Timeout: time.Duration(rapid.IntRange(1, 4294).Draw(t, "mail timeout")) * time.Second, To: []string{"a@example.org"}, From: "b@example.org", Server: "mail.example.org:25"},
		RouterID: rapid.StringMatching(`[ #-~é∇'\\]*`).Draw(t, "router_id"), DRCheck: rapid.Bool().Draw(t, "dr_check"), LogAllFailures: rapid.Bool().Draw(t, "log"),
		Timeouts:           Timeouts{UDP: rapid.Uint32Range(0, maxSeconds).Draw(t, "udp"), TCP: rapid.Uint32Range(0, 1).Draw(t, "tcp")},
		PersistenceDefault: PersistenceDefault{Set: rapid.Bool().Draw(t, "set")},
	}}
	if c.Global.PersistenceDefault.Set {
		c.Global.PersistenceDefault.Seconds = rapid.Uint32Range(0, 2).Draw(t, "default")
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "services") {
		addr := netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)})
		if rapid.Bool().Draw(t, "IPv6") {
			addr = netip.AddrFrom16([16]byte{0: 0x20, 15: byte(i + 1)})
		}
		v := &VirtualServer{
			Addr: addr, Port: rapid.SampledFrom([]uint16{0, 1, 80, 65535}).Draw(t, "port"), Protocol: rapid.SampledFrom([]frame.Proto{frame.ProtoTCP, frame.ProtoUDP, frame.ProtoSCTP}).Draw(t, "protocol"),
			Scheduler: rapid.SampledFrom(scheduler.Names()).Draw(t, "scheduler"), Method: drawMethod(t),
			SchedFlags:  scheduler.Flags(rapid.Uint8Range(0, 7).Draw(t, "flags") << 3),
			Persistence: Persistence{Timeout: rapid.Uint32Range(0, maxSeconds).Draw(t, "timeout")},
			Timing:      drawTiming(t, 1), Weight: rapid.Uint32Range(1, maxWeight).Draw(t, "weight"), Quorum: 1,
			InhibitOnFailure: rapid.Bool().Draw(t, "inhibit"), Omega: rapid.Bool().Draw(t, "omega"), Alert: rapid.Bool().Draw(t, "alert"),
		}
		if rapid.Bool().Draw(t, "by mark") {
			v.Mark, v.IPv6, v.Addr, v.Port, v.Protocol = uint32(i+1), addr.Is6(), netip.Addr{}, 0, 0
			m := Mark{Mark: v.Mark, Addr: addr, First: rapid.Uint16().Draw(t, "first"), Protocol: frame.ProtoTCP}
			if m.Last = rapid.Uint16Range(m.First, 65535).Draw(t, "last"); m.Last > 0 {
				c.Global.Marks = append(c.Global.Marks, m)
			}
		}
		v.HASuspend = v.Mark == 0 && rapid.Bool().Draw(t, "suspend")
		v.PanicThreshold = rapid.Uint32Range(0, 100).Draw(t, "panic")
		v.OPS = (v.Mark != 0 || v.Protocol == frame.ProtoUDP) && rapid.Bool().Draw(t, "ops")
		if rapid.Bool().Draw(t, "granular") {
			v.Granularity = prefixMask(rapid.IntRange(1, 127).Draw(t, "prefix"))
			if addr.Is4() {
				v.Granularity = netip.AddrFrom4([4]byte{255, 0, rapid.Byte().Draw(t, "mask"), 0})
			}
		} else if (v.Mark != 0 || v.Port != 0) && rapid.Bool().Draw(t, "default") {
			v.Persistence = Persistence{c.Global.PersistenceDefault.seconds(), true}
		}
		if v.Mark == 0 && v.Port == 0 {
			v.Persistence.Timeout = max(v.Persistence.Timeout, 1)
		}
		if rapid.Bool().Draw(t, "sorry") {
			v.SorryServer = SorryServer{addr.Next(), v.Port, drawMethod(t), rapid.Bool().Draw(t, "sorry_inhibit")}
			if v.SorryServer.Method.ownPort() {
				v.SorryServer.Port = cmp.Or(rapid.Uint16().Draw(t, "sorry_port"), v.Port)
			}
		}
		sum := uint32(0)
		for range rapid.IntRange(0, 2).Draw(t, "servers") {
			addr = addr.Next()
			for range 20 {
				addr = addr.Next()
			}
			method, port := drawMethod(t), v.Port
			if method.ownPort() {
				port = cmp.Or(rapid.Uint16().Draw(t, "port of server"), v.Port)
			}
			s := drawServer(t, addr, port)
			s.Method = method
			v.RealServers = append(v.RealServers, s)
			sum += v.RealServers[len(v.RealServers)-1].Weight
		}
		if n := len(v.RealServers); n > 0 && sum == 0 { // which is reported
			v.RealServers[n-1].Weight, sum = 1, 1
		}
		v.Quorum = rapid.Uint32Range(1, max(sum, 1)).Draw(t, "quorum")
		v.Hysteresis = rapid.Uint32Range(0, v.Quorum-1).Draw(t, "hysteresis")
		c.VirtualServers = append(c.VirtualServers, v)
	}
	return c
}

// drawMethod draws a forwarding method.
func drawMethod(t *rapid.T) Forwarding {
	f := Forwarding{Kind: rapid.SampledFrom([]conntrack.Method{conntrack.Direct, conntrack.Direct, conntrack.Masquerade, conntrack.IPIP, conntrack.GRE, conntrack.GUE}).Draw(t, "method")}
	switch f.Kind {
	case conntrack.GRE:
		f.Tunnel.Sum = rapid.SampledFrom([]conntrack.Sum{conntrack.NoSum, conntrack.FullSum}).Draw(t, "sum")
	case conntrack.GUE:
		f.Tunnel.Sum = rapid.SampledFrom([]conntrack.Sum{conntrack.NoSum, conntrack.FullSum, conntrack.RemoteSum}).Draw(t, "sum")
		f.Tunnel.Port = rapid.Uint16Range(1, 65535).Draw(t, "tunnel port")
	}
	return f
}

// checkPrint states the law of printConfig: its text loads as the same Config,
// without a report above a Note.
func checkPrint(t *testing.T, c *Config, o Options) {
	t.Helper()
	text := dumped(t, c)
	o.Files = memFiles(map[string]string{"f": text})
	anybody := func(string) bool { return true }
	o.Files.User, o.Files.Group = anybody, anybody           // those that are not there were reported before
	o.Limits = Limits{FileSize: 1 << 26, TotalSize: 1 << 26} // groups make much of little
	again, ds, err := Load("f", o)
	ds = slices.DeleteFunc(ds, func(d Diagnostic) bool {
		return d.Counts == AsSecurity || strings.Contains(d.Text, "needs two instances or more")
	}) // reported before
	if err != nil || ds.Max() > Note {
		t.Fatalf("%v %v in\n%s", ds, err, text)
	}
	if !reflect.DeepEqual(placeless(c), placeless(again)) {
		t.Fatalf("printed:\n%s\nread and printed:\n%s", text, dumped(t, again))
	}
}

func TestPrintedConfigLoadsAsTheSame(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		o := testOptions("")
		o.IPv6 = true
		checkPrint(t, drawConfig(rt), o)
	})
}

func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*.conf")
	if err != nil {
		f.Fatal(err)
	}
	corpus, err := filepath.Glob("testdata/corpus/*.conf")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range append(files, corpus...) {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), false)
	}
	f.Add("virtual_server ::1 80{\nlb_kind DR\npersistence_granularity 64\nreal_server ::2 {\nTCP_CHECK{\n}}}", true)
	f.Add("global_defs {\nlvsdr_mark 1 10.0.0.1-2 80-90 tcp\n}\nvirtual_server_group g{\nfwmark 1\nfwmark 2 inet\n}\nvirtual_server group g{\nlb_kind DR\nreal_server 10.0.0.9 80 {\nTCP_CHECK{\n}}}", false)
	f.Add("virtual_server group g{\nlb_kind DR\nprotocol UDP\nops\nreal_server 10.0.0.9 80 {\nTCP_CHECK{\n}}}\nvirtual_server_group g{\n10.0.0.1-3 80\n10.0.0.4/31\n10.0.0.2 80}", false)
	f.Add("virtual_server_group g{\n2001:db8::1-f 80\n2001:db8::/125 81}\nvirtual_server group g{\nlb_kind DR\nreal_server ::2 {\nTCP_CHECK{\n}}}", true)
	f.Fuzz(func(t *testing.T, in string, v6 bool) {
		o := testOptions(in)
		o.Limits = Limits{TotalSize: 1 << 16, LineLength: 1 << 10, GroupServices: 16}
		o.IPv6 = v6
		c, ds, err := Load("f", o)
		checkDiagnostics(t, ds, err)
		if err != nil {
			return
		}
		checkPrint(t, c, o)
	})
}
