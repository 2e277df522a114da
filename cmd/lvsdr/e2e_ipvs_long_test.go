//go:build long

package main_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
)

func TestFragmentedDatagramsArriveWhole(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			lab := newLab(t, netlab.Spec{Net: f.lan, Servers: weighted(1, 1, 1)})
			for _, rs := range lab.Servers {
				serveUDP(t, lab, rs, bytes.Clone)
			}
			d := direct(t, lab, udpService(lab, ""))
			for i := range 12 {
				// The kernel might choose a port that it has chosen before.
				from := netip.AddrPortFrom(lab.Clients[0].Addr, uint16(firstPort+i))
				c, err := lab.Clients[0].DialFrom(t.Context(), "udp", from, vipPort(lab))
				if err != nil {
					t.Fatal(err)
				}
				sent := bytes.Repeat([]byte{byte(i)}, 8<<10)
				buf := make([]byte, 1<<16)
				if _, err := c.Write(sent); err != nil {
					t.Fatal(err)
				}
				_ = c.SetReadDeadline(time.Now().Add(patience))
				n, err := c.Read(buf)
				c.Close()
				if err != nil || !bytes.Equal(buf[:n], sent) {
					t.Fatalf("datagram %d: %d bytes came back: %v", i, n, err)
				}
			}
			st := status(t, d)
			if st.Reasons["fragment-followed"] < 12*5 {
				t.Errorf("%d fragments followed their first, want 60 at least", st.Reasons["fragment-followed"])
			}
			for _, s := range st.Services[0].Servers {
				if s.Traffic.Conns != 4 {
					t.Errorf("%s got %d datagrams of 12, want 4", s.Address, s.Traffic.Conns)
				}
			}
		})
	}
}

func TestTheIPv6LabShowsTheSame(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	tmp := shortDir(t)
	cmd := labCommand(t.Context(), tmp)
	cmd.Args = append(cmd.Args, "--ipv6")
	checkLab(t, cmd, tmp)
}
