package ipvsadm_test

import (
	"context"
	"iter"
	"net/netip"
	"strings"
	"testing"

	"lvsdr/control/api"
	"lvsdr/control/ipvsadm"
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
		"-L --daemon": "", // none was started
	} {
		if r := run(i, line); r.Exit != 0 || r.Err != "" {
			t.Errorf("%s: exit code %d, %q", line, r.Exit, r.Err)
		} else {
			want(t, line, r.Out, text)
		}
	}
	want(t, "-S", run(i, "-S").Out[:len(byName)], byName)
}

// counting is a director whose only service has counted n of everything.
type counting struct {
	api.Admin
	n uint64
}

func (c counting) Services(context.Context, ...api.ServiceKey) iter.Seq2[api.Service, error] {
	return func(yield func(api.Service, error) bool) {
		t := api.Traffic{Conns: c.n, Packets: c.n, Bytes: c.n}
		yield(api.Service{ServiceConfig: api.ServiceConfig{ServiceKey: api.ServiceKey{Protocol: "tcp", Address: netip.MustParseAddr("10.0.0.1"), Port: 80}},
			Listed: api.Listed{Traffic: t, CPS: c.n, PPS: c.n, BPS: c.n}}, nil)
	}
}

// A number is nine wide. Shortened, it is rounded down. Connections and packets a
// second are never shortened.
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
		i := &ipvsadm.Interpreter{Admin: counting{n: c.n}}
		for line, n := range map[string]string{"-Ln --stats": c.short, "-LnX --stats": c.long} {
			const none = "        0"
			want(t, line, run(i, line+" -t 10.0.0.1:80").Out, "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n"+
				"  -> RemoteAddress:Port\nTCP  10.0.0.1:80                 "+n+n+none+n+none+"\n")
			want(t, line, run(i, strings.Replace(line, "stats", "rate", 1)+" -t 10.0.0.1:80").Out, "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n"+
				"  -> RemoteAddress:Port\nTCP  10.0.0.1:80                 "+c.long+c.long+none+n+none+"\n")
		}
	}
}
