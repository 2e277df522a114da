package netns

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A HostConfig says how a Host is made. The zero value is an IPv4 host.
type HostConfig struct {
	// IPv6 switches IPv6 on, without duplicate address detection and router
	// solicitations. Default off: interfaces then send no IPv6 frame at all.
	IPv6 bool
}

// A Host is a network namespace, held open by a file descriptor. All methods
// may be used concurrently. After Close they return an error that wraps
// os.ErrClosed.
type Host struct {
	name    string
	own     bool // the program's own namespace, from Here
	nl      *netlink.Handle
	stamper *os.File // see openStamper; nil if the host did not get that far

	// jobs are run one after the other on the host's own thread, which stays
	// in the namespace until Close. Commands start there: a child with a death
	// signal is killed when the thread that started it ends, so a thread of
	// the runtime's pool, or one to be discarded, will not do.
	jobs chan func()
	gone chan error // how the thread ended

	mu      sync.Mutex // guards the fields below
	ns      *os.File   // nil after Close
	closers []*closer  // in the order of their making
}

// A closer gives back something a host made.
type closer struct{ fn func() error }

// NewHost makes a host: a new network namespace in which only lo exists, is up
// and nothing is forwarded or filtered. Settings a namespace may inherit from
// the machine (ip_forward, rp_filter, arp_*) are set to the kernel's defaults.
// The name is used in captures, drawings and errors.
func NewHost(name string, c HostConfig) (*Host, error) { return newHost(name, c, false) }

// Here is the host that the program itself is in, with the settings of a new
// one: for code under test that opens its sockets on threads of its own. It
// must be called Inside a world. Close removes the cables that Lay has laid to
// it.
func Here(name string, c HostConfig) (*Host, error) {
	if !Inside() {
		return nil, fmt.Errorf("make host %s: not inside a world", name)
	}
	return newHost(name, c, true)
}

func newHost(name string, c HostConfig, own bool) (*Host, error) {
	h := &Host{name: name, own: own, jobs: make(chan func()), gone: make(chan error, 1)}
	born := make(chan error)
	go func() { h.gone <- h.live(born) }()
	if err := <-born; err != nil {
		_ = <-h.gone // the same error
		return nil, fmt.Errorf("make host %s: %w", name, err)
	}
	if err := h.setUp(c); err != nil {
		return nil, errors.Join(fmt.Errorf("make host %s: %w", name, err), h.Close())
	}
	return h, nil
}

// live makes the namespace, unless it is the program's own, reports to born, and
// runs jobs in it until jobs is closed.
func (h *Host) live(born chan<- error) error {
	runtime.LockOSThread()
	home, err := currentNS()
	if err != nil {
		runtime.UnlockOSThread()
		born <- err
		return nil
	}
	defer home.Close()
	if !h.own {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			born <- fmt.Errorf("new network namespace: %w", err)
			return nil
		}
	}
	if h.ns, err = currentNS(); err == nil {
		h.nl, err = newNetlink()
	}
	if err != nil && h.ns != nil {
		h.ns.Close()
	}
	born <- err
	if err == nil {
		for job := range h.jobs {
			job()
		}
	}
	return leave(home)
}

// setUp brings lo up and sets what the namespace may have inherited.
func (h *Host) setUp(c HostConfig) error {
	if err := h.Do(func() error { return h.setDefaults(c) }); err != nil {
		return err
	}
	if err := setUp(h.nl, "lo"); err != nil {
		return err
	}
	return h.Do(func() (err error) {
		h.stamper, err = openStamper()
		return err
	})
}

