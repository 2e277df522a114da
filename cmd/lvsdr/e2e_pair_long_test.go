//go:build long

package main_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
)

// Two directors with their own VRRP: the VIP answers from the other one soon after the
// master is killed; the first takes it back when it returns; and a clean end hands it over.
// The bounds are those of RFC 9568 with a lot of room for a busy machine.
func TestAPairDecidesByItsOwnVRRP(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		advert string
		bound  time.Duration
	}{{"0.25", 10 * time.Second}, {"1", 20 * time.Second}} {
		t.Run("advert_int "+c.advert, func(t *testing.T) {
			lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
			n, err := lab.AddDirector(t.Context(), "director2")
			if err != nil {
				t.Fatal(err)
			}
			config := lab.Config(rotating())
			high, low := virtualRouter(lab, 150, c.advert, "")+config, virtualRouter(lab, 100, c.advert, "")+config
			first := director(t, lab.Director, high)
			becomes(t, first, "MASTER")
			second := director(t, n, low)
			becomes(t, second, "BACKUP")
			get(t, lab, 10)
			if st := status(t, second); st.Reasons["scheduled"] != 0 || len(st.Problems) != 0 {
				t.Errorf("the backup scheduled %d connections; problems %q", st.Reasons["scheduled"], st.Problems)
			}

			begin := time.Now()
			if err := first.Kill(); err != nil {
				t.Fatal(err)
			}
			gone := outage(t, lab, begin)
			t.Logf("advert_int %s: killed; the VIP answers from the other after %v", c.advert, gone.Round(time.Millisecond))
			if gone > c.bound {
				t.Errorf("that is more than %v", c.bound)
			}
			becomes(t, second, "MASTER")
			reached(t, lab, second)
			get(t, lab, 10)

			again := director(t, lab.Director, high)
			becomes(t, again, "MASTER")
			becomes(t, second, "BACKUP")
			reached(t, lab, again)
			get(t, lab, 10)

			begin = time.Now()
			if err := again.Stop(); err != nil {
				t.Fatal(err)
			}
			gone = outage(t, lab, begin)
			t.Logf("advert_int %s: stopped, which takes %v; the VIP answers %v after the request", c.advert, time.Since(begin).Round(time.Millisecond), gone.Round(time.Millisecond))
			becomes(t, second, "MASTER")
			reached(t, lab, second)
			get(t, lab, 10)
		})
	}
}

// With nopreempt the first stays the second one's stand-in when it returns, and with a virtual MAC
// clients need not learn another one.
func TestAPairWithAVirtualMACDoesNotPreempt(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	n, err := lab.AddDirector(t.Context(), "director2")
	if err != nil {
		t.Fatal(err)
	}
	config := lab.Config(rotating())
	high, low := virtualRouter(lab, 150, "0.25", "nopreempt\nuse_vmac")+config, virtualRouter(lab, 100, "0.25", "nopreempt\nuse_vmac")+config
	first := director(t, lab.Director, high)
	becomes(t, first, "MASTER")
	second := director(t, n, low)
	becomes(t, second, "BACKUP")
	get(t, lab, 10)
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	becomes(t, second, "MASTER")
	reached(t, lab, second)
	get(t, lab, 10)
	again := director(t, lab.Director, high)
	becomes(t, again, "BACKUP")
	get(t, lab, 10)
	if st := status(t, second); st.Reasons["scheduled"] < 20 || st.Routers[0].Role != "MASTER" {
		t.Errorf("the master scheduled %d connections, is %+v", st.Reasons["scheduled"], st.Routers)
	}
}

// Two instances of a group go together when an interface that the group tracks is down.
func TestAGroupGoesWhenATrackedInterfaceIsDown(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	n, err := lab.AddDirector(t.Context(), "director2")
	if err != nil {
		t.Fatal(err)
	}
	nl := lab.Director.Netlink()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "uplink"
	uplink := netlink.NewVeth(attrs)
	uplink.PeerName = "uplink1"
	if err := nl.LinkAdd(uplink); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"uplink1", "uplink"} {
		l, err := nl.LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := nl.LinkSetUp(l); err != nil {
			t.Fatal(err)
		}
	}
	group := func(priority int, track string) string {
		other := fmt.Sprintf("vrrp_instance other {\n state BACKUP\n version 3\n interface %s\n virtual_router_id 52\n priority %d\n advert_int 0.25\n virtual_ipaddress {\n 169.254.51.51\n }\n}\n", netlab.Ifname, priority)
		return virtualRouter(lab, priority, "0.25", "") + other + "vrrp_sync_group both {\n group {\n web\n other\n }\n" + track + "\n}\n" + lab.Config(rotating())
	}
	first := director(t, lab.Director, group(150, "track_interface {\n uplink\n }"))
	becomes(t, first, "MASTER")
	second := director(t, n, group(100, ""))
	becomes(t, second, "BACKUP")
	if err := nl.LinkSetDown(uplink); err != nil {
		t.Fatal(err)
	}
	becomes(t, first, "FAULT")
	becomes(t, second, "MASTER")
	reached(t, lab, second)
	get(t, lab, 10)
	if err := nl.LinkSetUp(uplink); err != nil {
		t.Fatal(err)
	}
	becomes(t, first, "MASTER")
	becomes(t, second, "BACKUP")
	reached(t, lab, first)
	get(t, lab, 10)
}

// keepalived's own VRRP is the peer of a director, as a backup and as the master.
func TestKeepalivedIsThePeer(t *testing.T) {
	t.Parallel()
	keepalived := tool(t, "keepalived", "keepalived")
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	n, err := lab.AddDirector(t.Context(), "director2")
	if err != nil {
		t.Fatal(err)
	}
	dir := shortDir(t)
	file := filepath.Join(dir, "keepalived.conf")
	if err := os.WriteFile(file, []byte(virtualRouter(lab, 120, "0.25", "")), 0o600); err != nil {
		t.Fatal(err)
	}
	log := new(netlab.Output)
	k := n.Host.Command(context.WithoutCancel(t.Context()), keepalived, "-P", "-n", "-l", "-D", "-f", file, "-p", filepath.Join(dir, "k.pid"), "-r", filepath.Join(dir, "vrrp.pid"))
	k.Stdout, k.Stderr = log, log
	if err := k.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = k.Process.Signal(unix.SIGTERM) // it may have ended
		_ = k.Wait()                       // its exit code says nothing of the director
		if t.Failed() {
			t.Logf("keepalived wrote:\n%s", log)
		}
	})
	has := func() bool { return hasVIP(t, n, lab) }
	await(t, "keepalived to have the VIP", has)

	config := lab.Config(rotating())
	backup := director(t, lab.Director, virtualRouter(lab, 100, "0.25", "")+config)
	becomes(t, backup, "BACKUP")
	if !has() {
		t.Error("keepalived has given way to a lower priority")
	}
	if err := backup.Stop(); err != nil {
		t.Fatal(err)
	}
	master := director(t, lab.Director, virtualRouter(lab, 150, "0.25", "")+config)
	becomes(t, master, "MASTER")
	await(t, "keepalived to give way", func() bool { return !has() })
	reached(t, lab, master)
	get(t, lab, 10)
	if err := master.Kill(); err != nil {
		t.Fatal(err)
	}
	await(t, "keepalived to step in", has)
	again := director(t, lab.Director, virtualRouter(lab, 150, "0.25", "")+config)
	becomes(t, again, "MASTER")
	await(t, "keepalived to give way again", func() bool { return !has() })
	reached(t, lab, again)
	get(t, lab, 10)
}
