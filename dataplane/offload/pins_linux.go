package offload

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Pins say where the tables and the attachments are kept, so that the kernel goes on forwarding
// when this process is killed, and the next one finds what it has.
type Pins struct {
	// Dir is a folder of this network namespace alone, in a BPF file system; it is made. "":
	// nothing is kept.
	Dir string
	// Own is this process, From the one before it: the tables of no other are gone on with,
	// as they name servers by their places in the connection table.
	Own, From Owner
}

// An Owner is a process that has, or had, the connection table since a moment of its clock.
type Owner struct {
	PID   int
	Since int64
}

// pinned opens the tables that p.From has left in p.Dir; nil without an error: there are none
// that can be gone on with, and why.
func (p *Pins) pinned(s sizes) (t *tables, why string, err error) {
	if _, err := os.Stat(p.path("lvsdr_head")); errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	t = new(tables)
	err = t.open(s, func(spec *ebpf.MapSpec) (*ebpf.Map, error) {
		m, err := ebpf.LoadPinnedMap(p.path(spec.Name), nil)
		if err != nil {
			return nil, err
		}
		if err := spec.Compatible(m); err != nil {
			return nil, errors.Join(err, m.Close())
		}
		return m, nil
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		why = "some of it is missing"
	case errors.Is(err, ebpf.ErrMapIncompatible):
		why = "it is of another version of the program, or of another size"
	case err != nil:
		return nil, "", errors.Join(err, t.close())
	case load32(t.headMem, headVersion) != version:
		why = "it is of another version of the program"
	case t.owner() != p.From:
		why = "it does not belong to the connection table that was taken over"
	default:
		return t, "", nil
	}
	return nil, why, t.close()
}

// path is that of a pin.
func (p *Pins) path(name string) string { return filepath.Join(p.Dir, name) }

// link is the path of the attachment at an interface.
func (p *Pins) link(ifindex int) string {
	if p.Dir == "" {
		return ""
	}
	return p.path("link-" + strconv.Itoa(ifindex))
}

// owner is whose the tables are.
func (t *tables) owner() Owner {
	return Owner{int(load32(t.headMem, headPID)), int64(load64(t.headMem, headSince))}
}

// own makes them a process's.
func (t *tables) own(o Owner) {
	store32(t.headMem, headVersion, version)
	store64(t.headMem, headSince, uint64(o.Since))
	store32(t.headMem, headPID, uint32(o.PID))
}

// pin keeps new tables in p.Dir, which is empty. The head, by which they are found, is the last.
func (t *tables) pin(p *Pins) error {
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return err
	}
	for _, m := range t.all(sizes{}) {
		if err := (*m.at).Pin(p.path(m.Name)); err != nil {
			return fmt.Errorf("keep it in %s: %w", p.Dir, err)
		}
	}
	return nil
}

// Unpin removes what is kept in dir: the program leaves interfaces that no process has.
func Unpin(dir string) error {
	if dir == "" {
		return nil
	}
	return os.RemoveAll(dir)
}

// checkPins says why nothing can be kept in a folder; nil: it can. What others can write to is
// not trusted.
func checkPins(dir string) error {
	for _, at := range []string{dir, filepath.Dir(dir)} {
		var st unix.Stat_t
		err := unix.Stat(at, &st)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return fmt.Errorf("look at %s: %w", at, err)
		case st.Uid != 0 && int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0:
			return fmt.Errorf("others may write to %s", at)
		}
	}
	for at := dir; ; at = filepath.Dir(at) {
		var st unix.Statfs_t
		err := unix.Statfs(at, &st)
		if errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look at %s: %w", at, err)
		}
		if st.Type != unix.BPF_FS_MAGIC {
			return fmt.Errorf("%s is in no BPF file system (mount -t bpf bpf /sys/fs/bpf)", dir)
		}
		return nil
	}
}
