package mapping

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/conntrack"
)

// ErrInUse says that another process has the file.
var ErrInUse = errors.New("another process has this connection table")

// A Want says which file is wanted, and what for.
type Want struct {
	Name   string
	Tables int      // how many
	Limit  int      // of entries in all of them
	Secret [16]byte // of a new file
	Boot   [16]byte // identity of this boot of the host
	// Wait is how long to wait for another process to give the file up; 0: not at all.
	Wait time.Duration
}

// A File is a connection table in a file that is this process's alone, by flock(2) of
// NAME.lock beside it. Its whole size but that of the records is reserved, so that no
// store to it can fail for lack of room.
type File struct {
	name  string
	file  *os.File
	lock  *os.File // its lock is the right to the name; nil: another File has it
	maps  layout
	room  []byte // what was mapped to find the place for data
	data  []byte
	fresh bool  // it has another name yet: see Commit
	from  *File // what was in the place of a new one
	why   string
}

// OpenFile opens w.Name, or prepares a new file that Commit gives the name. A file
// that cannot be gone on with is replaced: Kept.Fresh says why. One of another
// geometry is replaced as well, and is Kept.From. The error is ErrInUse, or says that
// there can be no such file.
func OpenFile(w Want) (*File, error) {
	l, err := lock(w.Name+".lock", w.Wait)
	if err != nil {
		return nil, err
	}
	f, err := open(&w)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	f.lock = l
	return f, nil
}

// open is OpenFile while the lock is held.
func open(w *Want) (*File, error) {
	old, why, err := openOld(w)
	if err != nil {
		return nil, err
	}
	if old != nil {
		if limit, tables := old.head().Geometry(); limit == w.Limit && tables == w.Tables {
			return old, nil
		}
		if err := old.mapPrivate(); err != nil {
			return nil, errors.Join(err, old.Close())
		}
		w.Secret = old.head().Secret()
	}
	f, err := create(w)
	if err != nil && old != nil {
		err = errors.Join(err, old.Close())
	}
	if err != nil {
		return nil, err
	}
	f.from, f.why = old, why
	return f, nil
}

// openOld opens the file there is. Nil without an error: there is none that could be
// gone on with, and why.
func openOld(w *Want) (*File, string, error) {
	f, err := os.OpenFile(w.Name, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "", nil
	case err != nil:
		return nil, "it cannot be opened: " + err.Error(), nil
	}
	st, why := ours(f)
	if why != "" {
		return nil, why, f.Close()
	}
	old, why, err := check(f, w, st)
	if old == nil {
		err = errors.Join(err, f.Close())
	}
	return old, why, err
}

// ours is the state of f, or why it may not be trusted: what others can write to is not
// gone on with.
func ours(f *os.File) (st *unix.Stat_t, why string) {
	st = new(unix.Stat_t)
	if err := unix.Fstat(int(f.Fd()), st); err != nil {
		return nil, err.Error()
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, "it is not a regular file"
	case int(st.Uid) != os.Geteuid():
		return nil, fmt.Sprintf("it belongs to user %d", st.Uid)
	case st.Mode&0o022 != 0:
		return nil, "others may write to it"
	}
	return st, ""
}

// lockStep is how often lock tries.
const lockStep = time.Millisecond

// lock takes the lock of this name, which may have to be waited for.
func lock(name string, wait time.Duration) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for until := time.Now().Add(wait); ; time.Sleep(lockStep) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), f.Close())
		}
		if !time.Now().Before(until) {
			return nil, errors.Join(fmt.Errorf("%s: %w", name, ErrInUse), f.Close())
		}
	}
}

// blockBytes is the unit of Stat_t.Blocks: stat(2).
const blockBytes = 512

// check maps f, whose state is st, if what is in it can be gone on with.
func check(f *os.File, w *Want, st *unix.Stat_t) (*File, string, error) {
	if st.Size < headBytes {
		return nil, "it is too short", nil
	}
	old := &File{name: w.Name, file: f}
	if err := old.mapAll(headBytes, unix.MAP_SHARED); err != nil {
		return nil, "", err
	}
	why := old.head().Check(w.Boot)
	limit, tables := old.head().Geometry()
	if err := old.unmap(); err != nil || why != "" {
		return nil, why, err
	}
	if old.maps = layoutOf(limit, tables); int64(old.maps.size) != st.Size {
		return nil, "its length is wrong", nil
	}
	// What is reserved stays so, and to have it done again takes 10 ms; a copy that somebody has made may have holes.
	if st.Blocks*blockBytes < int64(old.maps.reserved) {
		if err := old.reserve(); err != nil {
			return nil, "", err
		}
	}
	return old, "", old.mapAll(old.maps.size, unix.MAP_SHARED)
}

// create makes a new file beside the name that it will have.
func create(w *Want) (*File, error) {
	name := w.Name + ".new"
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	f := &File{name: w.Name, file: file, fresh: true, maps: layoutOf(w.Limit, w.Tables)}
	if err = f.fill(w); err != nil {
		return nil, errors.Join(fmt.Errorf("make %s: %w", name, err), os.Remove(name), f.Close())
	}
	return f, nil
}

// fill makes the new file an empty table.
func (f *File) fill(w *Want) error {
	if err := f.file.Truncate(int64(f.maps.size)); err != nil {
		return err
	}
	if err := f.reserve(); err != nil {
		return err
	}
	if err := f.mapAll(f.maps.size, unix.MAP_SHARED); err != nil {
		return err
	}
	f.head().Init(w.Limit, w.Tables, w.Secret, w.Boot)
	return nil
}

// reserve has the system set aside the memory for all but the records.
func (f *File) reserve() error { return f.allocate(0, f.maps.reserved) }

func (f *File) allocate(at, size int) error {
	if err := unix.Fallocate(int(f.file.Fd()), 0, int64(at), int64(size)); err != nil {
		return fmt.Errorf("reserve %d MiB: %w", (size+1<<20-1)>>20, err)
	}
	return nil
}

// Commit gives a new file its name, in the place of the old one, which is closed. Call
// it when all that was in the old one is in the new one.
func (f *File) Commit() error {
	if !f.fresh {
		return nil
	}
	if err := os.Rename(f.name+".new", f.name); err != nil {
		return err
	}
	f.fresh = false
	if f.from == nil {
		return nil
	}
	old := f.from
	f.from = nil
	return old.Close()
}

// Release gives the file up while the process goes on: what it still stores stays its
// own, and is seen by no other.
func (f *File) Release() error {
	if f.data == nil {
		return nil
	}
	return errors.Join(f.mapPrivate(), f.file.Close(), f.lock.Close())
}

// Close gives the file and the memory up. The tables must not be touched any more.
func (f *File) Close() error {
	var errs []error
	if f.fresh {
		errs = append(errs, os.Remove(f.name+".new"))
	}
	if f.from != nil {
		errs = append(errs, f.from.Close())
	}
	errs = append(errs, f.unmap())
	for _, file := range []*os.File{f.file, f.lock} {
		if file == nil {
			continue
		}
		if err := file.Close(); !errors.Is(err, fs.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Kept is the memory, for a director.
func (f *File) Kept() *conntrack.Kept {
	k := f.maps.kept(f)
	k.Fresh = f.why
	if f.from != nil {
		k.From = f.from.maps.kept(f.from)
	}
	return k
}
