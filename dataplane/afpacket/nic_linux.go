package afpacket

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/dataplane"
)

var _ dataplane.NIC = (*NIC)(nil)

// A NIC receives on one interface and sends by any. Recv and Send are for one
// goroutine, best locked to its thread; Wake, Stop, Stats, SetVIPs and Close may be
// called from others, Close only after Recv and Send have ended.
type NIC struct {
	name  string
	index int
	fd    int // packet socket for all but SYNs, not known to Go's network poller
	wake  int // eventfd; readable once Stop or Wake was called
	mem   []byte

	// The worker's own.
	ring    ring
	syns    syns
	hook    hook
	queue   queue
	spin    spinner
	spinFor time.Duration
	opened  time.Time
	tx      sender
	xdps    []*xdp         // one for each interface that full batches leave by
	polled  [3]unix.PollFd // see below
	down    bool           // the interface was down when last heard of
	batches uint32
	token   [8]byte // what nudged reads

	stopped   atomic.Bool
	received  atomic.Uint64
	missed    atomic.Uint64
	missedSYN atomic.Uint64
	truncated atomic.Uint64
	sent      atomic.Uint64
	sendFull  atomic.Uint64
	sendError atomic.Uint64

	sentXDP atomic.Uint64

	protocol   int                      // of the sockets
	mark       uint32                   // Config.Mark
	neighbours bool                     // Config.Neighbours6
	routers    atomic.Bool              // SetRouters
	backward   atomic.Pointer[backward] // SetBackward
	useXDP     bool                     // Config.XDP
	visible    atomic.Bool              // SetVisible
	looks      atomic.Uint32            // calls of SetVisible(false)
	xdpError   atomic.Pointer[error]

	mu      sync.Mutex // held where sockets and wake are used beside the worker
	closed  bool
	once    [8]byte   // what signal writes; a local one would be allocated
	groups  []group   // joined; sorted
	reports listeners // of the groups
	filters filters   // others is nil: they let nothing in yet
	// The socket for SYNs that is in the kernel's list, if synHooked, or will be next;
	// leaving: the one before it still is.
	synFD              int
	synHooked, leaving bool
}

// What NIC.polled has.
const (
	pollSocket = iota
	pollWake
	pollSYNs
)

// Open opens one NIC. It needs CAP_NET_RAW, see packet(7).
func Open(cfg Config) (*NIC, error) {
	nics, err := OpenGroup(cfg, 1)
	if err != nil {
		return nil, err
	}
	return nics[0], nil
}

// OpenGroup opens n NICs that share the frames of the interface by the
// kernel's flow hash (PACKET_FANOUT_HASH): each frame is handed out by exactly
// one of them, all frames of a flow by the same. Fragments, of which only the
// first has ports, are hashed by addresses and protocol alone, the first too:
// all of a datagram come to one NIC, as they are, but not always to the one
// that gets the whole datagrams of the flow (__skb_get_hash_symmetric in
// net/core/flow_dissector.c).
//
// Each NIC has to be closed. A group loses the share of a NIC that is closed
// or not read, so use and close them together.
func OpenGroup(cfg Config, n int) ([]*NIC, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if n < 1 {
		return nil, fmt.Errorf("open %d NICs on %s", n, cfg.Interface.Name)
	}
	nics := make([]*NIC, 0, n)
	if err := openAll(cfg, n, &nics); err != nil {
		for _, p := range nics {
			_ = p.Close()
		}
		return nil, err
	}
	return nics, nil
}

// openAll opens n NICs, and opens their filters only after all have joined the
// group: before that each would get every frame.
func openAll(cfg Config, n int, nics *[]*NIC) error {
	for range n {
		p, err := newNIC(cfg)
		if err != nil {
			return err
		}
		*nics = append(*nics, p)
	}
	if err := mapRings(*nics, cfg); err != nil {
		return err
	}
	if n > 1 || cfg.Fanout != 0 {
		if err := joinGroupsOf(*nics, cfg.Fanout); err != nil {
			return fmt.Errorf("NICs of %s: %w", cfg.Interface.Name, err)
		}
	}
	for _, p := range *nics {
		p.SetBackward(cfg.Sources, cfg.Errors)
		if err := p.SetVIPs(cfg.VIPs); err != nil {
			return err
		}
	}
	if n == 1 && cfg.Fanout == 0 {
		(*nics)[0].startHook(cfg)
	}
	return nil
}

