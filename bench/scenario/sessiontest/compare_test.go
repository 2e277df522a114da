package sessiontest_test

import (
	"slices"
	"strings"
	"testing"

	"lvsdr/bench/scenario"
	"lvsdr/bench/scenario/sessiontest"
)

// ops reads a session without its header.
func ops(t *testing.T, lines string) []*scenario.Op {
	t.Helper()
	all, err := scenario.Read("session", strings.NewReader("{\"op\":\"scenario\",\"schema\":1}\n"+lines))
	if err != nil {
		t.Fatal(err)
	}
	return all[1:]
}

func TestCompareFindsWhatDiffersAndLeavesOtherMethodsOut(t *testing.T) {
	const pkt = `{"op":"pkt","proto":"tcp","src":"10.1.0.1","sport":1,"dst":"10.0.0.1","dport":80,"flags":"S","to":"10.2.0.11"}` + "\n"
	for _, c := range []struct {
		law       string
		how       sessiontest.How
		want, got string
		left      []int
		mention   string // "" where there is no difference
	}{
		{law: "equal lines are equal",
			want: `{"cmd":"-Ln","stdout":"TCP  10.0.0.1:80 rr\n"}`,
			got:  `{"cmd":"-Ln","stdout":"TCP  10.0.0.1:80 rr\n"}`},
		{law: "another exit code is a difference",
			want:    `{"cmd":"-C","exit":0}`,
			got:     `{"cmd":"-C","exit":255}`,
			mention: "line 1: -C: exit code 255"},
		{law: "another text is a difference",
			want:    `{"cmd":"-D -t 10.0.0.1:80","exit":255,"stderr":"No such service\n"}`,
			got:     `{"cmd":"-D -t 10.0.0.1:80","exit":255,"stderr":"no\n"}`,
			mention: `recorded: 255, "No such service\n"`},
		{law: "a masquerading server may be refused, and is missed in listings",
			want: `{"cmd":"-a -t 10.0.0.1:80 -r rs1 -m"}` + "\n" + `{"cmd":"-Ln","stdout":"TCP  10.0.0.1:80 rr\n  -> 10.2.0.11:80 Masq\n  -> 10.2.0.12:80 Route\n"}`,
			got:  `{"cmd":"-a -t 10.0.0.1:80 -r rs1 -m","exit":255}` + "\n" + `{"cmd":"-Ln","stdout":"TCP  10.0.0.1:80 rr\n  -> 10.2.0.12:80 Route\n"}`,
			left: []int{1, 2}},
		{law: "a misuse of -m is a misuse all the same",
			want:    `{"cmd":"-a -t 10.0.0.1:80 -r rs1 -m -g","exit":2,"stderr":"multiple\n"}`,
			got:     `{"cmd":"-a -t 10.0.0.1:80 -r rs1 -m -g","exit":255}`,
			left:    []int{1},
			mention: "-a -t 10.0.0.1:80 -r rs1 -m -g"},
		{law: "the order of the kernel's hash tables is none",
			want: `{"cmd":"-Ln --nosort","stdout":"title\nTCP  10.0.0.1:80 rr\n  -> a\n  -> b\nTCP  10.0.0.2:80 rr\n  -> c\n"}`,
			got:  `{"cmd":"-Ln --nosort","stdout":"title\nTCP  10.0.0.2:80 rr\n  -> c\nTCP  10.0.0.1:80 rr\n  -> a\n  -> b\n"}`},
		{law: "the order of a service's servers is one",
			want:    `{"cmd":"-Ln --nosort","stdout":"title\nTCP  10.0.0.1:80 rr\n  -> a\n  -> b\n"}`,
			got:     `{"cmd":"-Ln --nosort","stdout":"title\nTCP  10.0.0.1:80 rr\n  -> b\n  -> a\n"}`,
			mention: "--nosort"},
		{law: "a packet goes where it went",
			want:    pkt,
			got:     strings.Replace(pkt, "0.11\"}", "0.12\"}", 1),
			mention: "to 10.2.0.12, recorded 10.2.0.11"},
		{law: "packets that were not sent go nowhere and count nothing",
			how:  sessiontest.How{Host: true},
			want: pkt + `{"cmd":"-Ln","stdout":"TCP  10.0.0.1:80 rr\n  -> 10.2.0.11:80 Route 1 1 0 \n"}`,
			got:  strings.Replace(pkt, "10.2.0.11\"}", "drop\"}", 1) + `{"cmd":"-Ln","stdout":"TCP  10.0.0.1:80 rr\n  -> 10.2.0.11:80 Route 1 0 0 \n"}`},
		{law: "counts count where packets were sent",
			want:    pkt + `{"cmd":"-Ln","stdout":"  -> 10.2.0.11:80 Route 1 1 0\n"}`,
			got:     pkt + `{"cmd":"-Ln","stdout":"  -> 10.2.0.11:80 Route 1 0 0\n"}`,
			mention: "line 2: -Ln"},
		{law: "without packets there are no connections",
			how:  sessiontest.How{Host: true},
			want: pkt + `{"cmd":"-Lnc","stdout":"title\nTCP 01:00  SYN_RECV    10.1.0.1:1     10.0.0.1:80      10.2.0.11:80\n"}`,
			got:  pkt + `{"cmd":"-Lnc","stdout":"title\n"}`},
		{law: "on a host a VIP is no real server of its service",
			how:  sessiontest.How{Host: true},
			want: `{"cmd":"-a -t vip1:http -r 10.0.0.1"}` + "\n" + `{"cmd":"-Ln","stdout":"TCP  10.0.0.1:80 rr\n  -> 10.0.0.1:80 Route\n"}`,
			got:  `{"cmd":"-a -t vip1:http -r 10.0.0.1","exit":255}` + "\n" + `{"cmd":"-Ln","stdout":"TCP  10.0.0.1:80 rr\n"}`,
			left: []int{1, 2}},
		{law: "a director's host is a real server",
			how:     sessiontest.How{Host: true},
			want:    `{"cmd":"-a -t 10.0.0.1:80 -r 127.0.0.1"}`,
			got:     `{"cmd":"-a -t 10.0.0.1:80 -r 127.0.0.1","exit":255}`,
			mention: "exit code 255"},
		{law: "the core takes such servers",
			want:    `{"cmd":"-a -t 10.0.0.1:80 -r 10.0.0.1"}`,
			got:     `{"cmd":"-a -t 10.0.0.1:80 -r 10.0.0.1","exit":255}`,
			mention: "exit code 255"},
		{law: "a sync daemon is started as recorded, or refused as recorded",
			want:    `{"cmd":"--start-daemon master"}`,
			got:     `{"cmd":"--start-daemon master","exit":255,"stderr":"not supported\n"}`,
			mention: "--start-daemon master: exit code 255"},
	} {
		left, diffs := c.how.Compare(ops(t, c.want), ops(t, c.got))
		if !slices.Equal(left, c.left) {
			t.Errorf("%s: lines %v are left out, want %v", c.law, left, c.left)
		}
		switch all := strings.Join(diffs, "\n"); {
		case c.mention == "" && all != "":
			t.Errorf("%s: found\n%s", c.law, all)
		case c.mention != "" && (len(diffs) != 1 || !strings.Contains(all, c.mention)):
			t.Errorf("%s: found\n%q\nwant one difference with %q", c.law, all, c.mention)
		}
	}
}

func TestRangesOfNumbers(t *testing.T) {
	for want, numbers := range map[string][]int{"": nil, "7": {7}, "1-2": {1, 2}, "1 3-5 9": {1, 3, 4, 5, 9}} {
		if got := sessiontest.Ranges(numbers); got != want {
			t.Errorf("%v: %q, want %q", numbers, got, want)
		}
	}
}

func TestSessionsAreFoundOrSaidToBeMissing(t *testing.T) {
	all, err := sessiontest.Sessions("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if ops, err := s.Read(); err != nil || len(ops) < 20 {
			t.Errorf("%s: %d lines, %v", s.Name, len(ops), err)
		}
	}
	if _, err := sessiontest.Sessions(t.TempDir()); err == nil || !strings.Contains(err.Error(), "has 0 sessions") {
		t.Errorf("in an empty folder: %v", err)
	}
}
