package offload

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// tables are the maps that the program looks into.
type tables struct {
	flows4, flows6, flows, dests, totals, vips, clock *ebpf.Map

	flowMem, destMem, totalMem, clockMem []byte // of the arrays
}

// newTables makes the tables for so many flows and servers.
func newTables(flows, dests, vips int) (*tables, error) {
	t := new(tables)
	for _, m := range []struct {
		at   **ebpf.Map
		spec ebpf.MapSpec
	}{
		{&t.flows4, ebpf.MapSpec{Name: "lvsdr_flows4", Type: ebpf.Hash, KeySize: key4Size, ValueSize: 4, MaxEntries: uint32(flows), Flags: unix.BPF_F_NO_PREALLOC}},
		{&t.flows6, ebpf.MapSpec{Name: "lvsdr_flows6", Type: ebpf.Hash, KeySize: key6Size, ValueSize: 4, MaxEntries: uint32(flows), Flags: unix.BPF_F_NO_PREALLOC}},
		{&t.flows, ebpf.MapSpec{Name: "lvsdr_flows", Type: ebpf.Array, KeySize: 4, ValueSize: flowSize, MaxEntries: uint32(flows), Flags: unix.BPF_F_MMAPABLE}},
		{&t.dests, ebpf.MapSpec{Name: "lvsdr_servers", Type: ebpf.Array, KeySize: 4, ValueSize: destSize, MaxEntries: uint32(dests), Flags: unix.BPF_F_MMAPABLE}},
		{&t.totals, ebpf.MapSpec{Name: "lvsdr_totals", Type: ebpf.Array, KeySize: 4, ValueSize: totalSize, MaxEntries: uint32(dests * stripes), Flags: unix.BPF_F_MMAPABLE}},
		{&t.vips, ebpf.MapSpec{Name: "lvsdr_vips", Type: ebpf.Hash, KeySize: vipSize, ValueSize: 1, MaxEntries: uint32(vips), Flags: unix.BPF_F_NO_PREALLOC}},
		{&t.clock, ebpf.MapSpec{Name: "lvsdr_clock", Type: ebpf.Array, KeySize: 4, ValueSize: clockSize, MaxEntries: 1, Flags: unix.BPF_F_MMAPABLE}},
	} {
		got, err := ebpf.NewMap(&m.spec)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("make the BPF map %s: %w", m.spec.Name, err), t.close())
		}
		*m.at = got
	}
	for _, m := range []struct {
		mem  *[]byte
		of   *ebpf.Map
		size int
	}{{&t.flowMem, t.flows, flows * flowSize}, {&t.destMem, t.dests, dests * destSize}, {&t.totalMem, t.totals, dests * stripes * totalSize}, {&t.clockMem, t.clock, clockSize}} {
		mem, err := unix.Mmap(m.of.FD(), 0, m.size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("map %d bytes of a BPF map: %w", m.size, err), t.close())
		}
		*m.mem = mem
	}
	return t, nil
}

// fds are their descriptors.
func (t *tables) fds() fds {
	return fds{flows4: t.flows4.FD(), flows6: t.flows6.FD(), flows: t.flows.FD(), dests: t.dests.FD(),
		totals: t.totals.FD(), vips: t.vips.FD(), clock: t.clock.FD()}
}

// close gives them back; a program that is attached keeps those that it uses.
func (t *tables) close() error {
	var errs []error
	for _, mem := range [][]byte{t.flowMem, t.destMem, t.totalMem, t.clockMem} {
		if mem != nil {
			errs = append(errs, unix.Munmap(mem))
		}
	}
	for _, m := range []*ebpf.Map{t.flows4, t.flows6, t.flows, t.dests, t.totals, t.vips, t.clock} {
		if m != nil {
			errs = append(errs, m.Close())
		}
	}
	return errors.Join(errs...)
}
