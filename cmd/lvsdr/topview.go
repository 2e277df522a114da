package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"lvsdr/control/api"
	"lvsdr/dataplane"
)

// A topLook is what a director said at one moment.
type topLook struct {
	at time.Time
	st *api.Status
}

// topWindow is how far back the looks go that shares are counted over.
const topWindow = time.Minute

// A topOrder is how servers are sorted.
type topOrder int

// The orders, as the key s goes through them.
const (
	byConfig topOrder = iota
	byConns
	byPackets
	byActive
	numOrders
)

var orderNames = [numOrders]string{"configuration", "connections/s", "packets/s", "active"}

// A topView is what top shows. It knows neither terminals nor clocks.
type topView struct {
	looks    []topLook // the oldest first, one that is older than topWindow at most
	order    topOrder
	selected int   // among the rows
	offset   int   // rows above the screen
	paused   bool  // looks are kept, but not shown
	err      error // of the last look
}

// A topRow is a service, or one of its servers.
type topRow struct {
	service, was *api.Service
	server       *api.Server // nil: the service itself
	before       *api.Server // a look ago
	since        *api.Server // when shares began to be counted
	share, due   float64     // of the service's connections, and by weight
}

// A topLine is a line of the screen.
type topLine struct {
	text     string
	selected bool
	alarm    bool
}

// add takes a new look. A director that began anew is another one.
func (v *topView) add(l topLook) {
	if n := len(v.looks); n > 0 && (v.looks[n-1].st.PID != l.st.PID || !v.looks[n-1].st.Started.Equal(l.st.Started)) {
		v.looks = nil
	}
	v.looks = append(v.looks, l)
	for len(v.looks) > 2 && l.at.Sub(v.looks[1].at) >= topWindow {
		v.looks = v.looks[1:]
	}
}

// now, before and since are the last look, the one before it and the first.
func (v *topView) now() topLook { return v.looks[len(v.looks)-1] }

func (v *topView) before() topLook { return v.looks[max(len(v.looks)-2, 0)] }

func (v *topView) since() topLook { return v.looks[0] }

// rate is how fast a counter grew since the look before, a second.
func (v *topView) rate(now, before uint64) float64 {
	d := v.now().at.Sub(v.before().at).Seconds()
	if d <= 0 || now < before {
		return 0
	}
	return float64(now-before) / d
}

// rows are all services with their servers, in order.
func (v *topView) rows() []topRow {
	var all []topRow
	for i := range v.now().st.Services {
		s := &v.now().st.Services[i]
		was, first := sameService(v.before().st, s), sameService(v.since().st, s)
		all = append(all, topRow{service: s, was: was})
		rows := serverRows(s, was, first)
		slices.SortStableFunc(rows, func(a, b topRow) int { return cmp.Compare(v.weigh(&b), v.weigh(&a)) })
		all = append(all, rows...)
	}
	return all
}

// weigh is what rows are sorted by, the greatest first.
func (v *topView) weigh(r *topRow) float64 {
	switch v.order {
	case byConns:
		return v.rate(r.server.Traffic.Conns, r.before.Traffic.Conns)
	case byPackets:
		return v.rate(r.server.Traffic.Packets, r.before.Traffic.Packets)
	case byActive:
		return float64(r.server.Active)
	}
	return 0
}

// serverRows are the servers of s with their shares: of the connections since
// first, or, if there are none, of all.
func serverRows(s, was, first *api.Service) []topRow {
	var rows []topRow
	weights, recent, total := 0, uint64(0), uint64(0)
	for i := range s.Servers {
		r := &s.Servers[i]
		row := topRow{service: s, was: was, server: r, before: sameServer(was, r), since: sameServer(first, r)}
		rows = append(rows, row)
		weights += r.Effective
		recent += grown(r, row.since)
		total += r.Traffic.Conns
	}
	for i := range rows {
		r := &rows[i]
		if weights > 0 {
			r.due = float64(r.server.Effective) / float64(weights)
		}
		if recent > 0 {
			r.share = float64(grown(r.server, r.since)) / float64(recent)
		} else if total > 0 {
			r.share = float64(r.server.Traffic.Conns) / float64(total)
		}
	}
	return rows
}

// grown is how many connections r has had since before.
func grown(r, before *api.Server) uint64 {
	if r.Traffic.Conns < before.Traffic.Conns {
		return 0
	}
	return r.Traffic.Conns - before.Traffic.Conns
}

// sameService is s in another status; s itself if it is not there.
func sameService(st *api.Status, s *api.Service) *api.Service {
	for i := range st.Services {
		if o := &st.Services[i]; o.Protocol == s.Protocol && o.Address == s.Address && o.Port == s.Port {
			return o
		}
	}
	return s
}

