package main_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// claims sends gratuitous ARP replies from a client's host that claim the address of a
// real server, some each millisecond, until stop is closed; it returns how many.
func claims(t *testing.T, lab *network, rs *netlab.Node, stop <-chan struct{}) int {
	t.Helper()
	var n int
	err := lab.Clients[0].Do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		link, err := netlink.LinkByName(netlab.Ifname)
		if err != nil {
			return err
		}
		for ; ; n++ {
			select {
			case <-stop:
				return nil
			default:
			}
			mac := frame.MAC{2, 0, 0, 0x66, byte(n >> 8), byte(n)}
			f := build.ARP{Op: 2, SrcMAC: mac, DstMAC: frame.MAC{255, 255, 255, 255, 255, 255}, SenderMAC: mac, SenderIP: rs.Addr, TargetIP: rs.Addr, Pad: true}.Bytes()
			if err := unix.Sendto(fd, f, 0, &unix.SockaddrLinklayer{Ifindex: link.Attrs().Index, Halen: 6}); err != nil {
				return err
			}
			time.Sleep(time.Millisecond) // not to wait for something: it is the rate of the flood
		}
	})
	if err != nil {
		t.Error(err)
	}
	return n
}

// A flood of claims with ever new MAC addresses moves no real server: all requests
// beside it are served, and the log names what was claimed.
func TestAFloodOfClaimsLosesNoRequest(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	d := direct(t, lab, lab.Config(rotating()))
	stop, done := make(chan struct{}), make(chan int)
	go func() { done <- claims(t, lab, lab.Servers[0], stop) }()
	await(t, "the claims to be refused", func() bool { return strings.Contains(d.Log.String(), "event=real-server-claimed") })
	for range 10 {
		get(t, lab, 20)
	}
	close(stop)
	if n := <-done; n < 10 {
		t.Fatalf("only %d claims were sent: this test proves nothing", n)
	}
	for i, s := range status(t, d).Services[0].Servers {
		if s.MAC != lab.Servers[i].MAC.String() {
			t.Errorf("server %d is at %s, want %s", i+1, s.MAC, lab.Servers[i].MAC)
		}
	}
	if strings.Contains(d.Log.String(), "event=real-server-moved") {
		t.Error("a real server has moved")
	}
}

// A permanent neighbour entry of the kernel gives a real server's MAC address: it is not
// asked for, and as soon as the entry is gone it is.
func TestAPermanentNeighbourIsHonoured(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1)})
	d := direct(t, lab, lab.Config(rotating()))
	nl := lab.Director.Netlink()
	link, err := nl.LinkByName(netlab.Ifname)
	if err != nil {
		t.Fatal(err)
	}
	rs := lab.Servers[0]
	given := frame.MAC{2, 0, 0, 0, 0x55, 0x99}
	entry := &netlink.Neigh{LinkIndex: link.Attrs().Index, Family: netlink.FAMILY_V4, State: netlink.NUD_PERMANENT, IP: rs.Addr.AsSlice(), HardwareAddr: given[:]}
	at := func(mac string) func(*api.Status) bool {
		return func(st *api.Status) bool { return st.Services[0].Servers[0].MAC == mac }
	}
	if err := nl.NeighSet(entry); err != nil {
		t.Fatal(err)
	}
	if err := d.Await(t.Context(), at(given.String())); err != nil {
		t.Fatalf("the entry is not looked at: %v", err)
	}
	if err := nl.NeighDel(entry); err != nil {
		t.Fatal(err)
	}
	if err := d.Await(t.Context(), at(rs.MAC.String())); err != nil {
		t.Fatalf("the real server is not asked for when the entry is gone: %v", err)
	}
	get(t, lab, 5)
}
