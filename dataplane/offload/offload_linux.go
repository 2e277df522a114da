package offload

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
)

// Config says how much the kernel may forward.
type Config struct {
	Core Core
	// Now is the director's clock, ns; required.
	Now func() int64
	// Mark is the mark (skb->mark) of frames to a VIP that the program leaves to the
	// director. Together with the packet type it keeps them from the host's stack, and lets
	// the director's sockets tell them from frames to other hosts.
	Mark      uint32
	Flows     int   // connections of each family; 0: 65536
	Servers   int   // 0: 16384
	Threshold uint8 // packets of a connection before the kernel forwards it; 0: Threshold
	// Peer has frames go to the peer of the interface by which they leave, where it has one in
	// another namespace: faster, and unseen by captures and queueing disciplines.
	Peer bool
}

const (
	defaultFlows   = 1 << 16
	defaultServers = 1 << 14
	maxVIPs        = 1 << 14
)

// An Offload is the program with its tables. It is a dataplane.Offloader.
type Offload struct {
	*Flows
	tables  *tables
	program *ebpf.Program
	exits   *exits // nil: no frame goes to a peer
	now     func() int64

	mu       sync.Mutex
	attached map[int]attachment // by interface index

	// Guarded by the director's lock, under which an Offloader's methods are called.
	taken []conntrack.Load // by server: what Load has given
	used  uint32           // servers below this one have a next hop
}

// Open makes the tables and loads the program. It needs CAP_BPF and CAP_NET_ADMIN in the
// initial user namespace (bpf(2)); without them the error says so.
func Open(c Config) (*Offload, error) {
	if c.Flows == 0 {
		c.Flows = defaultFlows
	}
	if c.Servers == 0 {
		c.Servers = defaultServers
	}
	if c.Threshold == 0 {
		c.Threshold = Threshold
	}
	_ = rlimit.RemoveMemlock() // before Linux 5.11 maps count as locked memory; what is missing then is told below
	t, err := newTables(c.Flows, c.Servers, maxVIPs)
	if err != nil {
		return nil, refusal(err)
	}
	p, err := ebpf.NewProgram(assemble(t.fds(), c.Mark))
	if err != nil {
		return nil, errors.Join(refusal(fmt.Errorf("load the BPF program: %w", err)), t.close())
	}
	o := &Offload{Flows: newFlows(c.Core, t, c.Flows, c.Servers, c.Threshold), tables: t, program: p, now: c.Now,
		attached: map[int]attachment{}, taken: make([]conntrack.Load, c.Servers)}
	if c.Peer {
		o.exits = newExits(t, c.Servers)
	}
	return o, nil
}

// refusal says what is missing where the kernel refuses.
func refusal(err error) error {
	if errors.Is(err, ebpf.ErrNotSupported) {
		return fmt.Errorf("%w; it takes Linux 5.11 with BPF", err)
	}
	if isPermission(err) {
		return fmt.Errorf("%w; it takes CAP_BPF and CAP_NET_ADMIN outside of user namespaces", err)
	}
	return err
}

// Attach has the kernel forward flows whose frames come in by an interface, and shields the
// host's stack from frames to vips there; how is by which hook.
func (o *Offload) Attach(ifindex int, vips []netip.Addr) (how string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if a, ok := o.attached[ifindex]; ok {
		return a.how, o.setVIPs(ifindex, vips)
	}
	a, err := attach(o.program, ifindex)
	if err != nil {
		return "", refusal(err)
	}
	o.attached[ifindex] = a
	return a.how, o.setVIPs(ifindex, vips)
}

// SetVIPs says to which addresses the kernel forwards frames at an interface, and from
// which the host's stack is shielded there. When it returns, the flows to all others that
// came in there are the director's again.
func (o *Offload) SetVIPs(ifindex int, vips []netip.Addr) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.setVIPs(ifindex, vips)
}

func (o *Offload) setVIPs(ifindex int, vips []netip.Addr) error {
	a := o.attached[ifindex]
	if err := o.tables.setVIPs(ifindex, a.vips, vips); err != nil {
		return err
	}
	o.serve(int32(ifindex), vips, o.now())
	a.vips = slices.Clone(vips)
	o.attached[ifindex] = a
	return nil
}

// Detach ends that. The next frames of all flows go up.
func (o *Offload) Detach(ifindex int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	a, ok := o.attached[ifindex]
	if !ok {
		return nil
	}
	err := o.setVIPs(ifindex, nil)
	delete(o.attached, ifindex)
	return errors.Join(err, a.Close())
}

// Hooks are by what the interfaces have the program, by index.
func (o *Offload) Hooks() map[int]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	hooks := make(map[int]string, len(o.attached))
	for i, a := range o.attached {
		hooks[i] = a.how
	}
	return hooks
}

// SetNextHop is the dataplane's.
func (o *Offload) SetNextHop(slot uint32, to dataplane.NextHop) {
	if int(slot) >= len(o.taken) {
		return // Flows takes none to it
	}
	o.used = max(o.used, slot+1)
	if o.exits == nil {
		o.tables.setServer(slot, to, false)
	} else {
		o.exits.set(slot, to)
	}
}

// Exits are the interfaces by which frames leave, if they may go to the peers of those, by index: why
// they do not; "" where they do.
func (o *Offload) Exits() map[int]string {
	if o.exits == nil {
		return nil
	}
	return o.exits.all()
}

// Load is the dataplane's.
func (o *Offload) Load(slot uint32) conntrack.Load {
	if int(slot) >= len(o.taken) {
		return conntrack.Load{}
	}
	n, was := o.tables.total(slot), o.taken[slot]
	o.taken[slot] = n
	return conntrack.Load{Packets: n.Packets - was.Packets, Bytes: n.Bytes - was.Bytes}
}

// Packets is the dataplane's.
func (o *Offload) Packets() (n uint64) {
	for slot := range o.used {
		n += o.tables.total(slot).Packets
	}
	return n
}

// Events are those of dataplane.Flows.
type Events interface {
	Read(buf []conntrack.Flow) (n int, lost uint64)
}

// Tick tells the program the time, and takes back what is over in the director's table.
// It is to be called some times a second, from one goroutine.
func (o *Offload) Tick(now int64, events Events, buf []conntrack.Flow) {
	o.tables.setClock(now)
	if o.exits != nil {
		o.exits.look(now)
	}
	for {
		n, lost := events.Read(buf)
		for i := range buf[:n] {
			if buf[i].Event != conntrack.FlowNew {
				k := buf[i].Key()
				o.Recheck(&k, now)
			}
		}
		if lost > 0 {
			o.Check(now)
		}
		if n < len(buf) {
			return
		}
	}
}

// Close takes the program from all interfaces and gives everything back.
func (o *Offload) Close() error {
	var errs []error
	for i := range o.Hooks() {
		errs = append(errs, o.Detach(i))
	}
	return errors.Join(append(errs, o.program.Close(), o.tables.close())...)
}

var _ dataplane.Offloader = (*Offload)(nil)

// isPermission reports whether the kernel refused for want of a capability.
func isPermission(err error) bool { return errors.Is(err, fs.ErrPermission) }
