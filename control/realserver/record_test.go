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
	r := &record{era: era{"boot", 7}, VIP: o.VIP}
	r.ask(o)
	for _, w := range wants(o, facts{}) {
		r.Changes = append(r.Changes, change{w.item, Absent, w.value})
	}
	return r
}

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	d := records{t.TempDir()}
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

func TestOthersAreTheOtherVIPsOfThisEra(t *testing.T) {
	d := records{t.TempDir()}
	a, b, c := fullRecord(), fullRecord(), fullRecord()
	b.VIP = vipB
	c.VIP, c.Boot = vip6, "another"
	for _, r := range []*record{a, b, c} {
		if err := d.save(r); err != nil {
			t.Fatal(err)
		}
	}
	got, err := d.others(vipA, a.era)
	if err != nil || !reflect.DeepEqual(got, b.Changes) {
		t.Errorf("%+v, %v; want those of %s alone", got, err, vipB)
	}
	if err := os.WriteFile(filepath.Join(d.dir, "realserver-192.0.2.1.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.others(vipA, a.era); err == nil || !strings.Contains(err.Error(), "192.0.2.1") {
		t.Errorf("a broken record: %v", err)
	}
}

// A record that is read says only what start could have written: in particular
// no file outside net/ipv4/conf.
func FuzzRecord(f *testing.F) {
	b, err := json.Marshal(fullRecord())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	for _, path := range []string{"kernel/core_pattern", "net/ipv4/conf/../../../x", "net/ipv4/conf/./x", "net/ipv4/conf/all/x/y", ""} {
		f.Add([]byte(`{"vip":"192.0.2.1","changes":[{"item":{"sysctl":"` + path + `"},"was":"0","is":"1"}]}`))
	}
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