// sameServer is r in another look at its service; r itself if it is not there.
func sameServer(s *api.Service, r *api.Server) *api.Server {
	for i := range s.Servers {
		if o := &s.Servers[i]; o.Address == r.Address && o.Port == r.Port {
			return o
		}
	}
	return r
}

// render makes the lines for a screen of that size, none longer than width;
// height 0 is that of a printed page: everything, without keys and selection.
func (v *topView) render(width, height int) []topLine {
	screen := height > 0
	if len(v.looks) == 0 {
		return []topLine{{text: cut(fmt.Sprintf("waiting for the director: %v", v.err), width)}}
	}
	head, rows, foot := v.header(), v.rows(), v.frames(width)
	v.selected = max(min(v.selected, len(rows)-1), 0)
	if screen {
		if room := max(height-len(head)-4, 0); len(foot) > room/2 {
			foot = foot[:room/2]
		}
		foot = append(foot, topLine{text: v.detail(rows)}, topLine{text: v.keys()})
	}
	body := v.body(rows, width, screen)
	if screen {
		body = v.scroll(body, height-len(head)-len(foot))
	}
	all := slices.Concat(head, body, foot)
	if screen {
		all = all[:min(len(all), height)]
	}
	for i := range all {
		all[i].text = cut(all[i].text, width)
	}
	return all
}

// header says how the director is.
func (v *topView) header() []topLine {
	st := v.now().st
	state := "announcing"
	if !st.Active {
		state = "silent"
	}
	first := fmt.Sprintf("lvsdr %s, process %d, %s, up %s, table %d of %d", st.Version, st.PID, state,
		v.now().at.Sub(st.Started).Round(time.Second), st.Table.Entries, st.Table.Limit)
	var frames, forwarded, dropped float64
	for _, r := range reasons() {
		n := v.rate(st.Reasons[r.String()], v.before().st.Reasons[r.String()])
		frames += n
		switch r.Verdict() {
		case dataplane.Forward:
			forwarded += n
		case dataplane.Drop:
			dropped += n
		}
	}
	lines := []topLine{{text: first}, {text: fmt.Sprintf("frames %s/s, forwarded %s/s, dropped %s/s", short(frames), short(forwarded), short(dropped)), alarm: dropped > 0}}
	if v.err != nil {
		lines = append(lines, topLine{text: "the last look failed: " + v.err.Error(), alarm: true})
	}
	for _, p := range st.Problems {
		lines = append(lines, topLine{text: "problem: " + p, alarm: true})
	}
	return lines
}

// reasons are all that frames are counted under.
func reasons() []dataplane.Reason {
	var all []dataplane.Reason
	for r := dataplane.Hit; int(r) < dataplane.NumReasons; r++ {
		all = append(all, r)
	}
	return all
}

// Widths of the columns beside the server's name and the bar.
const (
	topColumns = 49 // all others
	leastName  = 21
	mostName   = 47 // [IPv6]:port
	leastBar   = 10
	mostBar    = 40
)

// body is the table of services and servers, a line each behind a blank one and
// titles.
func (v *topView) body(rows []topRow, width int, screen bool) []topLine {
	name := leastName
	for _, r := range rows {
		if r.server != nil {
			name = max(name, len(hostPort(r.server.Address, r.server.Port)))
		}
	}
	name = max(min(name, mostName, width-topColumns-leastBar), leastName)
	bar := max(min(width-topColumns-name, mostBar), leastBar)
	var lines []topLine
	for i := range rows {
		r := &rows[i]
		mark := "  "
		if screen && i == v.selected {
			mark = "> "
		}
		if r.server != nil {
			lines = append(lines, topLine{mark + v.serverLine(r, name, bar), screen && i == v.selected, !usable(r.server)})
			continue
		}
		lines = append(lines, topLine{}, topLine{mark + v.serviceLine(r), screen && i == v.selected, false})
		lines = append(lines, topLine{text: fmt.Sprintf("  %-*s %6s %6s %-*s %6s %6s %6s %6s %s", name-2, "SERVER", "WEIGHT", "SHARE", bar, "|: BY WEIGHT", "ACTIVE", "INACT", "PPS", "CONN/S", "STATE")})
	}
	return lines
}

func (v *topView) serviceLine(r *topRow) string {
	return fmt.Sprintf("%s %s %s, %s: %s packets/s, %s connections/s", r.service.Protocol, hostPort(r.service.Address, r.service.Port), r.service.Scheduler,
		persistenceWords(r.service.Persistence), short(v.rate(r.service.Traffic.Packets, r.was.Traffic.Packets)), short(v.rate(r.service.Traffic.Conns, r.was.Traffic.Conns)))
}

