package control

import (
	"context"
	"errors"
	"log/slog"

	"lvsdr/control/drroute"
	"lvsdr/control/localclient"
	"lvsdr/control/lock"
	"lvsdr/control/shield"
	"lvsdr/dataplane/offload"
)

// Cleanup removes from the network namespace what a director has left there that was
// killed, or was to keep its shield; pins is its Options.OffloadPins. It refuses while a director runs.
func Cleanup(ctx context.Context, pins string, log *slog.Logger) error {
	only, err := lock.Take(ctx, log)
	if err != nil {
		return err
	}
	defer func() { _ = only.Close() }() // the end of the process closes it too
	var errs []error
	if s, err := shield.New(); err != nil {
		errs = append(errs, err)
	} else {
		errs = append(errs, s.Close(false))
	}
	if r, err := drroute.New(); err != nil {
		errs = append(errs, err)
	} else {
		errs = append(errs, r.Close())
	}
	errs = append(errs, offload.Unpin(pinsDir(pins)))
	return errors.Join(append(errs, localclient.Clean())...)
}
