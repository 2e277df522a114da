package afpacket

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/dataplane"
)

// A hook moves SYNs between their ring and the main ring, see heavyFrames. A goroutine
// of its own does what takes long: the kernel waits for all CPUs where a ring is made
// and where a socket leaves its list. A socket can enter the list at once only if it
// was never in it. So each time that SYNs leave their ring, a new socket with a new ring
// is made ready for their return, and the worker takes it over when the old ring is empty.
//
// A SYN that comes between two system calls may come by both rings; the server answers it
// twice. One is lost only if a CPU that has it stands still between the two sockets for
// the time of these calls, as that of a guest may; its client repeats it.
type hook struct {
	cfg  Config
	base int  // the number of packets in the first slot of a ring for SYNs
	on   bool // the goroutine runs

	load load // the worker's own

	wide    atomic.Bool          // SYNs come by the main ring
	next    atomic.Pointer[syns] // for the worker to take over; nil: nothing
	retired chan *syns           // what the worker gave up for it
	heavy   chan struct{}        // the worker's reports, see load
	flood   chan struct{}
	quit    chan struct{}
	done    chan struct{}
	stopped sync.Once

	// The goroutine's own.
	rule    hookRule
	pending bool // there is a next that was not taken over
}

// startHook lets SYNs change rings. Members of a fan-out group cannot.
func (p *NIC) startHook(cfg Config) {
	h := &p.hook
	h.cfg, h.on = cfg, true
	h.retired, h.heavy, h.flood = make(chan *syns, 1), make(chan struct{}, 1), make(chan struct{}, 1)
	h.quit, h.done = make(chan struct{}), make(chan struct{})
	go p.runHook()
}

// stop ends the goroutine. The worker must have ended.
func (h *hook) stop() {
	if h.on {
		h.stopped.Do(func() { close(h.quit) })
		<-h.done
	}
}

// observe tells the goroutine what the frames of a batch mean.
func (p *NIC) observe(pkts []dataplane.Packet) {
	h := &p.hook
	switch {
	case !h.on:
	case h.wide.Load():
		if h.load.flooded(pkts) {
			poke(h.flood)
		}
	case h.load.heavy(len(pkts)):
		poke(h.heavy)
	}
}

// poke sends, if nothing is waiting there.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// takeOver makes the next socket for SYNs the worker's, if the ring of the last one is
// empty. No frame may be held.
func (p *NIC) takeOver() {
	next := p.hook.next.Load()
	if next == nil || p.syns.ring.ready() {
		return
	}
	p.hook.next.Store(nil)
	p.syns, *next = *next, p.syns
	p.polled[pollSYNs].Fd = int32(p.syns.fd)
	p.hook.retired <- next // has room: there is no further next before this was received
}

// runHook is the goroutine.
func (p *NIC) runHook() {
	h := &p.hook
	defer close(h.done)
	calm := time.NewTicker(calmEvery)
	defer calm.Stop()
	calm.Stop()
	for {
		select {
		case <-h.quit:
			return
		case old := <-h.retired:
			p.discard(old)
		case <-h.heavy:
			if now := time.Now(); h.rule.heavy(now) && p.widen() != nil {
				h.rule.since = now
			}
			if h.wide.Load() {
				h.rule.calm(p.received.Load())
				calm.Reset(calmEvery)
			}
		case <-h.flood:
			p.narrow()
			h.rule.since = time.Now()
		case <-calm.C:
			if h.rule.calm(p.received.Load()) {
				p.narrow()
			}
		}
		if !h.wide.Load() {
			calm.Stop()
		}
	}
}

// widen makes the main ring that of SYNs too, and a new socket ready for them. With an
// error nothing has changed.
func (p *NIC) widen() error {
	h := &p.hook
	if h.wide.Load() || h.pending {
		return nil
	}
	fresh := &syns{fd: -1}
	var err error
	if fresh.fd, err = openSocket(h.cfg.Interface, 0); err == nil {
		err = sameNamespace(fresh.fd, p.fd)
	}
	if err == nil {
		err = fresh.mapRing(h.cfg, h.base)
	}
	if err == nil {
		err = p.swapFilters(fresh.fd)
	}
	if err != nil {
		_ = release(fresh.fd, fresh.mem)
		return err
	}
	settle()
	h.pending = true
	h.next.Store(fresh)
	return nil
}

