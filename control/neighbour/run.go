package neighbour

import (
	"context"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/control/nlwatch"
)

// calm is how long entries are not listed again after messages of the kernel were lost.
const calm = 50 * time.Millisecond

// Config has the collaborators of a Keeper. All are required.
type Config struct {
	// Believed is asked from several goroutines.
	Believed Belief
	// Told is told what the log should say. It is called from Run's goroutine and must not
	// block.
	Told func(Event)
	// Now is the monotonic clock.
	Now func() time.Duration
}

// A Keeper keeps the kernel's entries at the believed MAC addresses while it runs.
type Keeper struct {
	cfg  Config
	kick chan struct{} // holds a token when there is something to look at

	mu     sync.Mutex // guards what follows; nothing is called under it
	marked map[Place]bool
	all    bool
}

// New makes a Keeper.
func New(c Config) *Keeper {
	return &Keeper{cfg: c, kick: make(chan struct{}, 1), marked: map[Place]bool{}}
}

// Look has the entry at p looked at, because the belief about it may be another one. It
// waits for nothing.
func (k *Keeper) Look(p Place) {
	k.mu.Lock()
	k.marked[p] = true
	k.mu.Unlock()
	k.wake()
}

// lookAtAll has all entries looked at.
func (k *Keeper) lookAtAll() {
	k.mu.Lock()
	k.all = true
	k.mu.Unlock()
	k.wake()
}

func (k *Keeper) wake() {
	select {
	case k.kick <- struct{}{}:
	default: // it is known already
	}
}

// Run keeps the entries of the calling thread's network namespace until ctx ends, which
// is no error.
func (k *Keeper) Run(ctx context.Context) error {
	kernel, err := openKernel()
	if err != nil {
		return err
	}
	defer kernel.close()
	ctx, stop := context.WithCancel(ctx)
	core := newKeeper(kernel, k.cfg.Believed)
	var keeping sync.WaitGroup
	keeping.Go(func() { k.keep(ctx, core) })
	err = k.watch(ctx, core.differs)
	stop()
	keeping.Wait()
	return err
}

// keep has core look at what is marked until ctx ends.
func (k *Keeper) keep(ctx context.Context, core *keeper) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Reset(k.turn(core))
		select {
		case <-ctx.Done():
		case <-k.kick:
		case <-timer.C:
		}
	}
}

// turn hands what is marked to core, and tells what core has to tell. It returns how
// long nothing will be due.
func (k *Keeper) turn(core *keeper) time.Duration {
	k.mu.Lock()
	marked, all := k.marked, k.all
	k.marked, k.all = map[Place]bool{}, false
	k.mu.Unlock()
	now := k.cfg.Now()
	if all {
		core.lookAtAll(now)
	}
	for p := range marked {
		core.look(p, now)
	}
	told, wait := core.turn(now)
	for _, e := range told {
		k.cfg.Told(e)
	}
	return wait
}

// watch marks the entries of which the kernel tells that they differ from the belief,
// and all of them at the start and when messages were lost, until ctx ends.
func (k *Keeper) watch(ctx context.Context, differs func(Entry) bool) error {
	return nlwatch.Watch(ctx, calm, k.lookAtAll, nlwatch.Source{Name: "the neighbours", Protocol: unix.NETLINK_ROUTE, Groups: []uint{unix.RTNLGRP_NEIGH},
		Subscribed: k.lookAtAll,
		Counts: func(m syscall.NetlinkMessage) bool {
			if m.Header.Type == unix.RTM_NEWNEIGH && len(m.Data) >= unix.SizeofNdMsg {
				if n, err := netlink.NeighDeserialize(m.Data); err == nil {
					if e := EntryOf(n); differs(e) {
						k.Look(e.Place)
					}
				}
			}
			return false
		}})
}
