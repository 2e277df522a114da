package realserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lvsdr/control/boot"
)

// DefaultDir is where records are. It does not survive a boot, as what they
// record does not. It is not a service's RuntimeDirectory, which the end of the
// service removes.
const DefaultDir = "/run/lvsdr-realserver"

// oldDir is where earlier versions kept them.
const oldDir = "/run/lvsdr"

// An epoch is how long what a record says can be true.
type epoch struct {
	Boot string `json:"boot"` // the kernel's boot_id
	// Namespace is the cookie of the network namespace, which no other one has
	// until the next boot; 0 before Linux 5.14.
	Namespace uint64 `json:"namespace"`
}

// now is the epoch of the calling thread.
func now() (e epoch, err error) {
	if e.Boot, err = boot.ID(); err != nil {
		return epoch{}, err
	}
	e.Namespace, err = boot.Namespace()
	return e, err
}

// A record holds the state that start found, and its options.
type record struct {
	epoch
	VIP       netip.Addr `json:"vip"`
	Balance   []Port     `json:"balance,omitempty"`
	Interface string     `json:"interface,omitempty"`
	Source    netip.Addr `json:"source,omitzero"`
	Tunnels   []Tunnel   `json:"tunnels,omitempty"`
	Changes   []change   `json:"changes"`
}

// records are the files of one folder, and those that earlier versions have left
// in another one.
type records struct {
	dir string
	old string // empty: none
}

const filePrefix, fileSuffix = "realserver-", ".json"

func (d records) path(vip netip.Addr) string { return recordPath(d.dir, vip) }

func recordPath(dir string, vip netip.Addr) string {
	return filepath.Join(dir, filePrefix+vip.String()+fileSuffix)
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
func (d records) load(vip netip.Addr) (*record, error) {
	r, err := readRecord(d.path(vip))
	if d.old != "" && errors.Is(err, os.ErrNotExist) {
		return readRecord(recordPath(d.old, vip))
	}
	return r, err
}

func readRecord(path string) (*record, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the record: %w", err)
	}
	r, err := decode(b)
	if err != nil {
		return nil, fmt.Errorf("read the record %s: %w; if it cannot be repaired remove it, then nothing is restored", path, err)
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
	return r, r.check()
}

// others are the entries of all other VIPs' records of this epoch. A record that
// cannot be read is an error: what it needs is not known.
func (d records) others(vip netip.Addr, e epoch) ([]change, error) {
	var all []change
	seen := map[netip.Addr]bool{vip: true}
	for _, dir := range []string{d.dir, d.old} {
		if dir == "" {
			continue
		}
		paths, err := filepath.Glob(filepath.Join(dir, filePrefix+"*"+fileSuffix))
		if err != nil {
			return nil, fmt.Errorf("list the records in %s: %w", dir, err)
		}
		for _, p := range paths {
			r, err := readRecord(p)
			if err != nil {
				if p == recordPath(dir, vip) {
					continue // load has said so
				}
				return nil, err
			}
			if r.epoch == e && !seen[r.VIP] {
				all = append(all, r.Changes...)
			}
			seen[r.VIP] = true
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
	if err := os.Rename(f.Name(), d.path(r.VIP)); err != nil {
		return err
	}
	return d.forget(d.old, r.VIP)
}

// remove forgets a VIP.
func (d records) remove(vip netip.Addr) error {
	return errors.Join(d.forget(d.dir, vip), d.forget(d.old, vip))
}

func (d records) forget(dir string, vip netip.Addr) error {
	if dir == "" {
		return nil
	}
	if err := os.Remove(recordPath(dir, vip)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the record: %w", err)
	}
	return nil
}
