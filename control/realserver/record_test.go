package realserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// fullRecord has each kind of item.
func fullRecord() *record {
	o := Options{VIP: vipA, Balance: []Port{web, dns}, Interface: "eth0", Source: netip.MustParseAddr("192.168.1.11")}
	o.Tunnels = []Tunnel{{Kind: KindGUE, Port: 6080}, {Kind: KindGRE, CSum: true, Local: netip.MustParseAddr("192.168.1.11")}}
	r := &record{epoch: epoch{"boot", 7}, VIP: o.VIP}
	r.ask(o)
	for _, g := range goals(o, facts{}) {
		was := map[bool]string{true: Present, false: Absent}[g.value == Absent] // a device that was not there, too
		if g.item.Sysctl != "" {
			was = "0"
		}
		r.Changes = append(r.Changes, change{g.item, was, g.value})
	}
	return r
}

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	d := records{dir: t.TempDir()}
	if _, err := d.load(vipA); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no record: %v", err)
	}
	want := fullRecord()
	if err := d.save(want); err != nil {
		t.Fatal(err)
	}
	got, err := d.load(vipA)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if info, err := os.Stat(d.path(vipA)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want mode 0600", info.Mode(), err)
	}
	if files, err := os.ReadDir(d.dir); err != nil || len(files) != 1 {
		t.Errorf("%v, %v; want one file", files, err)
	}
}