// mapRings gives NICs their rings, all at once: for each the kernel waits until all
// CPUs have left the code that receives (synchronize_net), 10 to 100 ms.
func mapRings(nics []*NIC, cfg Config) error {
	errs := make([]error, SocketsPerNIC*len(nics))
	var all sync.WaitGroup
	for i, p := range nics {
		l := cfg.layout(growQueue(p.fd))
		p.queue.init(p.fd, l.slots(), cfg.MaxFrame)
		all.Go(func() { errs[SocketsPerNIC*i] = p.mapRing(cfg, l) })
		p.hook.base = l.slots() + queueRoom
		all.Go(func() { errs[SocketsPerNIC*i+1] = p.syns.mapRing(cfg, p.hook.base) })
	}
	all.Wait()
	return cmp.Or(errs...)
}

// mapRing gives the socket for all but SYNs its ring.
func (p *NIC) mapRing(cfg Config, l layout) (err error) {
	if p.mem, err = mapRing(p.fd, cfg, l); err != nil {
		return err
	}
	p.ring, err = newRing(p.mem, l)
	p.ring.marked = cfg.Mark != 0
	return err
}

// joinGroupsOf makes the sockets of NICs members of fan-out group id, and those for SYNs
// of the next one; 0: of two new ones. The kernel chooses a member by hash and place in
// the group: where both have the sockets in the same order, all frames of a flow come to
// the same NIC.
func joinGroupsOf(nics []*NIC, id uint16) error {
	var others, syns []int
	for _, p := range nics {
		others, syns = append(others, p.fd), append(syns, p.syns.fd)
	}
	if err := joinAll(others, id); err != nil {
		return err
	}
	if id != 0 {
		id++
	}
	return joinAll(syns, id)
}