// setDefaults sets what the namespace may have inherited. It is called inside
// the host.
func (h *Host) setDefaults(c HostConfig) error {
	v6off := "1"
	if c.IPv6 {
		v6off = "0"
	}
	for _, s := range []struct {
		key, value string
		optional   bool // the kernel may be built or booted without it
	}{
		{"net.ipv4.ip_forward", "0", false},
		{"net.ipv6.conf.all.disable_ipv6", v6off, !c.IPv6},
		{"net.ipv6.conf.default.disable_ipv6", v6off, !c.IPv6},
		{"net.ipv6.conf.all.forwarding", "0", true},
		{"net.ipv6.conf.all.accept_dad", "0", true},
		{"net.ipv6.conf.default.accept_dad", "0", true},
		{"net.ipv6.conf.default.accept_ra", "0", true},
		{"net.ipv6.conf.default.router_solicitations", "0", true},
		{"net.bridge.bridge-nf-call-iptables", "0", true},
		{"net.bridge.bridge-nf-call-ip6tables", "0", true},
		{"net.bridge.bridge-nf-call-arptables", "0", true},
	} {
		err := h.writeSysctl(s.key, s.value)
		if err != nil && (!s.optional || !errors.Is(err, os.ErrNotExist)) {
			return err
		}
	}
	for _, conf := range []string{"all", "default", "lo"} {
		for _, key := range []string{"rp_filter", "arp_ignore", "arp_announce", "arp_filter", "arp_notify", "proxy_arp", "accept_local"} {
			if err := h.writeSysctl("net.ipv4.conf."+conf+"."+key, "0"); err != nil {
				return err
			}
		}
	}
	return nil
}

// Name is the name given to NewHost.
func (h *Host) Name() string { return h.name }

// Do runs fn inside the host, on the calling goroutine, which is locked to its
// thread meanwhile. Goroutines that fn starts are not inside. Do may be
// nested, also with other hosts, and run concurrently.
//
// Should it be impossible to bring the thread back, Do says so and leaves the
// goroutine locked: no other goroutine ever runs on that thread, and the
// runtime discards it when the calling goroutine ends.
func (h *Host) Do(fn func() error) (err error) {
	runtime.LockOSThread()
	home, err := currentNS()
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter host %s: %w", h.name, err)
	}
	defer home.Close()
	if err := h.enter(); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter host %s: %w", h.name, err)
	}
	defer func() {
		if back := leave(home); back != nil {
			err = errors.Join(err, fmt.Errorf("leave host %s: %w", h.name, back))
		}
	}()
	return fn()
}

// enter moves the calling thread into the host.
func (h *Host) enter() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ns == nil {
		return os.ErrClosed
	}
	return unix.Setns(int(h.ns.Fd()), unix.CLONE_NEWNET)
}

// leave moves the calling thread to the namespace home and unlocks it. If that
// is impossible the thread stays locked and ends with its goroutine.
func leave(home *os.File) error {
	if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("return to network namespace: %w", err)
	}
	runtime.UnlockOSThread()
	return nil
}

// currentNS opens the network namespace of the calling thread.
func currentNS() (*os.File, error) { return os.Open("/proc/thread-self/ns/net") }

// Netlink is a route netlink handle in the host. It belongs to the host and
// must not be closed by the caller.
func (h *Host) Netlink() *netlink.Handle { return h.nl }

// Keep remembers fn, to be called by Close. The returned forget makes Close
// leave it out. An error means that the host is closed.
func (h *Host) Keep(fn func() error) (forget func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.keepLocked(fn)
}

func (h *Host) keepLocked(fn func() error) (forget func(), err error) {
	if h.ns == nil {
		return nil, fmt.Errorf("use host %s: %w", h.name, os.ErrClosed)
	}
	c := &closer{fn}
	h.closers = append(h.closers, c)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.closers = slices.DeleteFunc(h.closers, func(o *closer) bool { return o == c })
	}, nil
}

// Close ends the host: running commands are killed and waited for, captures
// and servers are stopped, idle client connections closed, and the namespace
// is given up. The kernel removes it, with its interfaces, when the last
// socket made in it is closed; connections from Dial and listeners from Listen
// belong to the caller. A second Close does nothing.
func (h *Host) Close() error {
	h.mu.Lock()
	if h.ns == nil {
		h.mu.Unlock()
		return nil
	}
	ns, closers := h.ns, h.closers
	h.ns, h.closers = nil, nil
	h.mu.Unlock()

	var errs []error
	for _, c := range slices.Backward(closers) {
		errs = append(errs, c.fn())
	}
	close(h.jobs)
	errs = append(errs, <-h.gone)
	h.nl.Close()
	if h.stamper != nil {
		errs = append(errs, h.stamper.Close())
	}
	errs = append(errs, ns.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close host %s: %w", h.name, err)
	}
	return nil
}