// sameNamespace is an error if two sockets are in different network namespaces: a NIC
// may have been opened by a thread in another one than the goroutine's.
func sameNamespace(a, b int) error {
	var cookies [2]uint64
	for i, fd := range [...]int{a, b} {
		c, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
		if err != nil {
			return os.NewSyscallError("getsockopt SO_NETNS_COOKIE", err) // before Linux 5.14
		}
		cookies[i] = c
	}
	if cookies[0] != cookies[1] {
		return errors.New("the NIC is in another network namespace")
	}
	return nil
}

// swapFilters lets SYNs in by the main socket, and none by that for SYNs, whose successor
// is fresh.
func (p *NIC) swapFilters(fresh int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := attach(p.fd, p.filters.all); err != nil {
		return err
	}
	if err := attach(p.synFD, p.filters.none); err != nil {
		return errors.Join(err, attach(p.fd, p.filters.others))
	}
	p.synFD, p.synHooked, p.leaving = fresh, false, true
	p.hook.wide.Store(true)
	return nil
}

// narrow gives SYNs their ring again. After an error, as where the interface is gone,
// all is as it was.
func (p *NIC) narrow() {
	p.mu.Lock()
	err := p.hookSYNs()
	p.mu.Unlock()
	if err == nil && p.hook.next.Load() != nil {
		p.Wake() // the worker may sleep, and hears of the old socket only
	}
}

// hookSYNs puts the socket for SYNs into the kernel's list. The caller holds p.mu.
func (p *NIC) hookSYNs() error {
	if !p.hook.wide.Load() || p.closed {
		return nil
	}
	at := unix.SockaddrLinklayer{Protocol: networkOrder(uint16(p.protocol)), Ifindex: p.index}
	if err := unix.Bind(p.synFD, &at); err != nil {
		return err
	}
	p.synHooked = true
	if err := attach(p.synFD, p.filters.syns); err != nil {
		return err
	}
	if err := attach(p.fd, p.filters.others); err != nil {
		return errors.Join(err, attach(p.synFD, p.filters.none))
	}
	p.hook.wide.Store(false)
	return nil
}

// Sockets is how many packet sockets of the NIC receive all protocols on its interface.
func (p *NIC) Sockets() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 1
	for _, more := range [...]bool{p.synHooked, p.leaving} {
		if more {
			n++
		}
	}
	return n
}

// discard closes a socket for SYNs that the worker gave up.
func (p *NIC) discard(old *syns) {
	p.missedSYN.Add(readDrops(old.fd))
	_ = release(old.fd, old.mem)
	p.mu.Lock()
	p.leaving = false
	p.mu.Unlock()
	p.hook.pending = false
}

// releaseSYNs closes all sockets for SYNs. The goroutine and the worker have ended.
func (p *NIC) releaseSYNs() error {
	all := []*syns{&p.syns, p.hook.next.Load()}
	select {
	case old := <-p.hook.retired:
		all = append(all, old)
	default:
	}
	var errs []error
	for _, s := range all {
		if s != nil {
			p.missedSYN.Add(readDrops(s.fd))
			errs = append(errs, release(s.fd, s.mem))
		}
	}
	return errors.Join(errs...)
}

// settle waits until all CPUs have left the code that receives, where one may still
// work by a filter that was replaced: MEMBARRIER_CMD_GLOBAL is a grace period of RCU
// (kernel/sched/membarrier.c). Where it is refused a while does.
func settle() {
	const global = 1 // MEMBARRIER_CMD_GLOBAL, <linux/membarrier.h>
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, global, 0, 0); errno != 0 {
		time.Sleep(50 * time.Millisecond)
	}
}

// networkOrder is v as the kernel wants it in a field of network byte order.
func networkOrder(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}
