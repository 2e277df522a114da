package ipvsadm_test

import (
	"testing"

	"lvsdr/control/ipvsadm"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

const aFewServices = `-A -t 10.0.0.1:80 -s wrr
	-a -t 10.0.0.1:80 -r 10.2.0.9 -w 65536 -x 2147483647 -y 10
	-a -t 10.0.0.1:80 -r 10.2.0.10 -w 0
	-A -t 10.0.0.99:443 -s sh -b sh-port,sh-fallback -p 9 -M 255.255.255.0
	-A -u [fd00::1]:53 -s rr -o
	-a -u [fd00::1]:53 -r [fd00:0:0:0:1:2:3:4]:53
	-A -f 17 -6 -p
	-A --sctp-service 10.0.0.1:80`

// The formats, but for numbers, of each kind of listing.
func TestListings(t *testing.T) {
	i := newInterpreter(t)
	must(t, i, aFewServices)
	const byName = "-A -t 10.0.0.1:http -s wrr\n-a -t 10.0.0.1:http -r 10.2.0.9:http -g -w 65536\n"
	const first = "IP Virtual Server version 1.2.1 (size=4096)\n"
	const plain = "Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
	const numeric = first + plain + `TCP  10.0.0.1:80 wrr
  -> 10.2.0.9:80                  Route   65536  0          0         
  -> 10.2.0.10:80                 Route   0      0          0         
TCP  10.0.0.99:443 sh (sh-fallback,sh-port) persistent 9 mask 255.255.255.0
SCTP 10.0.0.1:80 wlc
UDP  [fd00::1]:53 rr ops
  -> [fd00::1:2:3:4]:53           Route   1      0          0         
FWM  17 IPv6 wlc persistent 360
`
	for line, text := range map[string]string{
		"-Ln": numeric, "-l -n --sort": numeric,
		"": first + plain + `TCP  10.0.0.1:http wrr
  -> 10.2.0.9:http                Route   65536  0          0         
  -> 10.2.0.10:http               Route   0      0          0         
TCP  www:https sh (sh-fallback,sh-port) persistent 9 mask 255.255.255.0
SCTP 10.0.0.1:80 wlc
UDP  [fd00::1]:domain rr ops
  -> [fd00::1:2:3:4]:domain       Route   1      0          0         
FWM  17 IPv6 wlc persistent 360
`,
		"-Ln --nosort -t 10.0.0.1:http": plain + `TCP  10.0.0.1:80 wrr
  -> 10.2.0.10:80                 Route   0      0          0         
  -> 10.2.0.9:80                  Route   65536  0          0         
`,
		"-Ln -t 10.0.0.1:80 --thresholds --persistent-conn": `Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn 
  -> RemoteAddress:Port
TCP  10.0.0.1:80 wrr
  -> 10.2.0.9:80                  2147483647 10         0          0         
  -> 10.2.0.10:80                 0          0          0          0         
`,
		"-Ln -t 10.0.0.1:80 --tun-info": "Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n" +
			`TCP  10.0.0.1:80 wrr
  -> 10.2.0.9:80                  Route   n/a           65536  0          0         
  -> 10.2.0.10:80                 Route   n/a           0      0          0         
`,
		"-Ln -f 17 -6 --stats --rate": `Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
FWM  17 IPv6                             0        0        0        0        0
`,
		"-Lc":         "IPVS connection entries\npro expire state       source             virtual            destination\n",
		"-L --daemon": "",
	} {
		if r := run(i, line); r.Exit != 0 || r.Err != "" {
			t.Errorf("%s: exit code %d, %q", line, r.Exit, r.Err)
		} else {
			want(t, line, r.Out, text)
		}
	}
	want(t, "-S", run(i, "-S").Out[:len(byName)], byName)
}

// A number is nine wide. Shortened, it is rounded down.
func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		n           uint64
		short, long string
	}{
		{0, "        0", "        0"},
		{99999999, " 99999999", " 99999999"},
		{100000000, "  100000K", " 100000000"},
		{999999999, "  999999K", " 999999999"},
		{1000000000, "    1000M", " 1000000000"},
		{99999999999, "   99999M", " 99999999999"},
		{100000000000, "     100G", " 100000000000"},
		{99999999999999, "   99999G", " 99999999999999"},
		{100000000000000, "     100T", " 100000000000000"},
		{1<<64 - 1, "18446744T", " 18446744073709551615"},
	} {
		i := newInterpreter(t)
		must(t, i, "-A -t 10.0.0.1:80")
		i.Counters = &ipvsadm.Estimator{}
		status := i.Director.Services()
		status[0].Traffic = dataplane.Traffic{Conns: c.n, Packets: c.n, Bytes: c.n}
		i.Counters.Tick(status)
		for line, n := range map[string]string{"-Ln --stats": c.short, "-LnX --stats": c.long} {
			const none = "        0"
			want(t, line, run(i, line+" -t 10.0.0.1:80").Out, "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n"+
				"  -> RemoteAddress:Port\nTCP  10.0.0.1:80                 "+n+n+none+n+none+"\n")
		}
	}
}

