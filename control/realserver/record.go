package realserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// DefaultDir is where records are. It does not survive a boot, as what they
// record does not.
const DefaultDir = "/run/lvsdr"

// An era is how long what a record says can be true.
type era struct {
	Boot string `json:"boot"` // the kernel's boot_id
	// Namespace is the cookie of the network namespace, which no other one has
	// until the next boot; 0 before Linux 5.14.
	Namespace uint64 `json:"namespace"`
}

// now is the era of the calling thread.
func now() (era, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return era{}, fmt.Errorf("read the boot id: %w", err)
	}
	e := era{Boot: strings.TrimSpace(string(b))}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return era{}, fmt.Errorf("ask for the network namespace: %w", err)
	}
	defer func() { _ = unix.Close(fd) }() // nothing was sent
	e.Namespace, err = unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil && !errors.Is(err, unix.ENOPROTOOPT) {
		return era{}, fmt.Errorf("ask for the network namespace: %w", err)
	}
	return e, nil
}

// A record is what start found, and what it was asked for.
type record struct {
	era
	VIP       netip.Addr `json:"vip"`
	Balance   []Port     `json:"balance,omitempty"`
	Interface string     `json:"interface,omitempty"`
	Source    netip.Addr `json:"source,omitzero"`
	Changes   []change   `json:"changes"`
}

// records are the files of one folder.
type records struct{ dir string }

const filePrefix, fileSuffix = "realserver-", ".json"

func (d records) path(vip netip.Addr) string {
	return filepath.Join(d.dir, filePrefix+vip.String()+fileSuffix)
}

// make makes the folder.
func (d records) make() error {
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return fmt.Errorf("make the folder of the records: %w", err)
	}
	return nil
}

// lock waits until no other process works in the folder. It is released when
// the file is closed. Where there is no folder the error wraps os.ErrNotExist.
func (d records) lock() (*os.File, error) {
	f, err := os.Open(d.dir)
	if err != nil {
		return nil, fmt.Errorf("lock the records: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the records in %s: %w", d.dir, err), f.Close())
	}
	return f, nil
}

// load reads the record of a VIP. Where there is none the error wraps
// os.ErrNotExist.
func (d records) load(vip netip.Addr) (*record, error) { return readRecord(d.path(vip)) }

func readRecord(path string) (*record, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the record: %w", err)
	}
	r, err := decode(b)
	if err != nil {
		return nil, fmt.Errorf("read the record %s: %w; if it cannot be mended remove it, then nothing is restored", path, err)
	}
	return r, nil
}

// decode reads a record and refuses entries on which stop could not act.
func decode(b []byte) (*record, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	r := &record{}
	if err := dec.Decode(r); err != nil {
		return nil, err
	}
	if !r.VIP.IsValid() {
		return nil, errors.New("no vip")
	}
	for _, c := range r.Changes {
		if err := c.Item.check(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// check refuses what is not one of the items that wants makes. A record is a
// file, and stop writes where it says.
func (i Item) check() error {
	kinds := 0
	for _, is := range []bool{i.Sysctl != "", i.Address.IsValid(), i.Route.To.IsValid(), i.Rule != Rule{}} {
		if is {
			kinds++
		}
	}
	conf, below := strings.CutPrefix(i.Sysctl, "net/ipv4/conf/")
	switch {
	case kinds != 1:
		return fmt.Errorf("an entry for %d items, want 1", kinds)
	case i.Sysctl != "" && (!below || filepath.Clean(i.Sysctl) != i.Sysctl || strings.Count(conf, "/") != 1):
		return fmt.Errorf("sysctl %q: not one that start sets", i.Sysctl)
	}
	return nil
}

// others are the entries of all other VIPs' records of this era. A record that
// cannot be read is an error: what it needs is not known.
func (d records) others(vip netip.Addr, e era) ([]change, error) {
	paths, err := filepath.Glob(filepath.Join(d.dir, filePrefix+"*"+fileSuffix))
	if err != nil {
		return nil, fmt.Errorf("list the records in %s: %w", d.dir, err)
	}
	var all []change
	for _, p := range paths {
		if p == d.path(vip) {
			continue
		}
		r, err := readRecord(p)
		if err != nil {
			return nil, err
		}
		if r.era == e {
			all = append(all, r.Changes...)
		}
	}
	return all, nil
}

// save writes the record at once or not at all.
func (d records) save(r *record) (err error) {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the record: %w", err)
	}
	f, err := os.CreateTemp(d.dir, ".realserver-") // with mode 0600
	if err != nil {
		return fmt.Errorf("write the record: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write the record: %w", err), os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(append(b, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), d.path(r.VIP))
}

// remove forgets a VIP.
func (d records) remove(vip netip.Addr) error {
	if err := os.Remove(d.path(vip)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the record: %w", err)
	}
	return nil
}
