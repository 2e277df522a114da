package offload

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// tables are the maps that the program looks into.
type tables struct {
	flows4, flows6, flows, dests, totals, taken, vips, head *ebpf.Map

	flowMem, destMem, totalMem, takenMem, headMem []byte // of the arrays

	ticker *ebpf.Program
}

// sizes are how many there is room for.
type sizes struct{ flows, dests, vips int }

// A table is one of the maps, and how it is made.
type table struct {
	at  **ebpf.Map
	mem *[]byte // of an array; nil: it is none
	ebpf.MapSpec
}

// all are the maps of t.
func (t *tables) all(s sizes) []table {
	hash := func(at **ebpf.Map, name string, key, value, n int) table {
		return table{at, nil, ebpf.MapSpec{Name: name, Type: ebpf.Hash, KeySize: uint32(key), ValueSize: uint32(value), MaxEntries: uint32(n), Flags: unix.BPF_F_NO_PREALLOC}}
	}
	array := func(at **ebpf.Map, mem *[]byte, name string, value, n int) table {
		return table{at, mem, ebpf.MapSpec{Name: name, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(value), MaxEntries: uint32(n), Flags: unix.BPF_F_MMAPABLE}}
	}
	return []table{
		hash(&t.flows4, "lvsdr_flows4", key4Size, 4, s.flows),
		hash(&t.flows6, "lvsdr_flows6", key6Size, 4, s.flows),
		array(&t.flows, &t.flowMem, "lvsdr_flows", flowSize, s.flows),
		array(&t.dests, &t.destMem, "lvsdr_servers", destSize, s.dests),
		array(&t.totals, &t.totalMem, "lvsdr_totals", totalSize, s.dests*stripes),
		array(&t.taken, &t.takenMem, "lvsdr_taken", totalSize, s.dests),
		hash(&t.vips, "lvsdr_vips", vipSize, 1, s.vips),
		array(&t.head, &t.headMem, "lvsdr_head", headSize, 1),
	}
}

// newTables makes the tables.
func newTables(s sizes) (*tables, error) {
	t := new(tables)
	err := t.open(s, func(spec *ebpf.MapSpec) (*ebpf.Map, error) {
		m, err := ebpf.NewMap(spec)
		if err != nil {
			return nil, fmt.Errorf("make the BPF map %s: %w", spec.Name, err)
		}
		return m, nil
	})
	if err == nil {
		err = t.setClock(0)
	}
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// open has get make or find each map, and maps the memory of the arrays.
func (t *tables) open(s sizes, get func(*ebpf.MapSpec) (*ebpf.Map, error)) (err error) {
	for _, m := range t.all(s) {
		if *m.at, err = get(&m.MapSpec); err != nil {
			return err
		}
		if m.mem == nil {
			continue
		}
		size := int(m.ValueSize * m.MaxEntries)
		if *m.mem, err = unix.Mmap((*m.at).FD(), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
			return fmt.Errorf("map %d bytes of a BPF map: %w", size, err)
		}
	}
	t.ticker, err = newTicker(t.head.FD())
	return err
}

// fds are their descriptors.
func (t *tables) fds() fds {
	return fds{flows4: t.flows4.FD(), flows6: t.flows6.FD(), flows: t.flows.FD(), dests: t.dests.FD(),
		totals: t.totals.FD(), vips: t.vips.FD(), head: t.head.FD()}
}

// close gives them back; a program that is attached keeps those that it uses.
func (t *tables) close() error {
	var errs []error
	for _, m := range t.all(sizes{}) {
		if m.mem != nil && *m.mem != nil {
			errs = append(errs, unix.Munmap(*m.mem))
		}
		if *m.at != nil {
			errs = append(errs, (*m.at).Close())
		}
	}
	if t.ticker != nil {
		errs = append(errs, t.ticker.Close())
	}
	return errors.Join(errs...)
}
