package ipvsproc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"lvsdr/control/api"
)

// Interval is how long Run rests at least after it has written the files. It rests share times
// as long as that took, so that a large site costs 2 % of a CPU at most.
const (
	Interval = time.Second
	share    = 50
)

// MaxConns is the greatest number of lines in ip_vs_conn, at about 75 bytes: a table may
// have a million, and a file of them all would be 75 MB.
const MaxConns = 100_000

// A Director is asked what is to be written; see api.Admin.
type Director interface {
	Services(context.Context, ...api.ServiceKey) iter.Seq2[api.Service, error]
	Conns(context.Context) iter.Seq2[api.Conn, error]
}

// A Writer writes the files. Its methods are for one goroutine.
type Writer struct {
	Dir      string // as /proc
	Director Director
	Size     int // of the connection table

	totals api.Traffic
	last   map[api.ServiceKey]api.Traffic
}

// The files below Dir.
const (
	services = "net/ip_vs"
	conns    = "net/ip_vs_conn"
	stats    = "net/ip_vs_stats"
)

// Run writes the files again and again until ctx ends, which is no error, and removes
// them then: there is no director any more.
func (w *Writer) Run(ctx context.Context) error {
	for {
		start := time.Now()
		if err := w.Write(ctx); err != nil {
			return errors.Join(err, w.Remove())
		}
		select {
		case <-ctx.Done():
			return w.Remove()
		case <-time.After(max(Interval, share*time.Since(start))):
		}
	}
}

// Remove removes the files, and the folders that are empty then.
func (w *Writer) Remove() error {
	var errs []error
	for _, name := range []string{services, conns, stats} {
		if err := os.Remove(filepath.Join(w.Dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	_ = os.Remove(filepath.Join(w.Dir, "net")) // there may be files of others
	return errors.Join(errs...)
}

// Write writes the files. A reader sees a file as it was or as it is, and always whole.
func (w *Writer) Write(ctx context.Context) error {
	for _, dir := range []string{w.Dir, filepath.Join(w.Dir, "net")} {
		if err := makeDir(dir); err != nil {
			return err
		}
	}
	var sum api.Listed
	if err := w.replace(services, func(out io.Writer) error {
		writeHead(out, w.Size)
		seen := map[api.ServiceKey]api.Traffic{}
		for s, err := range w.Director.Services(ctx) {
			if err != nil {
				return err
			}
			writeService(out, &s)
			w.count(&s, seen, &sum)
		}
		w.last = seen
		return nil
	}); err != nil {
		return err
	}
	sum.Traffic = w.totals
	if err := w.replace(conns, func(out io.Writer) error { return w.conns(ctx, out) }); err != nil {
		return err
	}
	return w.replace(stats, func(out io.Writer) error {
		writeStats(out, &sum)
		return nil
	})
}

// count adds what a service has counted since the last time to the totals, which do not get
// less when a service is removed or set to zero.
func (w *Writer) count(s *api.Service, seen map[api.ServiceKey]api.Traffic, rates *api.Listed) {
	now, before := s.Traffic, w.last[s.ServiceKey]
	if now.Conns < before.Conns || now.Packets < before.Packets {
		before = api.Traffic{}
	}
	w.totals.Conns += now.Conns - before.Conns
	w.totals.Packets += now.Packets - before.Packets
	w.totals.Bytes += now.Bytes - before.Bytes
	rates.CPS += s.Listed.CPS
	rates.PPS += s.Listed.PPS
	rates.BPS += s.Listed.BPS
	seen[s.ServiceKey] = now
}

// conns writes the first MaxConns connections and templates.
func (w *Writer) conns(ctx context.Context, out io.Writer) error {
	fmt.Fprint(out, connHead)
	n := 0
	for c, err := range w.Director.Conns(ctx) {
		if err != nil {
			return err
		}
		if n++; n > MaxConns {
			break
		}
		writeConn(out, &c)
	}
	return nil
}

// makeDir makes a folder that all may read, whatever the umask is.
func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	return err
}

// replace writes a file that all may read beside the one of that name, and puts it in its
// place.
func (w *Writer) replace(name string, write func(io.Writer) error) error {
	to := filepath.Join(w.Dir, name)
	_ = os.Remove(to + ".new") // of a director that was killed
	f, err := os.OpenFile(to+".new", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	buffer := bufio.NewWriterSize(f, 64<<10)
	err = errors.Join(write(buffer), buffer.Flush(), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(to+".new", to)
	}
	if err != nil {
		_ = os.Remove(to + ".new") // it may not even be there
	}
	return err
}
