package main

import (
	"errors"
	"fmt"
	"net/netip"

	"lvsdr/control/doctor"
)

// server are the options of doctor --rs.
func (f *doctorFlags) server() (doctor.ServerOptions, error) {
	o := doctor.ServerOptions{Port: f.port}
	for _, s := range f.vips {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return o, fmt.Errorf("--vip %q: not an IP address", s)
		}
		o.VIPs = append(o.VIPs, a.Unmap())
	}
	tunnels, err := f.tun.tunnels()
	if err != nil {
		return o, err
	}
	if len(tunnels) > 0 {
		o.Tunnel = tunnels[0]
	}
	if f.director != "" {
		if o.Director, err = netip.ParseAddr(f.director); err != nil {
			return o, fmt.Errorf("--director: %w", err)
		}
	}
	switch {
	case o.Director.IsValid() && o.Tunnel.Kind != "":
		return o, errors.New("--director is for NAT and --tun for tunnels")
	case len(o.VIPs) == 0 && !o.Director.IsValid():
		return o, errors.New("--rs needs the virtual address: --vip ADDR")
	}
	for _, vip := range o.VIPs {
		if err := o.Check(vip); err != nil {
			return o, err
		}
	}
	return o, nil
}
