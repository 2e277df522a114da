package lesson

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"lvsdr/bench/fault"
	"lvsdr/bench/netlab"
	"lvsdr/control/api"
)

func TestAReportEndsWithItsVerdict(t *testing.T) {
	for _, c := range []struct {
		law  string
		say  func(*report)
		err  error
		want string
	}{
		{"all that was expected came", func(r *report) { r.expect(true, "never read") }, nil, "\nVerdict\n───────\n\nfine\n"},
		{"what is wrong is listed, in order", func(r *report) {
			r.expect(false, "%d of %d", 1, 2)
			r.expect(true, "never read")
			r.expect(false, "and more")
		}, ErrWrong, "\nVerdict\n───────\n\nWRONG: 1 of 2\nWRONG: and more\n"},
		{"titles are underlined by characters, not bytes", func(r *report) { r.title("größe") }, nil,
			"\ngröße\n─────\n\n\nVerdict\n───────\n\nfine\n"},
	} {
		var out strings.Builder
		r := report{out: &out}
		c.say(&r)
		if err := r.verdict("fine"); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.law, err, c.err)
		}
		if out.String() != c.want {
			t.Errorf("%s:\n%q\nwant\n%q", c.law, out.String(), c.want)
		}
	}
}

func TestBarsAreAsLongAsTheirShare(t *testing.T) {
	last := -1
	for n := 0; n <= 60; n++ {
		b := new(report).bar(n, 60)
		if utf8.RuneCountInString(b) != 30 {
			t.Fatalf("%d of 60: %q is not 30 wide", n, b)
		}
		full := strings.Count(b, "█")
		if full < last || full != (n+1)/2 { // to the nearest cell, as in top
			t.Errorf("%d of 60: %d cells", n, full)
		}
		last = full
	}
	for width, want := range map[int]int{0: 30, 80: 24, 85: 24, 86: 30, 200: 30} {
		r := report{width: width}
		if got := utf8.RuneCountInString(r.bar(1, 2)); got != want {
			t.Errorf("on a screen of %d columns a bar has %d, want %d", width, got, want)
		}
	}
	if b := new(report).bar(0, 0); strings.Contains(b, "█") {
		t.Errorf("none of none: %q", b)
	}
}

func TestProofsAreNotedInTheOrderOfTheLesson(t *testing.T) {
	s := &lessonShow{report: report{out: &strings.Builder{}}}
	s.problem(true, "%d SYNs;\nno answer", 3)
	s.remedied(false, "%d of %d", 1, 60)
	if want := "Before: 3 SYNs;\n        no answer\nAfter:  1 of 60"; s.proof != want {
		t.Errorf("proof:\n%s\nwant\n%s", s.proof, want)
	}
	if want := []string{noHelp + "1 of 60"}; !slices.Equal(s.wrong, want) {
		t.Errorf("wrong: %q, want %q", s.wrong, want)
	}
	s = &lessonShow{}
	s.problem(false, "two\nlines")
	if want := noProblem + "two lines"; len(s.wrong) != 1 || s.wrong[0] != want {
		t.Errorf("wrong: %q, want one line %q", s.wrong, want)
	}
}

