package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"lvsdr/control/api"
	"lvsdr/control/keepalived"
	"lvsdr/control/notify"
	"lvsdr/control/site"
)

// A Loader reads the configuration file: what it says, and what was found in it.
type Loader func() (*keepalived.Config, keepalived.Diagnostics, error)

// Until returns what l reads, or the error of ctx if that ends first: the file may
// be a FIFO without a writer, or on a host that hangs. Then l goes on by itself.
func (l Loader) Until(ctx context.Context) (*keepalived.Config, keepalived.Diagnostics, error) {
	read := make(chan loaded, 1)
	go func() {
		var m loaded
		m.cfg, m.found, m.err = l()
		read <- m
	}()
	select {
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("read configuration: %w", ctx.Err())
	case m := <-read:
		return m.cfg, m.found, m.err
	}
}

// reloads are the readings of the configuration file after the first.
type reloads struct {
	loading bool            // one is under way
	done    bool            // it was read; err and changes are its outcome
	err     error           // why it was refused
	until   time.Duration   // its outcome is told then, whatever VIPs wait
	changes []string        // of the table
	waiting []reloadRequest // for the one under way
	next    []reloadRequest // for the one after it: they came too late

	found   keepalived.Diagnostics // in the file in force
	servers int                    // virtual ones of the file in force

	filled     map[string]bool // the files of checks that have got their numbers
	unrunnable []string        // users whose commands cannot be run, a line each
}

// A reloadRequest asks for a reading of the file.
type reloadRequest struct {
	reply chan<- reloaded // has room; nil: nobody waits
}

// A reloaded is the outcome of one.
type reloaded struct {
	done *api.Reloaded
	err  error
}

// A loaded is the file as it was read.
type loaded struct {
	cfg   *keepalived.Config
	found keepalived.Diagnostics
	err   error
}

var errNoFile = errors.New("the director was started without a configuration file")

// startLoad reads the file beside the loop. A request that comes while it is
// read is for another reading: the file may have been changed meanwhile.
func (l *loop) startLoad(requests ...reloadRequest) {
	r := &l.reloads
	switch {
	case l.load == nil:
		l.log.Warn("reload refused", "error", errNoFile)
		for _, m := range requests {
			m.answer(reloaded{err: errNoFile})
		}
		return
	case r.loading:
		r.next = append(r.next, requests...)
		return
	}
	r.loading, r.waiting = true, requests
	l.notify("RELOADING=1")
	go func() { // it is not waited for: the file may be on a host that hangs
		var m loaded
		m.cfg, m.found, m.err = l.load()
		l.box.put(nil, m)
	}()
}

// answer tells the outcome to who asked for the reload.
func (m reloadRequest) answer(r reloaded) {
	if m.reply != nil {
		m.reply <- r
	}
}

// loaded puts the file that was read in force, or keeps the last good one.
func (l *loop) loaded(m loaded) {
	r := &l.reloads
	before := l.state
	report(l.log, r.news(m.found))
	if r.err = m.err; r.err == nil {
		r.err = r.refuse(m.cfg, m.found)
	}
	if r.err == nil {
		l.converge.retry()
		l.converge.again()
		r.err = l.putInForce(m)
	}
	r.changes, r.done, r.until = changes(before, l.state), true, l.now()+neighbourPatience
}

// putInForce makes the file that was read the one in force.
func (l *loop) putInForce(m loaded) error {
	l.reading.want()
	l.readNow()
	l.configure(m.cfg)
	before := l.state.Config()
	if err := l.apply(site.Loaded{Config: m.cfg, Host: l.snap, At: l.now()}); err != nil {
		return err
	}
	l.tellDeleted(&before.VRRP)
	l.note(m)
	return nil
}

// configure makes ready what the events of cfg need.
func (l *loop) configure(cfg *keepalived.Config) {
	if to := l.converge.actors.Notifier; to != nil {
		to.Configure(notify.SettingsOf(cfg))
	}
	for _, err := range initFiles(cfg, l.reloads.filled) {
		l.log.Error("a file that is tracked cannot be written", "error", err)
	}
}

// note notes that m is in force.
func (l *loop) note(m loaded) {
	l.reloads.found, l.reloads.servers = m.found, len(m.cfg.VirtualServers)
	l.noteUsers(m.cfg)
	l.base.ConfigTime = l.wall()
}

