package main_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/arp"
	"lvsdr/bench/netlab"
	"lvsdr/dataplane/frame"
)

// claims sends gratuitous ARP replies, or advertisements to all nodes, from a client's
// host that claim the address of a real server, one in every so long, until stop is closed;
// it returns how many.
func claims(t *testing.T, lab *network, rs *netlab.Node, every time.Duration, stop <-chan struct{}) int {
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
			p := arp.Packet{Op: arp.Reply, Dst: frame.MAC{255, 255, 255, 255, 255, 255}, SenderMAC: frame.MAC{2, 0, 0, 0x66, byte(n >> 8), byte(n)}, SenderIP: rs.Addr, TargetIP: rs.Addr}
			if rs.Addr.Is6() {
				p.Dst = frame.MAC{0x33, 0x33, 0, 0, 0, 1}
			}
			if err := unix.Sendto(fd, p.Frame(), 0, &unix.SockaddrLinklayer{Ifindex: link.Attrs().Index, Halen: 6}); err != nil {
				return err
			}
			time.Sleep(every) // not to wait for something: it is the rate of the flood
		}
	})
	if err != nil {
		t.Error(err)
	}
	return n
}

// checkPort is where acceptChecks listens.
const checkPort = 9000

// acceptChecks listens on checkPort of the real servers.
func acceptChecks(t *testing.T, lab *network) {
	t.Helper()
	for _, rs := range lab.Servers {
		l, err := rs.Listen("tcp", fmt.Sprintf(":%d", checkPort))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for c, err := l.Accept(); err == nil; c, err = l.Accept() {
				c.Close()
			}
		}()
	}
}

// kernelsMAC is the MAC address of a real server in the director's kernel.
func kernelsMAC(t *testing.T, lab *network, rs *netlab.Node) string {
	t.Helper()
	all, err := lab.Director.Netlink().NeighList(0, netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range all {
		if n.IP.String() == rs.Addr.String() {
			return n.HardwareAddr.String()
		}
	}
	return ""
}
