package offload

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cilium/ebpf"

	"lvsdr/bench/scenario"
	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// A forced kernel is the program beside a director; it forwards a connection from the first
// packet on after which it is established.
type forced struct {
	*Worker
	t         *testing.T
	o         *Offload
	events    *dataplane.Flows
	buf       []conntrack.Flow
	now       int64
	forwarded int
}

// newForced makes one, for clients at the interface of test runs.
func newForced(t *testing.T, d *dataplane.Director, vips []netip.Addr) *forced {
	t.Helper()
	k := &forced{t: t, events: d.FollowFlows(), buf: make([]conntrack.Flow, 64)}
	var err error
	k.o, err = Open(Config{Core: d, Now: func() int64 { return k.now }, Mark: mark, Flows: 1 << 10, Servers: 1 << 8, Threshold: 1})
	if isPermission(err) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	d.SetOffloader(k.o)
	k.Worker = k.o.worker()
	k.o.serve(loopback, vips, 0)
	return k
}

// Forward is part of scenario.Kernel.
func (k *forced) Forward(f []byte, in int32, now int64) (forwards, counts bool) {
	k.Tick(now)
	if in != loopback || len(f) < frame.EtherLen+frame.IPv6Len {
		return false, false // less than a test run of some kernels takes
	}
	run := append(make([]byte, 6), f[6:]...) // to the address of lo
	before := k.punted(f)
	o := &ebpf.RunOptions{Data: run, DataOut: make([]byte, len(f)+256), Repeat: 1}
	ret, err := k.o.program.Run(o)
	if err != nil {
		k.t.Fatal(err)
	}
	if ret == redirected {
		k.forwarded++
		copy(f, o.DataOut)
		return true, false
	}
	return false, k.punted(f) != before
}

// punted is how many frames of f's flow the program has passed up.
func (k *forced) punted(f []byte) uint32 {
	var h frame.Header
	frame.Parse(f, &h)
	if slot, known := k.o.byKey[keyOf(&h)]; known {
		return load32(k.o.tables.flow(slot), flowPunted)
	}
	return 0
}

// Sent is part of scenario.Kernel. The batch is out, and there is no other.
func (k *forced) Sent(b *dataplane.Batch, now int64) {
	k.Worker.Sent(b, now)
	for _, slot := range k.o.byKey {
		k.o.tables.flow(slot).force()
	}
}

// Tick is part of scenario.Kernel.
func (k *forced) Tick(now int64) {
	k.now = now + 1 // 0 is no time
	k.o.Tick(k.now, k.events, k.buf)
}

// recorded is a scenario of a kernel's IPVS.
func recorded(t *testing.T, file string) []*scenario.Op {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ops, err := scenario.Read(file, f)
	if err != nil {
		t.Fatal(err)
	}
	return ops
}

// vipsOf are the addresses that packets of a scenario go to.
func vipsOf(ops []*scenario.Op) (all []netip.Addr) {
	seen := map[netip.Addr]bool{}
	for _, op := range ops {
		if op.Dst.IsValid() && op.From == "" && !seen[op.Dst] {
			seen[op.Dst] = true
			all = append(all, op.Dst)
		}
	}
	return all
}

// text is an operation with its results.
func text(t *testing.T, op *scenario.Op) string {
	t.Helper()
	b, err := json.Marshal(op)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every recording of what IPVS decided is decided alike where the kernel forwards what it can:
// each packet goes to the same server, and listings, counters, states and timers are equal.
// That the director alone does as the recordings say is a test of the scenarios.
func TestRecordingsAreDecidedAlikeWithOffload(t *testing.T) {
	files, err := filepath.Glob("../../bench/scenario/testdata/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded scenarios: %v", err)
	}
	kernel(t, 0) // or it skips
	var forwarded atomic.Int64
	t.Cleanup(func() {
		if n := forwarded.Load(); n < 100 {
			t.Errorf("the kernel forwards %d packets of all recordings: the test looks at too little", n)
		}
	})
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		if strings.HasPrefix(name, "nat-") || strings.HasPrefix(name, "tun-") {
			continue // of methods that are the director's
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, got := recorded(t, file), recorded(t, file)
			if err := scenario.Play(want); err != nil {
				t.Fatal(err)
			}
			var k *forced
			err := scenario.PlayBeside(got, func(d *dataplane.Director) scenario.Kernel {
				k = newForced(t, d, vipsOf(got))
				return k
			})
			if err != nil {
				t.Fatal(err)
			}
			for i := range want {
				if a, b := text(t, want[i]), text(t, got[i]); a != b {
					t.Errorf("operation %d, alone and with the kernel:\n%s\n%s", i+1, a, b)
					break
				}
			}
			forwarded.Add(int64(k.forwarded))
			if err := k.o.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