func (v *topView) serverLine(r *topRow, name, bar int) string {
	s := r.server
	return fmt.Sprintf("%-*s %6s %5.1f%% %s %6s %6s %6s %6s %s", name-2, cut(hostPort(s.Address, s.Port), name-2), weightWord(s.Effective), 100*r.share,
		shareBar(r.share, r.due, bar), short(float64(s.Active)), short(float64(s.Inactive)),
		short(v.rate(s.Traffic.Packets, r.before.Traffic.Packets)), short(v.rate(s.Traffic.Conns, r.before.Traffic.Conns)), stateWord(s))
}

// weightWord is a weight in six characters, exact where it fits.
func weightWord(n int) string {
	if n < 1e6 {
		return strconv.Itoa(n)
	}
	return short(float64(n))
}

// usable reports whether a server may get connections, or is quiesced.
func usable(s *api.Server) bool { return s.Up && s.MAC != "" }

func stateWord(s *api.Server) string {
	switch {
	case !s.Up:
		return "down"
	case s.MAC == "":
		return "deaf" // no answer to ARP
	}
	return "up"
}

// shareBar is a bar of width cells for a share, with a mark where it would be
// by weight.
func shareBar(share, due float64, width int) string {
	b := []byte(strings.Repeat(" ", width))
	for i := range int(math.Round(share * float64(width))) {
		b[min(i, width-1)] = '='
	}
	b[min(int(math.Round(due*float64(width))), width-1)] = '|'
	return string(b)
}

// frames are the reasons under which frames are counted that were not forwarded.
func (v *topView) frames(width int) []topLine {
	st := v.now().st
	rs := slices.DeleteFunc(reasons(), func(r dataplane.Reason) bool { return st.Reasons[r.String()] == 0 || r.Verdict() == dataplane.Forward })
	rate := func(r dataplane.Reason) float64 {
		return v.rate(st.Reasons[r.String()], v.before().st.Reasons[r.String()])
	}
	slices.SortStableFunc(rs, func(a, b dataplane.Reason) int {
		return cmp.Or(cmp.Compare(rate(b), rate(a)), cmp.Compare(st.Reasons[b.String()], st.Reasons[a.String()]))
	})
	if len(rs) == 0 {
		return nil
	}
	lines := []topLine{{}, {text: fmt.Sprintf("%-24s %-8s %8s %10s", "NOT FORWARDED", "VERDICT", "/S", "IN ALL")}}
	for _, r := range rs {
		lines = append(lines, topLine{text: fmt.Sprintf("%-24s %-8s %8s %10d", r, r.Verdict(), short(rate(r)), st.Reasons[r.String()]), alarm: r.Verdict() == dataplane.Drop && rate(r) > 0})
	}
	return lines
}

// scroll is the part of the body that fits, with the selected line in it.
func (v *topView) scroll(body []topLine, room int) []topLine {
	room = max(room, 0)
	at := slices.IndexFunc(body, func(l topLine) bool { return l.selected })
	v.offset = max(min(v.offset, at, len(body)-room), at-room+1, 0)
	body = body[min(v.offset, len(body)):]
	if len(body) > room {
		return body[:room]
	}
	return append(slices.Clip(body), make([]topLine, room-len(body))...)
}

// detail is more about the selected row.
func (v *topView) detail(rows []topRow) string {
	if len(rows) == 0 {
		return "no service"
	}
	r := rows[v.selected]
	if r.server == nil {
		t := r.service.Traffic
		return fmt.Sprintf("on %s: %d connections, %d packets, %d bytes in all", r.service.Interface, t.Conns, t.Packets, t.Bytes)
	}
	s := r.server
	return fmt.Sprintf("%s: %s, MAC %s by %s, %d connections, %d packets in all", s.Address, serverState(s), cmp.Or(s.MAC, "unknown"), s.Interface, s.Traffic.Conns, s.Traffic.Packets)
}

func (v *topView) keys() string {
	paused := ""
	if v.paused {
		paused = "  PAUSED"
	}
	return fmt.Sprintf("q quit  up/down select  s sort: %s  p pause%s", orderNames[v.order], paused)
}

// short is a number in at most six characters.
func short(n float64) string {
	for _, unit := range []string{"", "k", "M", "G", "T"} {
		switch {
		case n < 99.95 && (unit != "" || n != math.Trunc(n)):
			return fmt.Sprintf("%.1f%s", n, unit)
		case n < 9999.5 && unit == "" || n < 999.5:
			return fmt.Sprintf("%.0f%s", n, unit)
		}
		n /= 1000
	}
	return ">999T"
}

// cut shortens s to at most width characters.
func cut(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	return string(r[:max(width-1, 0)]) + strings.Repeat("~", min(width, 1))
}

// plain is the lines as text.
func plain(lines []topLine) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(strings.TrimRight(l.text, " ") + "\n")
	}
	return b.String()
}