func TestLessonsAreListedAndChosenByNumber(t *testing.T) {
	var out strings.Builder
	if err := List(&out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != len(lessons()) {
		t.Errorf("%d lines for %d lessons:\n%s", len(lines), len(lessons()), out.String())
	}
	for i, l := range lines {
		if !strings.HasPrefix(l, string(rune('1'+i))+"  ") || len(l) > 80 {
			t.Errorf("line %d: %q", i+1, l)
		}
	}
	for _, c := range []struct {
		arg  string
		want []int // nil: refused
	}{
		{"1", []int{1}}, {"5", []int{5}}, {"all", []int{1, 2, 3, 4, 5}},
		{"0", nil}, {"6", nil}, {"-1", nil}, {"", nil}, {"one", nil}, {"1 2", nil}, {"ALL", nil},
	} {
		got, err := Numbers(c.arg)
		if !slices.Equal(got, c.want) || (err != nil) != (c.want == nil) {
			t.Errorf("%q: %v, %v, want %v", c.arg, got, err, c.want)
		}
		if err != nil && err.Error() != `no lesson "`+c.arg+`"; there are 1 to 5, and all` {
			t.Errorf("%q: %v", c.arg, err)
		}
	}
}

func TestLessonsAreWhole(t *testing.T) {
	titles := map[string]bool{}
	for i, l := range lessons() {
		if l.classic == nil || l.shows == nil || l.why == nil || l.remedy == nil || l.again == nil {
			t.Errorf("lesson %d lacks a part", i+1)
		}
		if titles[l.title] || l.title == "" || strings.HasSuffix(l.title, ".") {
			t.Errorf("lesson %d: title %q", i+1, l.title)
		}
		titles[l.title] = true
		for line := range strings.Lines(l.question) {
			if len(line) > widest {
				t.Errorf("lesson %d: the question is %d wide: %s", i+1, len(line), line)
			}
		}
		if !strings.Contains(l.question, "?") {
			t.Errorf("lesson %d asks nothing: %s", i+1, l.question)
		}
	}
}

func TestAConfigurationIsShownWithOneRealServer(t *testing.T) {
	var out strings.Builder
	s := &lessonShow{report: report{out: &out}}
	s.printConfig("virtual_server 192.0.2.1 80 {\n    lb_algo wrr\n    real_server 192.0.2.2 80 {\n        weight 1\n    }\n    real_server 192.0.2.3 80 {\n        weight 2\n    }\n}\n")
	const want = "virtual_server 192.0.2.1 80 {\n    lb_algo wrr\n    real_server 192.0.2.2 80 {\n        weight 1\n    }\n    ...\n}\n\n"
	if out.String() != want {
		t.Errorf("shown as\n%s\nwant\n%s", out.String(), want)
	}
}

func TestRequestsOfALookInOneLine(t *testing.T) {
	tally := func(errs int, by map[string]int) netlab.Tally { return netlab.Tally{ByServer: by, Errors: errs} }
	for want, e := range map[string]*fault.Evidence{
		"0 of 0 requests were answered.": {},
		"24 of 24 requests were answered (rs1 12, rs2 12).": {
			Small: tally(0, map[string]int{"rs1": 6, "rs2": 6}), Large: tally(0, map[string]int{"rs2": 6, "rs1": 6})},
		"6 of 12 requests were answered (rs3 6).": {Small: tally(0, map[string]int{"rs3": 6}), Large: tally(6, nil)},
		"0 of 2 requests were answered; a connection that was open broke.": {
			Small: tally(2, nil), Kept: errors.New("connection reset by peer")},
	} {
		if got := requests(e); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestOnlyWhatDRPromisesIsPromised(t *testing.T) {
	heavy := &netlab.Node{Weight: 5}
	for _, c := range []struct {
		law, scheduler, persistence string
		promise                     int
	}{
		{"wrr shares by weight", "wrr", "0", 5},
		{"rr shares evenly", "rr", "0", 1},
		{"lc promises nothing", "lc", "0", 0},
		{"with persistence nothing is promised", "wrr", "60", 0},
		{"nor with rr", "rr", "60", 0},
	} {
		topology := netlab.NewTopology()
		topology.Scheduler, topology.Persistence = c.scheduler, c.persistence
		d := &demo{Site: &netlab.Site{Topology: topology}}
		if got := d.promise()(heavy); got != c.promise {
			t.Errorf("%s: %d, want %d", c.law, got, c.promise)
		}
		if want := map[bool]string{true: "rr", false: "weight"}[c.scheduler == "rr"]; d.promiser() != want {
			t.Errorf("%s: says who? %s, want %s", c.law, d.promiser(), want)
		}
	}
	topology := netlab.NewTopology()
	topology.Scheduler = "rr"
	if got := (&demo{Site: &netlab.Site{Topology: topology}}).promise()(&netlab.Node{}); got != 0 {
		t.Errorf("a quiesced server is promised %d by rr", got)
	}
}

// ports are the counters of eth0, eth1 and so on.
func ports(all ...api.PortStats) map[string]api.PortStats {
	m := map[string]api.PortStats{}
	for i, p := range all {
		m[fmt.Sprintf("eth%d", i)] = p
	}
	return m
}

func TestAStatusThatContradictsItselfIsWrong(t *testing.T) {
	for _, c := range []struct {
		law    string
		status api.Status
		wrong  string
	}{
		{"as many frames as were received", api.Status{Reasons: map[string]uint64{"forwarded": 3, "arp": 2}, Ports: ports(api.PortStats{Received: 5})}, ""},
		{"frames may arrive between the readings", api.Status{Reasons: map[string]uint64{"forwarded": 3}, Ports: ports(api.PortStats{Received: 2}, api.PortStats{Received: 3})}, ""},
		{"more frames than were received", api.Status{Reasons: map[string]uint64{"forwarded": 6}, Ports: ports(api.PortStats{Received: 5})}, "6 frames were counted and only 5 received"},
		{"a frame was missed", api.Status{Ports: ports(api.PortStats{Missed: 1})}, "frames were lost"},
		{"a SYN was missed", api.Status{Ports: ports(api.PortStats{MissedSYN: 1})}, "frames were lost"},
		{"a frame could not be sent", api.Status{Ports: ports(api.PortStats{SendFull: 1})}, "frames were lost"},
		{"an error while sending", api.Status{Ports: ports(api.PortStats{SendError: 2})}, "frames were lost"},
		{"a server had no MAC address", api.Status{Reasons: map[string]uint64{"no-mac": 4}, Ports: ports(api.PortStats{Received: 4})}, "4 frames had no MAC address to go to"},
	} {
		var d demo
		d.checkStatus(&c.status)
		if all := strings.Join(d.wrong, "\n"); (c.wrong == "") != (all == "") || !strings.Contains(all, c.wrong) {
			t.Errorf("%s: wrong is %q, want %q", c.law, all, c.wrong)
		}
	}
}

func TestLabsThatCannotBeAreRefusedAsMisuse(t *testing.T) {
	rpFilter, err := fault.Find("rp-filter")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		law, want string
		change    func(*netlab.Topology)
	}{
		{"a fault that IPv6 does not have", "rp-filter: the kernel has this filter for IPv4 only", func(s *netlab.Topology) { s.IPv6 = true }},
		{"a lab without clients", "at least one of each", func(s *netlab.Topology) { s.Clients = 0 }},
		{"a scheduler that is none", `--scheduler "best": there are `, func(s *netlab.Topology) { s.Scheduler = "best" }},
	} {
		topology := netlab.NewTopology()
		c.change(topology)
		var out strings.Builder
		err := Break(t.Context(), Options{Out: &out, Topology: topology}, rpFilter, nil)
		var usage netlab.UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.want) || out.Len() > 0 {
			t.Errorf("%s: %v, want a misuse with %q; written: %q", c.law, err, c.want, out.String())
		}
	}
	topology := netlab.NewTopology()
	topology.MTU = 1
	for what, err := range map[string]error{
		"Teach": Teach(t.Context(), Options{Topology: topology}, 1),
		"Demo":  Demo(t.Context(), Options{Topology: topology}),
	} {
		var usage netlab.UsageError
		if !errors.As(err, &usage) {
			t.Errorf("%s: %v, want a misuse", what, err)
		}
	}
}
