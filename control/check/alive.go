package check

// Ask asks whether the Runner still starts attempts and reports, see Answered. It waits
// for nothing.
func (r *Runner) Ask() {
	r.asked.run.Store(true)
	r.asked.report.Store(true)
	signal(r.kick)
	signal(r.wake)
}

// Answered reports whether both have gone on since the last Ask, if there was one.
func (r *Runner) Answered() bool { return !r.asked.run.Load() && !r.asked.report.Load() }