// endReload tells the outcome of a reload, when the actors have followed and no
// VIP waits to be announced.
func (l *loop) endReload() {
	r := &l.reloads
	if !r.done || !l.announced() && l.now() < r.until {
		return
	}
	out := reloaded{done: &api.Reloaded{Changes: r.changes, Problems: append(slices.Clone(l.unmet), l.failing()...)}, err: r.err}
	l.base.Reloads++
	l.base.ConfigErr = ""
	if r.err != nil {
		l.base.Refused++
		l.base.ConfigErr = r.err.Error()
		l.log.Error("reload refused, the last good configuration stays in force", "error", r.err)
		l.feed.Publish(api.Event{Time: l.wall(), Kind: api.ConfigRefused, Text: r.err.Error()})
	} else {
		l.log.Info("configuration reloaded", "changes", len(r.changes), "problems", len(out.done.Problems))
		l.feed.Publish(api.Event{Time: l.wall(), Kind: api.ConfigReloaded, Text: fmt.Sprintf("%d changes, %d problems", len(r.changes), len(out.done.Problems))})
	}
	l.publish(false)
	for _, m := range r.waiting {
		m.answer(out)
	}
	next := r.next
	r.loading, r.done, r.waiting, r.next = false, false, nil, nil
	l.notify("READY=1")
	if len(next) > 0 {
		l.startLoad(next...)
	}
}

// errorsOf are the reports of found that are errors.
func errorsOf(found keepalived.Diagnostics) keepalived.Diagnostics {
	return slices.DeleteFunc(slices.Clone(found), func(d keepalived.Diagnostic) bool { return d.Severity < keepalived.Error })
}

// refuse says why a file cannot take the place of the one in force: it has an
// error that that has not, or nothing to serve. A start with Options.ServeRest
// takes a file with errors; then an error that was there before is no reason.
func (r *reloads) refuse(cfg *keepalived.Config, found keepalived.Diagnostics) error {
	known := map[[2]string]bool{}
	for _, d := range r.found {
		if d.Severity >= keepalived.Error {
			known[[2]string{d.Keyword, d.Text}] = true
		}
	}
	var errs []error
	for _, d := range errorsOf(found) {
		if !known[[2]string{d.Keyword, d.Text}] {
			errs = append(errs, errors.New(d.String()))
		}
	}
	if len(errs) == 0 && len(cfg.VirtualServers) == 0 && r.servers > 0 {
		errs = append(errs, fmt.Errorf("no virtual server that can be served; %d are in force", r.servers))
	}
	return firstOf(errs)
}

// attrsOf is where in the file d was found, and at which word, if at one.
func attrsOf(d *keepalived.Diagnostic) []slog.Attr {
	attrs := []slog.Attr{slog.String("at", d.Pos.String())}
	if d.Keyword != "" {
		attrs = append(attrs, slog.String("keyword", d.Keyword))
	}
	return attrs
}

// news are the reports about a file that was read again, without the notes and
// warnings that the one in force had as well.
func (r *reloads) news(found keepalived.Diagnostics) keepalived.Diagnostics {
	known := map[keepalived.Diagnostic]bool{}
	for _, d := range r.found {
		known[d] = true
	}
	return slices.DeleteFunc(slices.Clone(found), func(d keepalived.Diagnostic) bool { return d.Severity < keepalived.Error && known[d] })
}

// report logs what was found in the file: all mistakes, and some of the notes,
// of which there may be one for each service.
func report(log *slog.Logger, found keepalived.Diagnostics) {
	notes := 0
	for _, d := range found {
		level := slog.LevelInfo
		switch d.Severity {
		case keepalived.Note:
			if notes++; notes > maxLines {
				continue
			}
		case keepalived.Warning:
			level = slog.LevelWarn
		case keepalived.Error, keepalived.Fatal:
			level = slog.LevelError
		}
		log.LogAttrs(context.Background(), level, d.Text, attrsOf(&d)...)
	}
	if notes > maxLines {
		log.Info(fmt.Sprintf("%d more notes about the file; `lvsdr run -t` lists them", notes-maxLines))
	}
}
