package control

import (
	"context"
	"fmt"

	"lvsdr/control/keepalived"
)

// A BadFile is a configuration file with errors, which a start refuses.
type BadFile struct {
	Name  string
	Found keepalived.Diagnostics // all of them were logged
}

// Error says how many errors there are and what can be done.
func (e *BadFile) Error() string {
	return fmt.Sprintf("errors in %s: %d; correct them, or serve the rest with --serve-rest", e.Name, len(errorsOf(e.Found)))
}

// readFile reads the configuration for the first time, before anything is
// touched.
func readFile(ctx context.Context, o *Options) (first loaded, err error) {
	if o.Load == nil {
		o.Log.Info("lvsdr starts without a configuration file", "version", o.Version)
		return first, nil
	}
	if first.cfg, first.found, err = o.Load.Until(ctx); err != nil {
		return first, err
	}
	if !o.ServeRest && first.found.Max() >= keepalived.Error {
		report(o.Log, first.found)
		return first, &BadFile{o.File, first.found}
	}
	o.Log.Info("lvsdr starts", "version", o.Version, "config", o.File, "services", len(first.cfg.VirtualServers))
	return first, nil
}
