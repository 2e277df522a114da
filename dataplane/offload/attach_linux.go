package offload

import (
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// An attachment is the program at the ingress of an interface.
type attachment struct {
	io.Closer
	how  string // "tcx" or "clsact"
	vips []netip.Addr
}

// attach has p look at what comes in by an interface: by tcx, which ends with this
// process, or on kernels before 6.6 by a filter of clsact.
func attach(p *ebpf.Program, ifindex int) (attachment, error) {
	l, err := link.AttachTCX(link.TCXOptions{Interface: ifindex, Program: p, Attach: ebpf.AttachTCXIngress})
	if err == nil {
		return attachment{Closer: l, how: "tcx"}, nil
	}
	if !errors.Is(err, ebpf.ErrNotSupported) {
		return attachment{}, fmt.Errorf("attach the program by tcx: %w", err)
	}
	f, err := attachClsact(p, ifindex)
	if err != nil {
		return attachment{}, err
	}
	return attachment{Closer: f, how: "clsact"}, nil
}

// filter is one of clsact. What an earlier process left is replaced.
type filter struct{ *netlink.BpfFilter }

// Close removes the filter; the qdisc stays, since others may use it.
func (f filter) Close() error {
	if err := netlink.FilterDel(f.BpfFilter); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("remove the filter: %w", err)
	}
	return nil
}

// ours is handle and priority of the filter: "lw".
const ours = 0x6c77

// attachClsact makes the filter, and the qdisc that it needs.
func attachClsact(p *ebpf.Program, ifindex int) (filter, error) {
	q := &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{LinkIndex: ifindex, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}}
	if err := netlink.QdiscAdd(q); err != nil && !errors.Is(err, unix.EEXIST) {
		return filter{}, fmt.Errorf("add a clsact qdisc: %w", err)
	}
	f := filter{&netlink.BpfFilter{
		FilterAttrs:  netlink.FilterAttrs{LinkIndex: ifindex, Parent: netlink.HANDLE_MIN_INGRESS, Handle: ours, Protocol: unix.ETH_P_ALL, Priority: ours},
		Fd:           p.FD(),
		Name:         "lvsdr",
		DirectAction: true,
	}}
	if err := netlink.FilterReplace(f.BpfFilter); err != nil {
		return filter{}, fmt.Errorf("attach the program as a filter of clsact: %w", err)
	}
	return f, nil
}
