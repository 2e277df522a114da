// Package supervise speaks with the service manager that has started the director
// (sd_notify(3)): it tells it states, and feeds its watchdog while everything that
// serves clients makes progress.
package supervise
