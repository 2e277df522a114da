package control

import "lvsdr/control/supervise"

// watchdog feeds the service manager's watchdog while the workers, the ARP side, the
// health checks and the loop make progress.
func (d *daemon) watchdog() *supervise.Watchdog {
	return &supervise.Watchdog{Timeout: d.o.Watchdog, Log: d.o.Log, Feed: func() { d.o.Notify("WATCHDOG=1") },
		Subjects: []supervise.Subject{
			{Name: "packet workers", Ask: d.nics.Ask, Answered: d.nics.Answered},
			{Name: "ARP", Ask: d.arp.Ask, Answered: d.arp.Answered},
			{Name: "health checks", Ask: d.checks.Ask, Answered: d.checks.Answered},
			{Name: "control", Ask: d.loop.wake, Answered: d.loop.answered},
		}}
}

// asked asks the loop whether it takes messages.
type question struct{}

// wake asks whether the loop makes turns. It waits for nothing.
func (l *loop) wake() {
	l.owes.Store(true)
	l.box.put(question{}, question{})
}

// answered reports whether the loop has taken the last question.
func (l *loop) answered() bool { return !l.owes.Load() }