// joinAll makes sockets members of fan-out group id; 0: of a new one. What the
// kernel chose is not compared with 0, which it may be: NICs that took it for
// "choose one" once were in a group each, and each frame came out of all.
func joinAll(fds []int, id uint16) (err error) {
	for i, fd := range fds {
		if i == 0 && id == 0 {
			id, err = createFanout(fd)
		} else {
			err = joinFanout(fd, id, fanoutMode)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// newNIC opens a NIC without rings, whose filters let nothing in yet.
func newNIC(cfg Config) (*NIC, error) {
	p := &NIC{name: cfg.Interface.Name, index: cfg.Interface.Index, fd: -1, wake: -1, syns: syns{fd: -1},
		spinFor: cfg.Spin, opened: time.Now(), protocol: cmp.Or(int(cfg.Protocol), unix.ETH_P_ALL), mark: cfg.Mark, neighbours: cfg.Neighbours6, useXDP: cfg.XDP}
	if p.spin.fixed = cfg.Spin > 0; cfg.Spin == 0 {
		p.spinFor = adaptiveSpin
	}
	p.tx.init()
	if err := p.open(cfg.Interface); err != nil {
		_ = p.Close()
		return nil, err
	}
	for i, fd := range [...]int{pollSocket: p.fd, pollWake: p.wake, pollSYNs: p.syns.fd} {
		p.polled[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	}
	return p, nil
}

// open opens the descriptors of a NIC.
func (p *NIC) open(ifi *net.Interface) (err error) {
	if p.fd, err = openSocket(ifi, p.protocol); err != nil {
		return err
	}
	if p.syns.fd, err = openSocket(ifi, p.protocol); err != nil {
		return err
	}
	p.synFD, p.synHooked = p.syns.fd, true
	if p.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("open NIC %s: %w", p.name, os.NewSyscallError("eventfd", err))
	}
	return nil
}

// SetRouters says whether frames to the MAC address of a virtual router are handed out,
// too, from the next SetVIPs on.
func (p *NIC) SetRouters(on bool) { p.routers.Store(on) }

// SetBackward replaces the addresses of servers whose answers go back by this host, and
// says whether ICMP errors are handed out whatever their destination is, from the next
// SetVIPs on.
func (p *NIC) SetBackward(sources []netip.Addr, errors bool) {
	p.backward.Store(&backward{slices.Clone(sources), errors})
}

// SetVIPs replaces the addresses whose frames are handed out, at once and
// without losing a frame of those that stay. The groups of new addresses are
// joined before, those of addresses that go are left after. On an error nothing
// has changed.
func (p *NIC) SetVIPs(vips []netip.Addr) error {
	f, err := newFilters(vips, *p.backward.Load(), p.neighbours, arrival{p.routers.Load(), p.mark})
	if err != nil {
		return fmt.Errorf("NIC %s: %w", p.name, err)
	}
	want := solicitedGroups(vips)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return os.ErrClosed
	}
	fresh := without(want, p.groups)
	if err := joinGroups(p.fd, p.index, fresh); err != nil {
		return fmt.Errorf("NIC %s: %w", p.name, err)
	}
	if err := p.attach(f); err != nil {
		leaveGroups(p.fd, p.index, fresh)
		return fmt.Errorf("NIC %s: %w", p.name, err)
	}
	gone := without(p.groups, want)
	leaveGroups(p.fd, p.index, gone)
	p.reports.leave(p.index, gone)
	p.reports.join(p.index, want) // those too that could not be joined before
	p.groups = want
	return nil
}

// attach swaps the filters: all, or with an error none. The caller holds p.mu.
func (p *NIC) attach(f filters) error {
	if p.hook.wide.Load() {
		if err := attach(p.fd, f.all); err != nil {
			return err
		}
		p.filters = f
		return nil
	}
	if err := attach(p.fd, f.others); err != nil {
		return err
	}
	if err := attach(p.synFD, f.syns); err != nil {
		if p.filters.others != nil {
			err = errors.Join(err, attach(p.fd, p.filters.others))
		}
		return err
	}
	p.filters = f
	return nil
}

// statsEvery is after how many batches the worker reads the kernel's drop
// counter by itself, so that its 32 bits cannot wrap unseen.
const statsEvery = 1 << 16

// Recv gives the slots of the last batch back and fills b with what is there,
// waiting for the first frame: first by watching the ring, if that paid
// lately, then in poll(2). An interface that goes down is waited for; one that
// was deleted is an error.
func (p *NIC) Recv(b *dataplane.Batch) error {
	p.release()
	p.takeOver()
	b.Packets, b.Replies, b.In = b.Packets[:0], b.Replies[:0], int32(p.index)
	if p.batches++; p.batches%statsEvery == 0 {
		p.readMissed(p.syns.fd)
	}
	watched := false
	for !p.stopped.Load() {
		room := b.Packets[:min(cap(b.Packets), dataplane.MaxBatch)]
		if b.Packets = room[:p.take(room)]; len(b.Packets) > 0 {
			p.received.Add(uint64(len(b.Packets)))
			p.observe(b.Packets)
			// A look ahead in the ring costs a cache miss: only a full batch is worth it.
			p.down, b.Pressed = false, len(b.Packets) == dataplane.MaxBatch && p.ring.pressed()
			return nil
		}
		p.release()
		if !watched && p.spinPays() {
			watched = true
			hit := p.watch()
			p.spin.done(hit)
			if hit {
				continue
			}
		}
		if err := p.sleep(); err != nil {
			return err
		}
		if p.nudged() {
			return nil
		}
	}
	return os.ErrClosed
}

// takeOthers is how many of pkts it has filled with frames that are no SYNs and came
// before until.
func (p *NIC) takeOthers(pkts []dataplane.Packet, until int64) int {
	t := p.ring.take(pkts, queueRoom-p.queue.used, until)
	if t.cut > 0 {
		p.truncated.Add(uint64(t.cut))
	}
	if t.queued == 0 {
		return t.n
	}
	n := 0
	for i := range pkts[:t.n] {
		if pkts[i].Data != nil || p.queue.receive(&pkts[i]) {
			pkts[n] = pkts[i]
			n++
		} else {
			p.truncated.Add(1)
		}
	}
	return n
}

// release gives the frames of the last batch back.
func (p *NIC) release() {
	p.ring.release()
	p.syns.ring.release()
	p.queue.used = 0
}

// message is the virtio_net_hdr and the frame of k, where they lie; nil if k is
// not a frame of the last batch.
func (p *NIC) message(k *dataplane.Packet) []byte {
	i := int(k.Slot) - len(p.ring.offs)
	switch {
	case i < 0:
		return p.ring.message(k)
	case i < queueRoom:
		return p.queue.message(i, k)
	}
	return p.syns.ring.message(k)
}

// Times for poll, in milliseconds.
const (
	downPoll  = 100 // how often to look whether an interface that is down still exists
	errorPoll = 10  // how long to let a socket be that reports an error without a cause
)

// sleep waits until there may be frames, or Stop is called, or the state of the
// interface has to be looked at. An error ends the NIC.
func (p *NIC) sleep() error {
	timeout := -1
	if p.down {
		timeout = downPoll
	}
	p.polled[pollSocket].Revents, p.polled[pollSYNs].Revents = 0, 0
	_, err := unix.Poll(p.polled[:], timeout)
	if err != nil && err != unix.EINTR {
		return fmt.Errorf("receive on %s: %w", p.name, os.NewSyscallError("poll", err))
	}
	if (p.polled[pollSocket].Revents|p.polled[pollSYNs].Revents)&unix.POLLERR == 0 {
		if p.down {
			return p.checkExists()
		}
		return nil
	}
	return p.socketErrors()
}

// socketErrors deals with an error that a socket reports: once, reading it clears it.
// Both report one of the interface.
func (p *NIC) socketErrors() error {
	down := false
	for _, fd := range [...]int{p.fd, p.syns.fd} {
		code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil {
			return fmt.Errorf("receive on %s: %w", p.name, os.NewSyscallError("getsockopt SO_ERROR", err))
		}
		switch errno := unix.Errno(code); errno {
		case unix.ENXIO, unix.ENODEV:
			return fmt.Errorf("receive on %s: interface is gone: %w", p.name, errno)
		case unix.ENETDOWN:
			down = true
		}
	}
	if down {
		p.down = true
		return p.checkExists()
	}
	p.pause(errorPoll)
	return nil
}

// checkExists finds out whether the interface was deleted: then the socket is
// bound to index -1 (packet_notifier in net/packet/af_packet.c).
func (p *NIC) checkExists() error {
	sa, err := unix.Getsockname(p.fd)
	if err != nil {
		return fmt.Errorf("receive on %s: %w", p.name, os.NewSyscallError("getsockname", err))
	}
	if ll, ok := sa.(*unix.SockaddrLinklayer); ok && ll.Ifindex != p.index {
		return fmt.Errorf("receive on %s: interface is gone: %w", p.name, unix.ENODEV)
	}
	return nil
}

// SetVisible says whether all that is sent is to be seen by who captures on the
// interface: what goes by the AF_XDP socket of [Config.XDP] is not. Where the kernel
// refused such a socket, each SetVisible(false) has the NIC try once more.
func (p *NIC) SetVisible(on bool) {
	p.visible.Store(on)
	if !on {
		p.looks.Add(1)
	}
}

// pause waits for ms milliseconds, or until Stop is called.
func (p *NIC) pause(ms int) {
	_, _ = unix.Poll(p.polled[pollWake:pollWake+1], ms)
	p.nudged() // else no later pause would be one
}

// nudged reports whether the last poll has met a Wake, and takes it away. What a Stop
// wrote may go with it: that is known by stopped too.
func (p *NIC) nudged() bool {
	wake := &p.polled[pollWake]
	if wake.Revents == 0 || p.stopped.Load() {
		return false
	}
	wake.Revents = 0
	_, _ = unix.Read(p.wake, p.token[:])
	return true
}

// Wake implements [dataplane.NIC].
func (p *NIC) Wake() { p.signal() }

// Stop implements [dataplane.NIC].
func (p *NIC) Stop() {
	p.stopped.Store(true)
	p.signal()
}

// signal makes the eventfd readable.
func (p *NIC) signal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		// Fails only when it is full, and readable therefore.
		p.once[len(p.once)-1] = 1
		_, _ = unix.Write(p.wake, p.once[:])
	}
}

