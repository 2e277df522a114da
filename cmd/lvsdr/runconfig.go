package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strconv"

	"lvsdr/control"
	"lvsdr/control/keepalived"
	"lvsdr/control/metrics"
	"lvsdr/control/nics"
)

// options are how the file is read. With them other flags are checked whose values the
// command line's parser does not know.
func (f *runFlags) options() (keepalived.Options, error) {
	o := keepalived.Options{ConfigID: f.configID, IPv6: true}
	if err := nics.CheckWorkers(f.workers, runtime.NumCPU()); err != nil {
		return o, exitError{usageCode, fmt.Errorf("--workers %w", err)}
	}
	if f.metrics != "" {
		if err := metrics.CheckAddr(f.metrics); err != nil {
			return o, exitError{usageCode, fmt.Errorf("--metrics %w", err)}
		}
	}
	switch f.persistence {
	case "":
	case "off":
		o.PersistenceDefault = keepalived.PersistenceDefault{Set: true}
	default:
		n, err := strconv.ParseUint(f.persistence, 10, 32)
		if err != nil || n > 31*86400 {
			return o, exitError{usageCode, fmt.Errorf("--persistence-default %q: not off, nor a number of seconds up to 31 days", f.persistence)}
		}
		o.PersistenceDefault = keepalived.PersistenceDefault{Set: true, Seconds: uint32(n)}
	}
	return o, nil
}

// testConfig reports everything found in the file.
func (f *runFlags) testConfig(ctx context.Context, out, errs io.Writer) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	cfg, found, err := f.loader(o).Until(ctx)
	if ctx.Err() != nil {
		return exitError{interruptedCode, err}
	}
	for _, d := range found {
		if err == nil || d.Severity < keepalived.Fatal { // err says the same as the fatal one
			fmt.Fprintln(errs, d)
		}
	}
	if err != nil {
		return exitError{keepalived.ExitFatal, err}
	}
	servers := 0
	for _, vs := range cfg.VirtualServers {
		servers += len(vs.RealServers)
	}
	fmt.Fprintf(out, "%s: %d virtual servers, %d real servers\n", f.config, len(cfg.VirtualServers), servers)
	if code := found.ExitCode(); code != keepalived.ExitOK {
		return exitError{code: code}
	}
	return nil
}

// loader reads the file; nil: there is none.
func (f *runFlags) loader(o keepalived.Options) control.Loader {
	if f.noConfig {
		return nil
	}
	return func() (*keepalived.Config, keepalived.Diagnostics, error) {
		cfg, found, err := f.load(f.config, o)
		return cfg, found, withRemedy(err)
	}
}

// load is keepalived.Load, without the instances of VRRP if another program has them.
func (f *runFlags) load(name string, o keepalived.Options) (*keepalived.Config, keepalived.Diagnostics, error) {
	cfg, found, err := keepalived.Load(name, o)
	if cfg != nil && f.noVRRP {
		cfg.VRRP = keepalived.VRRP{}
	}
	return cfg, found, err
}

// reader reads other files as the loader reads its own; nil: there is no file.
func (f *runFlags) reader(o keepalived.Options) control.Reader {
	if f.noConfig {
		return nil
	}
	return func(name string, files keepalived.Files) (*keepalived.Config, keepalived.Diagnostics, error) {
		o.Files = files
		return f.load(name, o)
	}
}

// withRemedy is an error of reading the file with what to do about it.
func withRemedy(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w; name the file with -c FILE", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; run as a user who may read it, such as root", err)
	}
	return err
}