// The averages that a kernel had 5 s after all the traffic at the beginning:
// two ticks.
func TestRates(t *testing.T) {
	var e ipvsadm.Estimator
	c := ipvsadm.Counted{Service: dataplane.ServiceKey{Mark: 1}}
	tick := func(n dataplane.Traffic) {
		e.Tick([]dataplane.ServiceStatus{{Config: dataplane.ServiceConfig{Key: c.Service}, Traffic: n}})
	}
	if (e.Rate(c) != ipvsadm.Rate{} || e.Traffic(c) != dataplane.Traffic{}) {
		t.Error("something is counted before the first tick")
	}
	for _, test := range []struct {
		counted dataplane.Traffic
		rate    ipvsadm.Rate
	}{
		{dataplane.Traffic{Conns: 8, Packets: 18, Bytes: 720}, ipvsadm.Rate{Conns: 1, Packets: 2, Bytes: 67}},
		{dataplane.Traffic{Conns: 6, Packets: 14, Bytes: 560}, ipvsadm.Rate{Conns: 1, Packets: 1, Bytes: 52}},
		{dataplane.Traffic{Conns: 2, Packets: 4, Bytes: 160}, ipvsadm.Rate{Packets: 0, Bytes: 15}},
		{dataplane.Traffic{Conns: 1, Packets: 1, Bytes: 60}, ipvsadm.Rate{Bytes: 6}},
	} {
		e = ipvsadm.Estimator{}
		tick(test.counted)
		tick(test.counted)
		if got := e.Rate(c); got != test.rate {
			t.Errorf("%+v gives %+v, want %+v", test.counted, got, test.rate)
		}
		if got := e.Traffic(c); got != test.counted {
			t.Errorf("listed %+v, want %+v", got, test.counted)
		}
	}
}

// A steady rate is reached, and none is left of one that is over. A counter
// that begins anew counts from there.
func TestRatesSettle(t *testing.T) {
	var e ipvsadm.Estimator
	c := ipvsadm.Counted{Service: dataplane.ServiceKey{Mark: 1}, Server: frame.Addr{1}, Port: 80}
	var n dataplane.Traffic
	tick := func() {
		e.Tick([]dataplane.ServiceStatus{{Config: dataplane.ServiceConfig{Key: c.Service},
			Servers: []dataplane.ServerStatus{{Config: dataplane.ServerConfig{Addr: c.Server, Port: c.Port}, Traffic: n}}}})
	}
	for range 100 {
		n.Conns, n.Packets, n.Bytes = n.Conns+200, n.Packets+2000, n.Bytes+2_000_000_000
		tick()
	}
	if got, want := e.Rate(c), (ipvsadm.Rate{Conns: 100, Packets: 1000, Bytes: 1_000_000_000}); got != want {
		t.Errorf("a steady rate shows as %+v, want %+v", got, want)
	}
	n = dataplane.Traffic{Conns: 200, Packets: 2000, Bytes: 2_000_000_000}
	tick()
	if got := e.Rate(c); got.Conns != 100 || got.Packets != 1000 {
		t.Errorf("counters that began anew show as %+v", got)
	}
	for range 100 {
		tick()
	}
	if got := e.Rate(c); got != (ipvsadm.Rate{}) {
		t.Errorf("what is over shows as %+v", got)
	}
	for range 10 { // it is away for a while
		e.Tick(nil)
	}
	if e.Traffic(c) != n {
		t.Error("a server that was away lost its counters")
	}
	for range 600 {
		e.Tick(nil)
	}
	if e.Traffic(c) != (dataplane.Traffic{}) {
		t.Error("what is gone is remembered for ever")
	}
}

// -Z sets to zero what is listed, and what the next sums begin with.
func TestZero(t *testing.T) {
	i := newInterpreter(t)
	i.Counters = &ipvsadm.Estimator{}
	must(t, i, "-A -f 1\n-A -f 2\n-A -f 3")
	var keys []ipvsadm.Counted
	counts := func() (all [3]uint64) {
		for n, k := range keys {
			all[n] = i.Counters.Traffic(k).Conns + i.Counters.Rate(k).Conns
		}
		return all
	}
	status := i.Director.Services()
	for n := range status {
		status[n].Traffic.Conns = 100
		keys = append(keys, ipvsadm.Counted{Service: status[n].Config.Key})
	}
	i.Counters.Tick(status)
	must(t, i, "-Z -f 2")
	if got := counts(); got != [3]uint64{112, 0, 112} {
		t.Errorf("after -Z of the second: %v", got)
	}
	must(t, i, "-Z")
	if got := counts(); got != [3]uint64{} {
		t.Errorf("after -Z: %v", got)
	}
}
