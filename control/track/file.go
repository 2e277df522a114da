package track

import (
	"context"
	"time"

	"lvsdr/control/check"
	"lvsdr/control/vrrp"
)

// file reads f until ctx ends: when it changes, and from time to time, because changes on
// some file systems are not told.
func (r *Runner) file(ctx context.Context, j *job, t vrrp.Tracker, f *File) {
	why := ""
	for {
		r.files.Ensure(f.Path)
		n, err := check.ReadNumber(f.Path)
		failure := ""
		if err == nil {
			r.report(j, vrrp.Tracked{Tracker: t, Up: n == 0, Value: int(n)})
		} else {
			failure = err.Error()
		}
		if failure != why && failure != "" && r.c.Log != nil {
			r.c.Log.Warn("a tracked file cannot be read: its last number counts", "track_file", f.Name, "error", failure)
		}
		why = failure
		late := time.NewTimer(r.c.Every)
		select {
		case <-ctx.Done():
			late.Stop()
			return
		case <-j.kick:
			late.Stop()
		case <-late.C:
		}
	}
}

// changed has the files at path read.
func (r *Runner) changed(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, j := range r.jobs {
		if j.path != path {
			continue
		}
		select {
		case j.kick <- struct{}{}:
		default: // it is read anyway
		}
	}
}
