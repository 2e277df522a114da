package offload

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"

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
	Pins      Pins
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
	pins    Pins
	unkept  string // why nothing is pinned, or was gone on with; "": it is

	mu       sync.Mutex
	attached map[int]attachment   // by interface index
	shielded map[int][]netip.Addr // by the process before, for interfaces that are not attached yet

	// Guarded by the director's lock, under which an Offloader's methods are called.
	used   uint32 // servers below this one have a next hop
	before uint64 // packets that the process before had counted

	left atomic.Bool // another process goes on

	// late are the next hops of servers that the process before had, and this one does not
	// know yet.
	lateMu sync.Mutex
	late   map[uint32]dataplane.NextHop // nil: it is settled
}

// Open makes the tables, or goes on with those that the process before has left, and loads
// the program. It needs CAP_BPF and CAP_NET_ADMIN in the initial user namespace (bpf(2));
// without them the error says so.
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
	o := &Offload{now: c.Now, pins: c.Pins, attached: map[int]attachment{}}
	adopted, err := o.openTables(sizes{c.Flows, c.Servers, maxVIPs})
	if err != nil {
		return nil, refusal(err)
	}
	if o.program, err = ebpf.NewProgram(assemble(o.tables.fds(), c.Mark)); err != nil {
		return nil, errors.Join(refusal(fmt.Errorf("load the BPF program: %w", err)), o.tables.close(), Unpin(o.pins.Dir))
	}
	if c.Peer {
		o.exits = newExits(o.tables, c.Servers)
	}
	o.Flows = newFlows(c.Core, o.tables, c.Flows, c.Servers, c.Threshold)
	if adopted {
		err = o.adopt()
	}
	if err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// openTables opens the tables, and reports whether they are those of the process before.
func (o *Offload) openTables(s sizes) (adopted bool, err error) {
	if o.pins.Dir != "" {
		if err := checkPins(o.pins.Dir); err != nil {
			o.unkept, o.pins.Dir = err.Error(), ""
		}
	}
	if o.pins.Dir != "" {
		var why string
		if o.tables, why, err = o.pins.pinned(s); o.tables != nil {
			return true, nil
		}
		switch {
		case err != nil:
			o.unkept = "what the process before has left cannot be opened: " + err.Error()
		case why != "":
			o.unkept = "what the process before has left is not gone on with: " + why
		}
		if err := Unpin(o.pins.Dir); err != nil {
			o.unkept, o.pins.Dir = err.Error(), ""
		}
	}
	if o.tables, err = newTables(s); err != nil {
		return false, err
	}
	if o.pins.Dir == "" {
		return false, nil
	}
	o.tables.own(o.pins.Own)
	if err := o.tables.pin(&o.pins); err != nil {
		o.unkept = errors.Join(err, Unpin(o.pins.Dir)).Error()
		o.pins.Dir = ""
	}
	return false, nil
}

// adopt goes on with what the process before has left: its flows stay until Settle, though this
// process does not serve their addresses, or know their servers, yet.
func (o *Offload) adopt() error {
	all, err := o.tables.each()
	if err != nil {
		return err
	}
	if o.shielded, err = o.tables.shielded(); err != nil {
		return fmt.Errorf("read the addresses of the shield: %w", err)
	}
	o.late = map[uint32]dataplane.NextHop{}
	for server := range o.tables.dests.MaxEntries() {
		if o.tables.on(server) {
			o.late[server] = dataplane.NextHop{}
		}
		n := o.tables.takenTotal(server)
		o.before += n.Packets
		if n.Packets > 0 || o.tables.total(server).Packets > 0 || o.tables.on(server) {
			o.used = server + 1
		}
	}
	o.Flows.adopt(all, o.now())
	o.tables.own(o.pins.Own)
	return nil
}

// Kept says where what the kernel has outlives this process, and why it does not, or why
// nothing of the process before was gone on with.
func (o *Offload) Kept() (dir, why string) { return o.pins.Dir, o.unkept }

// Settle ends what holds for what the process before has left: what this process does not
// serve is over, and flows to servers that it does not know are the director's.
func (o *Offload) Settle() error {
	o.lateMu.Lock()
	for server, to := range o.late {
		o.setServer(server, to)
	}
	o.late = nil
	o.lateMu.Unlock()
	o.settle(o.now())
	o.mu.Lock()
	defer o.mu.Unlock()
	var errs []error
	for i, vips := range o.shielded {
		a, attached := o.attached[i]
		errs = append(errs, o.tables.setVIPs(i, vips, a.vips))
		if !attached && o.pins.Dir != "" {
			if err := os.Remove(o.pins.link(i)); !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	o.shielded = nil
	return errors.Join(errs...)
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
	a, err := attach(o.program, ifindex, o.pins.link(ifindex))
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
	if slot >= o.servers {
		return // Flows takes none to it
	}
	o.used = max(o.used, slot+1)
	o.lateMu.Lock()
	defer o.lateMu.Unlock()
	if _, late := o.late[slot]; late && !to.Plain {
		o.late[slot] = to // its MAC address may not be known yet
		return
	}
	delete(o.late, slot)
	o.setServer(slot, to)
}

func (o *Offload) setServer(slot uint32, to dataplane.NextHop) {
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
	if slot >= o.servers || o.left.Load() {
		return conntrack.Load{}
	}
	n, was := o.tables.total(slot), o.tables.takenTotal(slot)
	o.tables.setTaken(slot, n)
	return conntrack.Load{Packets: n.Packets - was.Packets, Bytes: n.Bytes - was.Bytes}
}

// Packets is the dataplane's.
func (o *Offload) Packets() (n uint64) {
	for slot := range o.used {
		n += o.tables.total(slot).Packets
	}
	return n - o.before
}

// Events are those of dataplane.Flows.
type Events interface {
	Read(buf []conntrack.Flow) (n int, lost uint64)
}

// Tick tells the program the time, and takes back what is over in the director's table.
// It is to be called some times a second, from one goroutine.
func (o *Offload) Tick(now int64, events Events, buf []conntrack.Flow) error {
	if err := o.tables.setClock(now); err != nil {
		return err
	}
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
			return nil
		}
	}
}

// Leave has another process go on with all that is pinned: nothing is changed any more.
func (o *Offload) Leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.left.Store(true)
	o.attached = map[int]attachment{}
}

// Close takes the program from all interfaces and gives everything back, unless another process
// goes on.
func (o *Offload) Close() error {
	var errs []error
	for i := range o.Hooks() {
		errs = append(errs, o.Detach(i))
	}
	if !o.left.Load() {
		errs = append(errs, Unpin(o.pins.Dir))
	}
	return errors.Join(append(errs, o.program.Close(), o.tables.close())...)
}

var _ dataplane.Offloader = (*Offload)(nil)

// isPermission reports whether the kernel refused for want of a capability.
func isPermission(err error) bool { return errors.Is(err, fs.ErrPermission) }
