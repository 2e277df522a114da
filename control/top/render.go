package top

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"lvsdr/control/api"
)

// render makes the lines for a screen of that size, none longer than width;
// height 0 is that of a printed page: everything, without keys and selection.
func (v *view) render(width, height int) []line {
	screen := height > 0
	if len(v.states) == 0 {
		return []line{{text: cut(fmt.Sprintf("waiting for the director: %v", v.err), width)}}
	}
	head, rows, foot := v.header(), v.rows(), v.frames()
	v.selected = max(min(v.selected, len(rows)-1), 0)
	if screen {
		if room := max(height-len(head)-4, 0); len(foot) > room/2 {
			foot = foot[:room/2]
		}
		foot = append(foot, line{text: v.detail(rows)}, line{text: v.keys()})
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
func (v *view) header() []line {
	st := v.now()
	state := "announcing"
	if !st.Active {
		state = "silent"
	}
	first := fmt.Sprintf("lvsdr %s, process %d, %s, up %s, table %d of %d", st.Version, st.PID, state,
		v.now().Time.Sub(st.Started).Round(time.Second), st.Table.Entries, st.Table.Limit)
	var frames, forwarded, dropped float64
	for reason, verdict := range st.Verdicts {
		n := v.rate(st.Reasons[reason], v.before().Reasons[reason])
		frames += n
		switch verdict {
		case forward:
			forwarded += n
		case drop:
			dropped += n
		}
	}
	second := fmt.Sprintf("frames %s/s, forwarded %s/s, dropped %s/s", short(frames), short(forwarded), short(dropped))
	if o := st.Offload; o != nil && v.before().Offload != nil {
		second += fmt.Sprintf("; by the kernel %s/s of %d connections", short(v.rate(o.Packets, v.before().Offload.Packets)), o.Flows)
	}
	lines := []line{{text: first}, {text: second, alarm: dropped > 0}}
	if v.err != nil {
		lines = append(lines, line{text: "the director does not answer: " + v.err.Error(), alarm: true})
	}
	for _, p := range st.Problems {
		lines = append(lines, line{text: "problem: " + p, alarm: true})
	}
	return lines
}

// The verdicts that are told apart.
const (
	forward = "forward"
	drop    = "drop"
)

// Widths of a server's line, in characters.
const (
	fixedWidth = 54 // all but the server's name and the bar
	stateWidth = 8  // of it, for the state in a word
	mostName   = 47 // [IPv6]:port
	leastBar   = 5
	mostBar    = 60
)

// columns are the widths of the server's name and of the bar on a screen.
func columns(rows []row, width int) (name, bar int) {
	name = len("SERVER")
	for _, r := range rows {
		if r.server != nil {
			name = max(name, len(api.HostPort(r.server.Address, r.server.Port)))
		}
	}
	name = max(min(name, mostName, width-fixedWidth-leastBar), len("SERVER"))
	return name, max(min(width-fixedWidth-name, mostBar), leastBar)
}

// body is the table of services and servers, a line each behind a blank one and
// titles.
func (v *view) body(rows []row, width int, screen bool) []line {
	name, bar := columns(rows, width)
	due := "|: BY WEIGHT"
	if len(due) > bar {
		due = "DUE |"
	}
	titles := fmt.Sprintf("  %-*s %6s %6s %-*s %6s %6s %6s %6s %s", name, "SERVER", "WEIGHT", "SHARE", bar, due, "ACTIVE", "INACT", "PPS", "CONN/S", "STATE")
	var lines []line
	for i := range rows {
		r := &rows[i]
		mark := "  "
		if screen && i == v.selected {
			mark = "> "
		}
		if r.server != nil {
			lines = append(lines, line{mark + v.serverLine(r, name, bar, width), screen && i == v.selected, alarming(r.server)})
			continue
		}
		lines = append(lines, line{}, line{mark + v.serviceLine(r), screen && i == v.selected, false}, line{text: titles})
	}
	return lines
}

func (v *view) serviceLine(r *row) string {
	return fmt.Sprintf("%s %s, %s: %s packets/s, %s connections/s", r.service.ServiceKey, r.service.Scheduler, r.service.PersistenceText(),
		short(v.rate(r.service.Traffic.Packets, r.was.Traffic.Packets)), short(v.rate(r.service.Traffic.Conns, r.was.Traffic.Conns)))
}

func (v *view) serverLine(r *row, name, bar, width int) string {
	s := r.server
	return fmt.Sprintf("%-*s %6s %5.1f%% %s %6s %6s %6s %6s %s", name, cut(api.HostPort(s.Address, s.Port), name), weightWord(s.Effective), 100*r.share,
		api.Bar(r.share, r.due, bar), short(float64(s.Active)), short(float64(s.Inactive)),
		short(v.rate(s.Traffic.Packets, r.before.Traffic.Packets)), short(v.rate(s.Traffic.Conns, r.before.Traffic.Conns)), stateText(s, width-fixedWidth+stateWidth-name-bar))
}

// weightWord is a weight in six characters, exact where it fits.
func weightWord(n int) string {
	if n < 1e6 {
		return strconv.Itoa(n)
	}
	return short(float64(n))
}

// alarming reports whether a server does not get what its weight says.
func alarming(s *api.Server) bool {
	switch s.StateWord() {
	case api.StateDown, api.StateLeftOut, api.StateNoMAC:
		return true
	}
	return false
}

// stateText is the state of a server for so many characters: with its reason, if
// that fits.
func stateText(s *api.Server, room int) string {
	if text := s.StateText(); len(text) <= room {
		return text
	}
	return s.StateWord()
}

// frames are the reasons under which frames are counted that were not forwarded.
func (v *view) frames() []line {
	st := v.now()
	rate := func(reason string) float64 { return v.rate(st.Reasons[reason], v.before().Reasons[reason]) }
	var reasons []string
	for reason, n := range st.Reasons {
		if n > 0 && st.Verdicts[reason] != forward {
			reasons = append(reasons, reason)
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	slices.SortFunc(reasons, func(a, b string) int {
		return cmp.Or(cmp.Compare(rate(b), rate(a)), cmp.Compare(st.Reasons[b], st.Reasons[a]), cmp.Compare(a, b))
	})
	lines := []line{{}, {text: fmt.Sprintf("%-24s %-8s %8s %10s", "NOT FORWARDED", "VERDICT", "/S", "IN ALL")}}
	for _, r := range reasons {
		lines = append(lines, line{text: fmt.Sprintf("%-24s %-8s %8s %10d", r, st.Verdicts[r], short(rate(r)), st.Reasons[r]),
			alarm: st.Verdicts[r] == drop && rate(r) > 0})
	}
	return lines
}

// scroll is the part of the body that fits, with the selected line in it.
func (v *view) scroll(body []line, room int) []line {
	room = max(room, 0)
	at := slices.IndexFunc(body, func(l line) bool { return l.selected })
	v.offset = max(min(v.offset, at, len(body)-room), at-room+1, 0)
	body = body[min(v.offset, len(body)):]
	if len(body) > room {
		return body[:room]
	}
	return append(slices.Clip(body), make([]line, room-len(body))...)
}

// detail is more about the selected row.
func (v *view) detail(rows []row) string {
	if len(rows) == 0 {
		return "no service"
	}
	r := rows[v.selected]
	if r.server == nil {
		t := r.service.Traffic
		return fmt.Sprintf("on %s: %d connections, %d packets, %d bytes in all", r.service.Interface, t.Conns, t.Packets, t.Bytes)
	}
	s := r.server
	return fmt.Sprintf("%s: %s, MAC %s by %s, %d connections, %d packets in all", s.Address, s.StateText(), cmp.Or(s.MAC, "unknown"), s.Interface, s.Traffic.Conns, s.Traffic.Packets)
}

func (v *view) keys() string {
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
func plain(lines []line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(strings.TrimRight(l.text, " ") + "\n")
	}
	return b.String()
}
