package offload

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

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

// A tcx is an attachment by tcx. It ends with this process, unless it is pinned.
type tcx struct {
	link.Link
	pinned bool
}

// Close ends it.
func (t tcx) Close() error {
	var err error
	if t.pinned {
		err = t.Unpin()
	}
	return errors.Join(err, t.Link.Close())
}

// attach has p look at what comes in by an interface: by tcx, kept at pin unless that is
// empty, or on kernels before 6.6 by a filter of clsact. It takes the place of what an earlier
// process has left there.
func attach(p *ebpf.Program, ifindex int, pin string) (attachment, error) {
	if l := inherited(p, ifindex, pin); l != nil {
		return attachment{Closer: tcx{l, true}, how: "tcx"}, nil
	}
	l, err := link.AttachTCX(link.TCXOptions{Interface: ifindex, Program: p, Attach: ebpf.AttachTCXIngress})
	if err == nil {
		if pin != "" {
			if err := l.Pin(pin); err != nil {
				return attachment{}, errors.Join(fmt.Errorf("keep the attachment: %w", err), l.Close())
			}
		}
		return attachment{Closer: tcx{l, pin != ""}, how: "tcx"}, nil
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

// inherited is the attachment at pin, with p in it; nil: there is none at this interface, and none
// at pin any more.
func inherited(p *ebpf.Program, ifindex int, pin string) link.Link {
	if pin == "" {
		return nil
	}
	l, err := link.LoadPinnedLink(pin, nil)
	if err != nil {
		_ = os.Remove(pin) // Pin says if it stays
		return nil
	}
	if i, err := l.Info(); err == nil && i.TCX() != nil && int(i.TCX().Ifindex) == ifindex && l.Update(p) == nil {
		return l
	}
	_ = tcx{l, true}.Close() // as above
	return nil
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
