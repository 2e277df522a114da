package offload

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// What a process has left is gone on with by the next one of the same connection table,
// with its flows, servers and counters; anything else is removed, and it is said why.
func TestWhatIsPinnedIsGoneOnWithOnlyByItsHeir(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		if isPermission(err) && os.Getenv("CI") != "true" {
			t.Skip("needs root, for a BPF file system:", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	d, first, second := newDirector(t), Owner{1, 100}, Owner{2, 200}
	open := func(own, from Owner, flows int) *Offload {
		t.Helper()
		o, err := Open(Config{Core: d, Now: func() int64 { return 1e9 }, Mark: mark, Flows: flows, Servers: 16,
			Pins: Pins{Dir: filepath.Join(dir, "a", "b"), Own: own, From: from}})
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	for _, c := range []struct {
		name  string
		spoil func(*Offload)
		from  Owner
		flows int
		why   string // "": it is gone on with
	}{
		{"its heir", nil, first, 16, ""},
		{"of another table", nil, Owner{1, 101}, 16, "does not belong"},
		{"of another version", func(o *Offload) { store32(o.tables.headMem, headVersion, version+1) }, first, 16, "another version"},
		{"of another size", nil, first, 32, "another size"},
		{"open to others", func(*Offload) { _ = os.Chmod(filepath.Join(dir, "a"), 0o777) }, first, 16, "others may write"},
		{"half of it", func(*Offload) { _ = os.Remove(filepath.Join(dir, "a", "b", "lvsdr_vips")) }, first, 16, "missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := open(first, Owner{}, 16)
			if dir, why := o.Kept(); dir == "" || why != "" {
				t.Fatalf("%q: %s", dir, why)
			}
			o.SetNextHop(3, dataplane.NextHop{MAC: serverMAC, From: outward.MAC, Link: outward.Index, MTU: outward.MTU, Plain: true})
			for i, e := range families {
				o.tables.flow(uint32(i)).begin(3, loopback, Fast)
				if err := o.tables.put(e.key(frame.ProtoTCP), uint32(i)); err != nil {
					t.Fatal(err)
				}
			}
			store64(o.tables.totalMem, 3*stripes*totalSize+totalPackets, 50)
			counted := o.Load(3)
			store64(o.tables.totalMem, 3*stripes*totalSize+totalPackets, 70) // while nobody is there
			if c.spoil != nil {
				c.spoil(o)
			}
			o.Leave()
			if err := o.Close(); err != nil {
				t.Fatal(err)
			}
			o = open(second, c.from, c.flows)
			_, why := o.Kept()
			if c.why != "" {
				if !strings.Contains(why, c.why) || o.Counts().Adopted > 0 {
					t.Errorf("%q, %+v; want %q", why, o.Counts(), c.why)
				}
			} else {
				o.heir(t, why, counted)
			}
			if err := o.Close(); err != nil {
				t.Error(err)
			}
			if c.why == "others may write" {
				_ = os.RemoveAll(filepath.Join(dir, "a"))
			}
			if _, err := os.Stat(filepath.Join(dir, "a", "b")); err == nil {
				t.Error("a clean end leaves something")
			}
		})
	}
}

// heir looks at what o has found.
func (o *Offload) heir(t *testing.T, why string, counted conntrack.Load) {
	t.Helper()
	if why != "" || o.Counts().Adopted != len(families) {
		t.Errorf("%q, %+v", why, o.Counts())
	}
	for i, e := range families {
		if slot, known := o.byKey[e.key(frame.ProtoTCP)]; !known || slot != uint32(i) {
			t.Errorf("%v is at %d, %t", e.vip, slot, known)
		}
	}
	if n, late := o.Packets(), o.Load(3); counted.Packets != 50 || n != 20 || late.Packets != 20 || o.Load(3).Packets != 0 {
		t.Errorf("%d packets are counted anew, and then %d; want 20", n, late.Packets)
	}
	o.SetNextHop(3, dataplane.NextHop{}) // its MAC address is not known yet
	if !o.tables.on(3) {
		t.Error("the server is off before the process has settled")
	}
	if err := o.Settle(); err != nil || o.tables.on(3) {
		t.Errorf("it is not off afterwards: %v", err)
	}
}
