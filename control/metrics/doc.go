// Package metrics tells Prometheus how a director does, at /metrics on an address of its
// own. What it tells is made of snapshots, as the status of the control socket is: nobody
// waits for a scrape. Names follow Prometheus' conventions, and stand in
// docs/metrics.md.
package metrics
