package ladder

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	hook "github.com/cilium/ebpf/link"

	"lvsdr/bench/netlab"
)

// drop is TC_ACT_SHOT, <linux/pkt_cls.h>.
const drop = 2

// sink has the real server's kernel count the frames that come by eth0, and drop them at once, until end is
// called: what more they cost is not the forwarder's, on whose CPU it happens. All hosts have learnt the
// interface's address; it gets another, and the kernel takes the frames for somebody else's. By bpf_redirect_peer
// they come without being compared with the address, so that where programs may be loaded one drops them.
func (s *site) sink() (end func() error, err error) {
	n, none := s.Servers[0], func() error { return nil }
	l, err := n.Netlink().LinkByName(netlab.Ifname)
	if err == nil {
		err = n.Netlink().LinkSetHardwareAddr(l, netlab.MAC(netlab.RoleOther, 1))
	}
	if err != nil {
		return nil, fmt.Errorf("change the real server's address: %w", err)
	}
	if s.live.Offload != "" {
		return none, nil
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "lvsdr_bench", Type: ebpf.SchedCLS, License: "Apache-2.0",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, drop), asm.Return()}})
	if err != nil {
		return nil, fmt.Errorf("load a program that drops frames: %w", err)
	}
	defer func() { err = errors.Join(err, p.Close()) }() // the link has it
	var at hook.Link
	err = n.Do(func() (err error) {
		at, err = hook.AttachTCX(hook.TCXOptions{Interface: l.Attrs().Index, Program: p, Attach: ebpf.AttachTCXIngress})
		return err
	})
	if errors.Is(err, ebpf.ErrNotSupported) { // before Linux 6.6
		return none, nil
	}
	if err != nil {
		return nil, fmt.Errorf("have the real server drop frames: %w", err)
	}
	return at.Close, nil
}
