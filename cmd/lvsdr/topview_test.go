package main

import (
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"lvsdr/control/api"
	"lvsdr/dataplane"
)

// seen is a look at so many services and servers, after so many seconds.
func seen(r *rand.Rand, services, servers, seconds int) topLook {
	epoch := time.Unix(1_000_000_000, 0)
	st := &api.Status{Version: "1.2.3", PID: 77, Started: epoch, Active: r.Intn(2) == 0, Reasons: map[string]uint64{}}
	for _, reason := range reasons() {
		st.Reasons[reason.String()] = uint64(r.Intn(1 << 40))
	}
	for i := range services {
		s := api.Service{Protocol: "tcp", Address: []string{"192.0.2.1", "2001:db8:1111:2222:3333:4444:5555:6666"}[i%2], Port: uint16(i + 1), Scheduler: "wrr",
			Traffic: dataplane.Traffic{Conns: r.Uint64() >> 3, Packets: r.Uint64() >> 3}}
		for j := range servers {
			s.Servers = append(s.Servers, api.Server{Address: s.Address + fmt.Sprint(j), Port: 65535, Effective: r.Intn(3) * r.Intn(1<<16), Up: r.Intn(3) > 0,
				MAC: []string{"", "02:00:00:00:00:01"}[r.Intn(2)], Check: strings.Repeat("why ", 40), Active: r.Intn(1 << 30), Inactive: r.Intn(1 << 10),
				Traffic: dataplane.Traffic{Conns: r.Uint64() >> r.Intn(64), Packets: r.Uint64() >> r.Intn(64)}})
		}
		st.Services = append(st.Services, s)
	}
	return topLook{epoch.Add(time.Duration(seconds) * time.Second), st}
}

// Whatever there is to see, and however small the screen, it fits.
func TestEveryScreenFits(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 3000 {
		v := &topView{order: topOrder(r.Intn(int(numOrders))), selected: r.Intn(40) - 5, offset: r.Intn(10)}
		if r.Intn(5) == 0 {
			v.err = errors.New(strings.Repeat("no ", 50))
		}
		for i := range r.Intn(4) {
			v.add(seen(r, r.Intn(4), r.Intn(12), i*r.Intn(50)))
		}
		width, height := 1+r.Intn(160), 1+r.Intn(60)
		lines := v.render(width, height)
		if len(lines) > height {
			t.Fatalf("%d lines on a screen of %d", len(lines), height)
		}
		for _, l := range lines {
			if n := utf8.RuneCountInString(l.text); n > width {
				t.Fatalf("a line of %d on a screen of %d: %q", n, width, l.text)
			}
		}
		if rows := len(v.looks) > 0 && len(v.rows()) > 0; rows && height > 12 && v.err == nil && !slices.ContainsFunc(lines, func(l topLine) bool { return l.selected }) {
			t.Fatalf("the selected line is not on a screen of %d by %d:\n%s", width, height, plain(lines))
		}
	}
}

// A line of the table has all its columns at 80, whatever the numbers.
func TestTheTableFits80(t *testing.T) {
	r := rand.New(rand.NewSource(2))
	for range 300 {
		v := &topView{}
		for i := range 2 {
			v.add(seen(r, 1, 5, i))
		}
		for _, l := range v.render(80, 24) {
			if strings.Contains(l.text, "%") && !strings.HasSuffix(l.text, " up") && !strings.HasSuffix(l.text, " down") && !strings.HasSuffix(l.text, " deaf") {
				t.Fatalf("its state is cut: %q", l.text)
			}
		}
	}
}

func TestRatesAndSharesAreOfTheLooks(t *testing.T) {
	at := func(second int, a, b uint64) topLook {
		l := topLook{time.Unix(int64(second), 0), &api.Status{PID: 1, Services: []api.Service{{Servers: []api.Server{
			{Address: "a", Effective: 3}, {Address: "b", Effective: 1}}}}}}
		l.st.Services[0].Servers[0].Traffic.Conns, l.st.Services[0].Servers[1].Traffic.Conns = a, b
		return l
	}
	v := &topView{}
	wants := func(name string, rate, share, due float64) {
		t.Helper()
		r := v.rows()[1]
		if got := v.rate(r.server.Traffic.Conns, r.before.Traffic.Conns); got != rate || r.share != share || r.due != due {
			t.Errorf("%s: %v connections/s, share %v, due %v; want %v, %v, %v", name, got, r.share, r.due, rate, share, due)
		}
	}
	v.add(at(0, 900, 100))
	wants("one look: all connections count", 0, 0.9, 0.75)
	v.add(at(2, 904, 104))
	wants("two looks", 2, 0.5, 0.75)
	v.add(at(59, 904, 116))
	wants("several looks", 0, 0.2, 0.75)
	for s := 60; s < 130; s++ {
		v.add(at(s, 904, 116))
	}
	wants("a minute without connections: all count", 0, 904.0/1020, 0.75)
	if len(v.looks) > 62 {
		t.Errorf("%d looks are kept", len(v.looks))
	}
	again := at(131, 1, 0)
	again.st.PID = 2
	v.add(again)
	wants("a director that began anew", 0, 1, 0.75)
}

func TestShortNumbersAreShort(t *testing.T) {
	for n, want := range map[float64]string{0: "0", 7: "7", 0.25: "0.2", 99.96: "100", 9999: "9999", 10000: "10.0k", 99949: "99.9k", 123456: "123k", 999499: "999k",
		999500: "1.0M", 1.5e9: "1.5G", 2e12: "2.0T", 1e18: ">999T"} {
		if got := short(n); got != want {
			t.Errorf("short(%v) = %q, want %q", n, got, want)
		}
	}
	r := rand.New(rand.NewSource(1))
	for range 10000 {
		if s := short(float64(r.Int63()) / float64(int64(1)<<r.Intn(63))); len(s) > 6 {
			t.Fatalf("%q is not short", s)
		}
	}
}

func TestKeysAreRead(t *testing.T) {
	for s, want := range map[string][]key{
		"q": {quitKey}, "\x03": {quitKey}, "jk": {downKey, upKey}, "\x1b[A\x1b[B": {upKey, downKey}, "\x1bOAs": {upKey, sortKey}, "xp\x00": {pauseKey}, "\x1b": nil, "": nil,
	} {
		if got := readKeys(s); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}
