package keepalived

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"lvsdr/control/certs"
	"lvsdr/control/certs/certtest"
)

func TestConnectionSyncIsReadAsKeepalivedDoes(t *testing.T) {
	const site = "vrrp_instance site {\ninterface eth0\nvirtual_router_id 51\nvirtual_ipaddress {\n10.0.0.9\n}\n}\n"
	addr, peer := netip.MustParseAddr, netip.MustParseAddrPort
	for _, c := range []struct {
		words, blocks string
		want          Sync
		wrong         string // in a message; empty: there is none
	}{
		{"", "", Sync{}, ""},
		{"lvs_sync_daemon eth1", "", Sync{Interface: "eth1"}, ""},
		{"lvs_sync_daemon eth1 id 9", "", Sync{Interface: "eth1", SyncID: 9, HasID: true}, ""},
		{"lvs_sync_daemon eth1 site", site, Sync{Interface: "eth1", Instance: "site", SyncID: 51}, ""},
		{"lvs_sync_daemon eth1 inst site", site, Sync{Interface: "eth1", Instance: "site", SyncID: 51}, ""},
		{"lvs_sync_daemon eth1 site id 0", site, Sync{Interface: "eth1", Instance: "site", HasID: true}, ""},
		{"lvs_sync_daemon eth1 site id 3 maxlen 1000 port 8849 ttl 3 group 224.0.1.5", site,
			Sync{Interface: "eth1", Instance: "site", SyncID: 3, HasID: true, MaxLen: 1000, Port: 8849, TTL: 3, Group: addr("224.0.1.5")}, ""},
		{"lvs_sync_daemon eth1 group ff02::81", "", Sync{Interface: "eth1", Group: addr("ff02::81")}, ""},
		{"lvs_sync_daemon eth1 other", site, Sync{}, "there is no vrrp_instance other"},
		{"lvs_sync_daemon eth1 group 10.0.0.1", "", Sync{}, "not a multicast address"},
		{"lvs_sync_daemon eth1 id 256", "", Sync{}, "256"},
		{"lvs_sync_daemon eth1 site port", site, Sync{}, "port"},
		{"lvs_sync_daemon eth1 site speed 3", site, Sync{}, "speed"},
		{"lvs_sync_daemon", "", Sync{}, "a value is missing"},
		{"lvs_sync_daemon eth1\nlvs_sync_daemon eth2 id 2", "", Sync{Interface: "eth2", SyncID: 2, HasID: true}, ""},
		{"lvsdr_sync_secret \"a b\"\nlvs_sync_daemon eth1", "", Sync{Interface: "eth1", Secret: "a b"}, ""},
		{"lvs_sync_daemon eth1\nlvsdr_sync_secret abc", "", Sync{Interface: "eth1", Secret: "abc"}, ""},
		{"lvs_sync_daemon eth1\nlvsdr_sync_peer 10.0.0.2 10.0.0.3:99\nlvsdr_sync_peer [fd00::1]:7 fd00::2", "", Sync{Interface: "eth1",
			Peers: []netip.AddrPort{netip.AddrPortFrom(addr("10.0.0.2"), 0), peer("10.0.0.3:99"), peer("[fd00::1]:7"), netip.AddrPortFrom(addr("fd00::2"), 0)}}, ""},
		{"lvsdr_sync_peer lb2\nlvs_sync_daemon eth1", "", Sync{Interface: "eth1"}, "neither an address nor"},
	} {
		cfg, found := load(t, "global_defs {\n"+c.words+"\n}\n"+c.blocks, nil)
		if text := fmt.Sprint(found); found.Max() >= Warning != (c.wrong != "") || !strings.Contains(text, c.wrong) {
			t.Errorf("%q: found %s, want %q", c.words, text, c.wrong)
		}
		got := cfg.Global.Sync
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %+v, want %+v", c.words, got, c.want)
		}
	}
}

// The files of TLS are read with the configuration, and what is wrong with them has the
// place of the line.
func TestTheFilesOfTLSAreChecked(t *testing.T) {
	a := certtest.New(t, "directors")
	good, other := a.Files("lb1"), a.Files("lb2")
	lines := func(f certs.Files) string {
		return fmt.Sprintf("lvsdr_sync_tls_cert %s\nlvsdr_sync_tls_key %s\nlvsdr_sync_tls_ca %s\n", f.Cert, f.Key, f.CA)
	}
	for _, c := range []struct {
		law, words string
		wrong      string // empty: nothing is
		runs       bool
	}{
		{"good ones", lines(good), "", true},
		{"none", "", "", true},
		{"one word alone", "lvsdr_sync_tls_ca " + good.CA, "lvsdr_sync_tls_cert, lvsdr_sync_tls_key and lvsdr_sync_tls_ca belong together", false},
		{"a key of another", lines(certs.Files{Cert: good.Cert, Key: other.Key, CA: good.CA}), "with lvsdr_sync_tls_key " + other.Key, false},
		{"a file that is not there", lines(certs.Files{Cert: "/nowhere", Key: good.Key, CA: good.CA}), "/nowhere: no such file", false},
		{"no certificate", lines(certs.Files{Cert: good.Cert, Key: good.Key, CA: good.Key}), "there is no certificate in it", false},
	} {
		for _, text := range []string{"lvs_sync_daemon eth1\n" + c.words, c.words + "\nlvs_sync_daemon eth1"} {
			cfg, found := load(t, "global_defs {\n"+text+"\n}\n", func(o *Options) {
				inMemory := o.Files.Open
				o.Files.Open = func(name string) (io.ReadCloser, error) {
					if filepath.IsAbs(name) {
						return os.Open(name)
					}
					return inMemory(name)
				}
			})
			got := fmt.Sprint(found)
			if found.Max() >= Warning != (c.wrong != "") || !strings.Contains(got, c.wrong) || c.wrong != "" && !strings.Contains(got, "[f:") {
				t.Errorf("%s: found %s, want %q", c.law, got, c.wrong)
			}
			if runs := cfg.Global.Sync.Interface != ""; runs != c.runs {
				t.Errorf("%s: a daemon runs: %t", c.law, runs)
			}
		}
	}
}