func TestOthersAreTheOtherVIPsOfThisEpoch(t *testing.T) {
	d := records{dir: t.TempDir()}
	a, b, c := fullRecord(), fullRecord(), fullRecord()
	b.VIP, b.Changes, b.Balance = vipB, b.Changes[:2], nil
	c.VIP, c.Boot, c.Changes, c.Balance = vip6, "another", nil, nil
	for _, r := range []*record{a, b, c} {
		if err := d.save(r); err != nil {
			t.Fatal(err)
		}
	}
	got, err := d.others(vipA, a.epoch)
	if err != nil || !reflect.DeepEqual(got, b.Changes) {
		t.Errorf("%+v, %v; want those of %s alone", got, err, vipB)
	}
	if err := os.WriteFile(filepath.Join(d.dir, "realserver-192.0.2.1.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.others(vipA, a.epoch); err == nil || !strings.Contains(err.Error(), "192.0.2.1") {
		t.Errorf("a broken record: %v", err)
	}
}

// A record of an earlier version is found, counts for others, and goes with the
// next start or stop.
func TestARecordOfAnEarlierVersionIsFoundInItsFolder(t *testing.T) {
	d := records{dir: t.TempDir(), old: t.TempDir()}
	r := fullRecord()
	if err := (records{dir: d.old}).save(r); err != nil {
		t.Fatal(err)
	}
	if got, err := d.load(vipA); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := d.others(vipB, r.epoch); err != nil || !reflect.DeepEqual(got, r.Changes) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := d.others(vipA, r.epoch); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if err := d.save(r); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(d.old); err != nil || len(files) != 0 {
		t.Errorf("%v are left in the old folder, %v", files, err)
	}
	if got, err := d.others(vipB, r.epoch); err != nil || !reflect.DeepEqual(got, r.Changes) {
		t.Errorf("%+v, %v", got, err)
	}
	if err := d.remove(vipA); err != nil {
		t.Fatal(err)
	}
	if _, err := d.load(vipA); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// entry is a record of a VIP with one change, as a file has it.
func entry(item, was, is string) []byte {
	return []byte(`{"vip":"192.168.1.100","balance":[{"protocol":"tcp","number":80}],"interface":"eth0","source":"192.168.1.11",` +
		`"tunnels":[{"kind":"gue","port":6080}],` +
		`"changes":[{"item":{` + item + `},"was":"` + was + `","is":"` + is + `"}]}`)
}

// stop writes where a record says, so a record must say only what start writes.
func TestRecordsThatNoStartWroteAreRefused(t *testing.T) {
	sysctl := func(path string) string { return `"sysctl":"` + path + `"` }
	rule := func(fields string) string { return `"rule":{` + fields + `}` }
	const balance = `"priority":1,"table":1819738114,"to":"192.168.1.100","port":{"protocol":"tcp","number":80},"owner":118`
	for _, c := range []struct {
		name, item, was, is string
		good                bool
	}{
		{"arp_ignore", sysctl("net/ipv4/conf/all/arp_ignore"), "0", "1", true},
		{"rp_filter of the interface", sysctl("net/ipv4/conf/eth0/rp_filter"), "1", "2", true},
		{"another sysctl", sysctl("net/ipv4/conf/all/forwarding"), "1", "0", false},
		{"arp_ignore of another interface", sysctl("net/ipv4/conf/eth1/arp_ignore"), "0", "1", false},
		{"a file elsewhere", sysctl("kernel/core_pattern"), "core", "x", false},
		{"a file by a detour", sysctl("net/ipv4/conf/../../../kernel/core_pattern"), "1", "2", false},
		{"a folder", sysctl("net/ipv4/conf/./rp_filter"), "1", "2", false},
		{"a value that start does not set", sysctl("net/ipv4/conf/all/arp_ignore"), "0", "8", false},
		{"a value that the kernel does not have", sysctl("net/ipv4/conf/all/arp_ignore"), "9", "1", false},
		{"no number", sysctl("net/ipv4/conf/all/arp_ignore"), "|x", "1", false},

		{"the VIP", `"address":"192.168.1.100/32"`, Absent, Present, true},
		{"the VIP's whole network", `"address":"192.168.1.100/24"`, Absent, Present, false},
		{"another address", `"address":"192.168.1.11/32"`, Absent, Present, false},
		{"an address that is to come back", `"address":"192.168.1.100/32"`, Present, Absent, false},

		{"the VIP on the tunnel's device", `"address":"192.168.1.100/32","on":"tunl0"`, Absent, Present, true},
		{"the VIP on another device", `"address":"192.168.1.100/32","on":"eth0"`, Absent, Present, false},
		{"the VIP on the device of another tunnel", `"address":"192.168.1.100/32","on":"gre0"`, Absent, Present, false},
		{"the tunnel's device", `"device":{"name":"tunl0","kind":"ipip"}`, Down, Up, true},
		{"the tunnel's device, made", `"device":{"name":"tunl0","kind":"ipip"}`, Absent, Up, true},
		{"the tunnel's device, which stop would set up", `"device":{"name":"tunl0","kind":"ipip"}`, Up, Down, false},
		{"another interface", `"device":{"name":"eth0","kind":"ipip"}`, Down, Up, false},
		{"a device of another tunnel", `"device":{"name":"gre0","kind":"gre"}`, Down, Up, false},
		{"the strict filter of the tunnel's device", sysctl("net/ipv4/conf/tunl0/rp_filter"), "1", "2", true},
		{"the port of GUE", `"gue":{"port":6080}`, Absent, Present, true},
		{"another port of GUE", `"gue":{"port":6081}`, Absent, Present, false},
		{"the port of GUE for IPv6", `"gue":{"port":6080,"ipv6":true}`, Absent, Present, false},
		{"a device beside a sysctl", sysctl("net/ipv4/conf/all/arp_ignore") + `,"on":"tunl0"`, "0", "1", false},

		{"the route on lo", `"route":{"to":"192.168.1.100/32","interface":"lo","table":254}`, Absent, Present, true},
		{"the route of local clients", `"route":{"to":"192.168.1.100/32","interface":"eth0","source":"192.168.1.11","table":1819738114}`, Absent, Present, true},
		{"the default route", `"route":{"to":"0.0.0.0/0","interface":"eth0","table":254}`, Absent, Present, false},
		{"a route of another table", `"route":{"to":"192.168.1.100/32","interface":"eth0","table":255}`, Absent, Present, false},

		{"the rule of a port", rule(balance), Absent, Present, true},
		{"a rule of another port", rule(strings.Replace(balance, "80", "81", 1)), Absent, Present, false},
		{"a rule of another table", rule(strings.Replace(balance, "1819738114", "254", 1)), Absent, Present, false},
		{"the local table behind", rule(`"priority":2,"table":255,"owner":118`), Absent, Present, true},
		{"the local table where the kernel has it, removed", rule(`"priority":0,"table":255,"owner":2`), Present, Absent, true},
		{"the local table where the kernel has it, made: stop would remove it", rule(`"priority":0,"table":255,"owner":2`), Absent, Present, false},
		{"the main table", rule(`"priority":32766,"table":254,"owner":2`), Absent, Present, false},
		{"a rule of IPv6", rule(`"ipv6":true,"priority":2,"table":255,"owner":118`), Absent, Present, false},

		{"nothing", ``, Absent, Present, false},
		{"two things", sysctl("net/ipv4/conf/all/arp_ignore") + `,"address":"192.168.1.100/32"`, "0", "1", false},
	} {
		if _, err := decode(entry(c.item, c.was, c.is)); (err == nil) != c.good {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A record that is read says only what start could have written: in particular
// no file outside net/ipv4/conf, and no rule for a table whose loss cuts the host
// off.
func FuzzRecord(f *testing.F) {
	b, err := json.Marshal(fullRecord())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	for _, path := range []string{"kernel/core_pattern", "net/ipv4/conf/../../../x", "net/ipv4/conf/./x", "net/ipv4/conf/all/x/y", ""} {
		f.Add([]byte(`{"vip":"192.0.2.1","changes":[{"item":{"sysctl":"` + path + `"},"was":"0","is":"1"}]}`))
	}
	f.Add(entry(`"rule":{"priority":0,"table":255,"owner":2}`, Absent, Present))
	f.Add([]byte(`{"vip":"192.0.2.1","balance":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decode(b)
		if err != nil {
			return
		}
		for _, c := range r.Changes {
			file := sysctlFile(c.Item.Sysctl)
			if c.Item.Sysctl != "" && (filepath.Dir(filepath.Dir(file)) != "/proc/sys/net/ipv4/conf" || c.Item.Address.IsValid()) {
				t.Errorf("accepted: %+v", c.Item)
			}
			if r := c.Item.Rule; r.Table != 0 && c.Is == Present && r.Priority == 0 {
				t.Errorf("accepted: stop would remove %s", r)
			}
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		r2, err := decode(again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if b, err := json.Marshal(r2); err != nil || !bytes.Equal(b, again) {
			t.Errorf("%s became %s, %v", again, b, err)
		}
	})
}
