package check

// A Change is the news of one check: it is up or down, its weight is another
// one, or its attempts can be made no longer or again.
//
// OnChange is told the newest state of a check that differs from what it was
// told last. What changed and changed back while it was busy is not told.
type Change struct {
	ID string
	Up bool
	// Result is that of the last attempt. If its outcome is NotMade, nothing was
	// found out, and Up is as it was.
	Result Result
}

// note has OnChange told of j, unless there is nothing new.
func (r *Runner) note(j *job) {
	if r.cfg.OnChange == nil || j.queued || j.news() == j.told {
		return
	}
	j.queued = true
	r.news = append(r.news, j)
	signal(r.wake)
}

// report calls OnChange until Close.
func (r *Runner) report() {
	for {
		select {
		case <-r.root.Done():
			return
		case <-r.wake:
		}
		for r.root.Err() == nil {
			c, ok := r.change()
			if !ok {
				break
			}
			r.cfg.OnChange(c)
		}
		r.asked.report.Store(false)
	}
}

// change takes the next change that is to be told; false: there is none.
func (r *Runner) change() (Change, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.news) > 0 {
		j := r.news[0]
		r.news[0] = nil
		r.news = r.news[1:]
		j.queued = false
		if news := j.news(); !j.gone && news != j.told {
			j.told = news
			return Change{ID: j.spec.ID, Up: j.checker.up, Result: j.result}, true
		}
	}
	return Change{}, false
}
