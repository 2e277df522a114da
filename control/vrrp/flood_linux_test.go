package vrrp_test

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"lvsdr/control/vrrp"
)

// flood sends packets from the host of keepalived as fast as it can, until stop is called, which returns their number.
func (r *rig) flood(p vrrp.Packet) (stop func() int64) {
	r.t.Helper()
	var fd int
	err := r.far.Do(func() (err error) {
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, vrrp.Protocol); err != nil {
			return err
		}
		return errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_HDRINCL, 1), unix.BindToDevice(fd, segment))
	})
	if err != nil {
		r.t.Fatal(err)
	}
	header := append([]byte{4<<4 | 5, 0xc0, 0, 0, 0, 0, 0, 0, vrrp.TTL, vrrp.Protocol, 0, 0}, p.Src.AsSlice()...) // the kernel fills the rest
	packet := append(append(header, p.Dst.AsSlice()...), p.Payload...)
	var sent, ended atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ended.Load() == 0 {
			if unix.Sendto(fd, packet, 0, &unix.SockaddrInet4{Addr: p.Dst.As4()}) == nil {
				sent.Add(1)
			}
		}
	}()
	return func() int64 {
		ended.Store(1)
		<-done
		_ = unix.Close(fd) // nothing is expected of it
		return sent.Load()
	}
}

// Adverts with a wrong checksum, and of another router, come as fast as a host can send them: the master is still heard.
func TestAFloodDoesNotDrownTheMaster(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		id   uint8
	}{{"of the instance", 51}, {"of another one", 52}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			i := router(0, func(i *vrrp.Instance) { i.Interval = 300 * time.Millisecond })
			one := r.router(r.far, with(i, vrrp.Owner)) // master at once
			one.is("MASTER")
			us := r.router(r.ours, with(i, 100))
			us.is("BACKUP")
			next(t, r.capture(r.ours, layers.EthernetTypeIPv4)) // an advert: us knows the master when the flood comes
			src, group := netip.MustParseAddr("10.9.0.77"), netip.MustParseAddr("224.0.0.18")
			a := vrrp.Advert{Version: 3, ID: tt.id, Priority: 200, Interval: 300 * time.Millisecond}
			b := a.Append(nil, src, group, group)
			b[7]++
			stop := r.flood(vrrp.Packet{Src: src, Dst: group, Payload: b})
			time.Sleep(time.Second) // about the master-down interval
			sent := stop()
			s := us.stop()[0]
			heard := s.Stats.Received[vrrp.Accepted]
			t.Logf("%d packets sent, %d were looked at, and %d adverts of the master; it became master %d times",
				sent, s.Stats.Received[vrrp.BadChecksum], heard, s.Stats.Became)
			if heard < 2 || sent == 0 { // one was before the flood
				t.Error("the master was not heard")
			}
		})
	}
}
