package control

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"lvsdr/arp"
	"lvsdr/control/api"
	"lvsdr/control/director"
	"lvsdr/control/keepalived"
	"lvsdr/control/neighbour"
	"lvsdr/control/notify"
	"lvsdr/control/site"
)

// tell logs a notice and passes it on to those who have subscribed.
func (l *loop) tell(n *site.Notice) {
	if n.ByFile {
		l.tellPrograms(n)
		return
	}
	e := api.Event{Time: l.wall(), Service: director.WireKey(n.Service).String(), Text: n.Reason}
	switch n.Kind {
	case site.ServerUp, site.ServerDown:
		e.Server = api.HostPort(n.Server.Addr.IP(), n.Server.Port)
	}
	switch n.Kind {
	case site.ServerUp:
		e.Kind = api.ServerUp
		l.log.Info("real server is up", "server", n.Name)
	case site.ServerDown:
		e.Kind = api.ServerDown
		l.log.Warn("real server is down", "server", n.Name, "error", n.Reason)
	case site.ServiceUp:
		e.Kind = api.ServiceUp
		l.log.Info("virtual service is up", "service", n.Name)
	case site.ServiceDown:
		e.Kind = api.ServiceDown
		l.log.Warn("virtual service is down: too few of its real servers are up", "service", n.Name)
	}
	l.feed.Publish(e)
	l.tellPrograms(n)
}

// tellEdits tells those who have subscribed of the edits that were done.
func (l *loop) tellEdits(edits []site.Edit, errs []error) {
	n := 0
	for i := range edits {
		if errs[i] != nil {
			continue
		}
		if n++; n > maxLines {
			continue
		}
		e := api.Event{Time: l.wall(), Kind: api.ServiceChanged, Text: describe(&edits[i])}
		if edits[i].Op != site.Flush {
			e.Service = director.WireKey(edits[i].Service.Key).String()
		}
		l.feed.Publish(e)
	}
	if n > maxLines {
		l.feed.Publish(api.Event{Time: l.wall(), Kind: api.ServiceChanged, Text: fmt.Sprintf("%d more edits", n-maxLines)})
	}
}

// tellPrograms has the administrator's programs told of a notice.
func (l *loop) tellPrograms(n *site.Notice) {
	if to := l.converge.actors.Notifier; to != nil {
		m := notify.Message{Topic: notify.LVS, Subject: n.Name, Line: n.Line(), Command: n.Command}
		if n.Alert {
			m.Title, m.Text = mail(l.state.Config().Global.RouterID, n)
		}
		to.Tell(m)
	}
}

// mail is the subject and the text of a mail about n, as keepalived words them.
func mail(router string, n *site.Notice) (title, text string) {
	if router != "" {
		title = "[" + router + "] "
	}
	switch n.Kind {
	case site.ServerUp, site.ServerDown:
		title += "Realserver " + strings.Replace(n.Name, " of VS ", " of virtual server ", 1)
	default:
		title += "Virtualserver " + n.Name
	}
	switch n.Kind {
	case site.ServerUp:
		return title + " - UP", "=> all its checks are good <="
	case site.ServerDown:
		return title + " - DOWN", "=> " + n.Reason + " <="
	case site.ServiceUp:
		if n.ByFile {
			return title + " - UP", "=> it starts with its quorum <="
		}
		return title + " - UP", "=> it has its quorum <="
	}
	if n.Reason != "" {
		return title + " - DOWN", "=> " + n.Reason + " <="
	}
	return title + " - DOWN", "=> it has lost its quorum <="
}

// farewell tells what goes down with the director.
func (l *loop) farewell() {
	all := l.state.Farewell()
	for i := range all {
		l.tellPrograms(&all[i])
	}
	l.tellStopped()
}

