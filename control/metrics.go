package control

import (
	"context"

	"lvsdr/control/metrics"
)

// tellPrometheus answers Prometheus until ctx ends.
func (d *daemon) tellPrometheus(ctx context.Context) error {
	l, err := metrics.Listen(ctx, d.o.Metrics)
	if err != nil {
		return err
	}
	return metrics.Serve(ctx, l, &metrics.Source{Status: d.inspector.Status, Latencies: d.checks.Latencies, States: d.director.CountStates,
		Sync: syncReader{d.sync.Status}.Sync})
}

// tableSize is the number of entries for which the connection table has room.
func (d *daemon) tableSize() int {
	_, limit, _ := d.director.TableUse()
	return limit
}