// Close gives the ring and the socket back. Frames handed out are no longer
// valid. A second call does nothing.
func (p *NIC) Close() error {
	p.stopped.Store(true)
	p.hook.stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.missed.Add(readDrops(p.fd))
	p.closed = true
	p.reports.close()
	for _, x := range p.xdps {
		p.sendFull.Add(uint64(x.pending))
		x.close()
	}
	errs := []error{release(p.fd, p.mem), p.releaseSYNs(), release(p.wake, nil)}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close NIC %s: %w", p.name, err)
	}
	return nil
}

// readMissed moves the kernel's drop counters, which reading resets, to ours, with those
// of the socket syns.
func (p *NIC) readMissed(syns int) {
	p.missed.Add(readDrops(p.fd))
	p.missedSYN.Add(readDrops(syns))
}

// readDrops is how many frames found no room in the ring of the socket since the last
// call; none where there is no socket.
func readDrops(fd int) uint64 {
	st, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0
	}
	return uint64(st.Drops)
}

// Stats implements [dataplane.NIC]. The counters are read one after the other,
// not at one moment.
func (p *NIC) Stats() dataplane.NICStats {
	p.mu.Lock()
	if !p.closed {
		p.readMissed(p.synFD)
	}
	p.mu.Unlock()
	return dataplane.NICStats{
		Received:  p.received.Load(),
		Missed:    p.missed.Load(),
		MissedSYN: p.missedSYN.Load(),
		Truncated: p.truncated.Load(),
		Sent:      p.sent.Load(),
		SentXDP:   p.sentXDP.Load(),
		SendFull:  p.sendFull.Load(),
		SendError: p.sendError.Load(),
	}
}
