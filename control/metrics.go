package control

import (
	"context"

	"lvsdr/control/metrics"
)

// tellPrometheus answers Prometheus until ctx ends.
func (d *daemon) tellPrometheus(ctx context.Context) error {
	l := d.inherited(metricsFile, d.o.Metrics)
	if l == nil {
		var err error
		if l, err = metrics.Listen(ctx, d.o.Metrics); err != nil {
			return err
		}
	}
	d.metrics.set(l)
	defer d.metrics.set(nil)
	return metrics.Serve(ctx, l, &metrics.Source{Status: d.inspector.Status, Latencies: d.checks.Latencies, States: d.director.CountStates,
		Sync: syncReader{d.sync.Status}.Sync})
}

// tableSize is the number of entries for which the connection table has room.
func (d *daemon) tableSize() int {
	_, limit, _ := d.director.TableUse()
	return limit
}
