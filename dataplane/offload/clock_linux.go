package offload

import (
	"fmt"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// silence is for how long the kernel forwards flows while no director tells it that it is
// there: the next one has that long to start. It is more than a service manager takes, and about
// as long as a router remembers the MAC address of a host that does not answer.
const silence = 30 * time.Second

// tickLength is the length of a tick of the kernel (jiffy), ns: the resolution of its coarse clock.
var tickLength = sync.OnceValue(func() int64 {
	var ts unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &ts); err != nil || ts.Nano() <= 0 {
		return int64(10 * time.Millisecond) // the longest
	}
	return ts.Nano()
})

// newTicker makes the program that writes the kernel's tick to the head: user space has no
// other way to learn it.
func newTicker(head int) (*ebpf.Program, error) {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "lvsdr_tick", Type: ebpf.SchedCLS, License: "Apache-2.0", Instructions: asm.Instructions{
		asm.FnJiffies64.Call(), asm.LoadMapValue(asm.R1, head, 0), asm.StoreMem(asm.R1, headTick, asm.R0, asm.DWord),
		asm.Mov.Imm(asm.R0, 0), asm.Return(),
	}})
	if err != nil {
		return nil, fmt.Errorf("load the BPF program that reads the clock: %w", err)
	}
	return p, nil
}

// setClock tells the program the director's time, ns, and that a director is there.
func (t *tables) setClock(now int64) error {
	if _, err := t.ticker.Run(&ebpf.RunOptions{Data: make([]byte, minFrame)}); err != nil {
		return fmt.Errorf("read the kernel's clock: %w", err)
	}
	tick := load64(t.headMem, headTick)
	store64(t.headMem, headBeat, tick)
	// Within a tick the director's time goes on: the least offset is right. It becomes greater when
	// the host was suspended.
	offset, was := now-int64(tick)*tickLength(), int64(load64(t.headMem, headOffset))
	if was == 0 || offset < was || offset > was+2*tickLength() {
		store64(t.headMem, headOffset, uint64(offset))
	}
	return nil
}
