package vrrp_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/mdlayher/packet"

	"lvsdr/bench/netns"
	"lvsdr/control/vrrp"
)

// capture opens a packet socket on this end of the cable.
func (r *rig) capture(h *netns.Host, kind layers.EthernetType) *packet.Conn {
	r.t.Helper()
	var c *packet.Conn
	err := h.Do(func() error {
		ifi, err := net.InterfaceByName(segment)
		if err != nil {
			return err
		}
		c, err = packet.Listen(ifi, packet.Raw, int(kind), nil)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() }) // it was read from
	return c
}

// next is the next frame of VRRP, decoded by gopacket.
func next(t *testing.T, c *packet.Conn) gopacket.Packet {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patient)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 2048)
	for {
		n, _, err := c.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		p := gopacket.NewPacket(b[:n], layers.LayerTypeEthernet, gopacket.NoCopy)
		switch ip := p.NetworkLayer().(type) {
		case *layers.IPv4:
			if ip.Protocol == layers.IPProtocolVRRP {
				return p
			}
		case *layers.IPv6:
			if ip.NextHeader == layers.IPProtocolVRRP {
				return p
			}
		}
	}
}

// owner has the router speak at once.
func owner(i *vrrp.Instance) {
	i.StartMaster, i.Addresses = true, []netip.Addr{netip.MustParseAddr("10.9.0.100")}
}

// What is on the wire, as a decoder of somebody else reads it.
func TestAdvertsOnTheWire(t *testing.T) {
	t.Parallel()
	mac := func(s string) func(*vrrp.Instance) {
		return func(i *vrrp.Instance) {
			hw, err := net.ParseMAC(s)
			if err != nil {
				t.Fatal(err)
			}
			i.MAC = [6]byte(hw)
		}
	}
	peer := func(i *vrrp.Instance) {
		i.Peers, i.TTL = []vrrp.Peer{{Addr: netip.MustParseAddr("10.9.0.2")}}, 7
	}
	six := func(i *vrrp.Instance) { i.IPv6, i.Addresses = true, []netip.Addr{netip.MustParseAddr("fe80::100")} }
	for _, tt := range []struct {
		name          string
		i             vrrp.Instance
		src, dst, dip string // of the frame, empty: whatever; and the destination of the packet
		ttl           uint8
	}{
		{"version 2", router(vrrp.Owner, owner, v2, pass("sesame")), "", "01:00:5e:00:00:12", "224.0.0.18", 255},
		{"version 3", router(vrrp.Owner, owner), "", "01:00:5e:00:00:12", "224.0.0.18", 255},
		{"from a virtual MAC", router(vrrp.Owner, owner, mac("00:00:5e:00:01:33")), "00:00:5e:00:01:33", "01:00:5e:00:00:12", "224.0.0.18", 255},
		{"to a peer", router(vrrp.Owner, owner, peer), "", "", "10.9.0.2", 7},
		{"IPv6", router(vrrp.Owner, owner, six), "", "33:33:00:00:00:12", "ff02::12", 255},
		{"IPv6 from a virtual MAC", router(vrrp.Owner, owner, six, mac("00:00:5e:00:02:33")), "00:00:5e:00:02:33", "33:33:00:00:00:12", "ff02::12", 255},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			kind := layers.EthernetTypeIPv4
			if tt.i.IPv6 {
				kind = layers.EthernetTypeIPv6
			}
			c := r.capture(r.far, kind)
			r.router(r.ours, only(tt.i))
			p := next(t, c)
			eth := p.LinkLayer().(*layers.Ethernet)
			if tt.src != "" && eth.SrcMAC.String() != tt.src || tt.dst != "" && eth.DstMAC.String() != tt.dst {
				t.Errorf("frame from %v to %v, want from %s to %s", eth.SrcMAC, eth.DstMAC, tt.src, tt.dst)
			}
			var src, dst netip.Addr
			var payload []byte
			switch ip := p.NetworkLayer().(type) {
			case *layers.IPv4:
				if ip.TTL != tt.ttl || ip.TOS != 0xc0 || ip.Flags != 0 || ip.Length != uint16(20+len(ip.Payload)) {
					t.Errorf("header %+v", ip)
				}
				src, _ = netip.AddrFromSlice(ip.SrcIP.To4())
				dst, _ = netip.AddrFromSlice(ip.DstIP.To4())
				payload = ip.Payload
			case *layers.IPv6:
				if ip.HopLimit != tt.ttl || ip.TrafficClass != 0xc0 {
					t.Errorf("header %+v", ip)
				}
				src, _ = netip.AddrFromSlice(ip.SrcIP)
				dst, _ = netip.AddrFromSlice(ip.DstIP)
				payload = ip.Payload
			}
			if dst.String() != tt.dip || src.Is4() && src.String() != "10.9.0.1" || src.Is6() && !src.IsLinkLocalUnicast() {
				t.Errorf("packet from %v to %v, want to %s", src, dst, tt.dip)
			}
			var a vrrp.Advert
			if why := a.Decode(payload, src, dst, dst); why != vrrp.Accepted || a.Interval != tt.i.Interval || a.Priority != vrrp.Owner || a.Version != tt.i.Version {
				t.Errorf("%v: %+v", why, a)
			}
			if two, ok := p.Layer(layers.LayerTypeVRRP).(*layers.VRRPv2); ok && tt.i.Version == 2 {
				if two.VirtualRtrID != 51 || two.Priority != 255 || two.AdverInt != 1 || len(two.IPAddress) != 1 {
					t.Errorf("gopacket reads %+v", two)
				}
			} else if tt.i.Version == 2 {
				t.Errorf("gopacket does not read it: %v", p)
			}
		})
	}
}