// publish makes the view, and tells which problems are new and which are gone.
// What is not served is looked up only if it may have changed: it is a walk over
// all there is.
func (l *loop) publish(changed bool) {
	v := l.base
	v.Roles = l.roles
	v.State, v.Active, v.Local = l.state, l.ready && l.announced(), l.converge.localText()
	if changed {
		unmet := l.unserved()
		l.logProblems(l.unmet, unmet)
		l.unmet = unmet
	}
	v.Problems = append(slices.Clone(l.unmet), l.failing()...)
	if was := l.view.Load(); was != nil {
		gone, fresh := differences(was.Problems, v.Problems)
		for _, p := range fresh {
			l.feed.Publish(api.Event{Time: l.wall(), Kind: api.ProblemFound, Text: p})
		}
		for _, p := range gone {
			l.feed.Publish(api.Event{Time: l.wall(), Kind: api.ProblemGone, Text: p})
		}
	}
	l.view.Store(&v)
}

// unserved returns the parts of the configuration that are not served, a line each.
func (l *loop) unserved() []string {
	all := slices.Clone(l.state.Problems())
	for _, d := range l.reloads.found {
		if d.Severity >= keepalived.Error {
			all = append(all, d.String())
		}
	}
	return all
}

// failing are the actors that fail, and the VIPs that other hosts have, a line each.
// They are in the log already.
func (l *loop) failing() []string {
	all := append(l.converge.problems(), l.reloads.unrunnable...)
	for _, h := range l.held {
		all = append(all, fmt.Sprintf("VIP %s is not announced: %s has it (--force announces it all the same)", h.VIP, h.MAC))
	}
	if text := l.reading.problem(); text != "" {
		all = append(all, text)
	}
	return all
}

// logProblems logs what is not served any more, and what is again.
func (l *loop) logProblems(old, new []string) {
	gone, fresh := differences(old, new)
	for i, p := range fresh {
		if i == maxLines {
			l.log.Error(fmt.Sprintf("%d more problems; the status lists them", len(fresh)-i))
			break
		}
		l.log.Error(p)
	}
	for i, p := range gone {
		if i == maxLines {
			l.log.Info(fmt.Sprintf("%d more are solved", len(gone)-i))
			break
		}
		l.log.Info("solved: " + p)
	}
}

// differences are the lines that old alone has, and those that new alone has.
func differences(old, new []string) (gone, fresh []string) {
	if slices.Equal(old, new) {
		return nil, nil
	}
	was := map[string]bool{}
	for _, p := range old {
		was[p] = true
	}
	for _, p := range new {
		if !was[p] {
			fresh = append(fresh, p)
		}
		delete(was, p)
	}
	for _, p := range old {
		if was[p] {
			gone = append(gone, p)
		}
	}
	return gone, fresh
}

// A noticed is a line about neighbours, to be logged.
type noticed struct {
	level slog.Level
	text  string
	attrs []any
}

// noticedARP is the line about what ARP or neighbour discovery has noticed.
func noticedARP(e *arp.Event) noticed {
	n := noticed{slog.LevelWarn, e.Text, []any{"event", e.Kind.String()}}
	if e.Kind == arp.RealServerFound {
		n.level = slog.LevelInfo
	}
	if e.Suppressed > 0 {
		n.attrs = append(n.attrs, "suppressed", e.Suppressed)
	}
	return n
}

// noticedEntry is the line about the host's neighbour entry for a real server, which was
// set back, or could not be.
func noticedEntry(e *neighbour.Event) noticed {
	if e.Err != nil {
		return noticed{slog.LevelWarn, e.Text(), []any{"event", "neighbour-not-set", "error", e.Err}}
	}
	return noticed{slog.LevelWarn, e.Text(), []any{"event", "neighbour-set-back", "times", e.Times}}
}

// tellNoticed logs what was noticed of neighbours since the last turn.
func (l *loop) tellNoticed() {
	for i, n := range l.noticed {
		if i == maxLines {
			l.log.Warn(fmt.Sprintf("%d more such events of ARP and neighbour discovery", len(l.noticed)-i))
			break
		}
		l.log.Log(context.Background(), n.level, n.text, n.attrs...)
	}
	l.noticed = l.noticed[:0]
}
