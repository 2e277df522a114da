package arp

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

const ms = time.Millisecond

// rounds asks a whenever something is due up to end, and tells when each kind
// was sent for v.
func rounds(a *Announcer, v VIP, kind AnnounceKind, end time.Duration) []time.Duration {
	var at []time.Duration
	for {
		next, ok := a.Next()
		if !ok || next > end {
			return at
		}
		for _, x := range a.Due(next) {
			if x.VIP == v && x.Kind == kind {
				at = append(at, next)
			}
		}
	}
}

func active(t AnnounceTimes, now time.Duration) *Announcer {
	a := NewAnnouncer(t)
	a.SetVIPs(testVIPs(), now)
	a.SetActive(true, now)
	return a
}

func TestAVIPIsAnnouncedInABurstAndThenFromTimeToTime(t *testing.T) {
	start := 7 * time.Second
	burst := []time.Duration{start, start + 1100*ms, start + 2200*ms, start + 3300*ms, start + 4400*ms}
	for _, c := range []struct {
		name  string
		times AnnounceTimes
		kind  AnnounceKind
		want  []time.Duration
	}{
		{"requests at once, every 1.1 s for 5 s, then every minute", AnnounceTimes{}, AnnounceRequest,
			append(slices.Clone(burst), start+64400*ms, start+124400*ms)},
		{"replies at the same moments", AnnounceTimes{}, AnnounceReply,
			append(slices.Clone(burst), start+64400*ms, start+124400*ms)},
		{"no periodic ones if they are switched off", AnnounceTimes{Every: -1}, AnnounceReply, burst},
		{"as many and as often as is set", AnnounceTimes{Rounds: 2, Spacing: time.Second, Every: 50 * time.Second}, AnnounceRequest,
			[]time.Duration{start, start + 1000*ms, start + 51000*ms, start + 101000*ms}},
		{"a check with the first announcement and every minute", AnnounceTimes{}, Check,
			[]time.Duration{start, start + 60000*ms, start + 120000*ms}},
		{"no checks if they are switched off", AnnounceTimes{CheckEvery: -1}, Check, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, v := range testVIPs() {
				got := rounds(active(c.times, start), v, c.kind, start+125*time.Second)
				if !slices.Equal(got, c.want) {
					t.Errorf("%v sent at %v, want %v", v.Addr, got, c.want)
				}
			}
		})
	}
}

func TestTheFormOfAnAnnouncement(t *testing.T) {
	for kind, want := range map[AnnounceKind]wire{
		AnnounceRequest: gratuitous(1),
		AnnounceReply:   gratuitous(2),
		Check:           request(ourMAC, zeroIP, vip), // nobody learns from sender 0.0.0.0
	} {
		got := readWire(t, frameOf(Announcement{testVIPs()[0], kind}.Packet()))
		if got != want {
			t.Errorf("%v is %v, want %v", kind, got, want)
		}
	}
}

func TestAnAnnouncerIsSilentUntilActiveAndAfterwards(t *testing.T) {
	a := NewAnnouncer(AnnounceTimes{})
	a.SetVIPs(testVIPs(), 0)
	quiet := func(when string) {
		t.Helper()
		if _, ok := a.Next(); ok || len(a.Due(time.Hour)) != 0 {
			t.Errorf("%s something is due", when)
		}
		if _, ok := a.Defend(testVIPs()[0], time.Hour); ok {
			t.Errorf("%s the VIP is defended", when)
		}
	}
	quiet("before it is active")
	a.SetActive(true, 0)
	if len(a.Due(0)) == 0 {
		t.Error("nothing is announced when it becomes active")
	}
	a.SetActive(false, time.Second)
	quiet("after it was active")
	a.SetActive(true, time.Hour)
	a.SetVIPs(nil, time.Hour)
	quiet("without VIPs")
}

func TestOnlyWhatIsNewIsAnnouncedAgain(t *testing.T) {
	a := active(AnnounceTimes{}, 0)
	v := testVIPs()
	rounds(a, v[0], AnnounceRequest, 10*time.Second)
	next, _ := a.Next()

	a.SetVIPs(v, 10*time.Second)
	a.SetActive(true, 10*time.Second)
	if got, _ := a.Next(); got != next {
		t.Errorf("setting the same again moved the next announcement from %v to %v", next, got)
	}
	v[1].MAC = strayMAC
	a.SetVIPs(v, 10*time.Second)
	for _, x := range a.Due(10 * time.Second) {
		if x.VIP != v[1] {
			t.Errorf("%v is announced because another VIP has a new MAC", x.VIP)
		}
	}
	if got := rounds(a, v[1], AnnounceRequest, 20*time.Second); len(got) != 4 {
		t.Errorf("the VIP with a new MAC has %d more rounds, want 4", len(got))
	}
}

func TestALateCallerDoesNotFlood(t *testing.T) {
	a := active(AnnounceTimes{Rounds: 3}, 0)
	if n := len(a.Due(time.Hour)); n != 6 { // request, reply and check of two VIPs
		t.Errorf("an hour late %d frames are due, want 6", n)
	}
	if n := len(a.Due(time.Hour)); n != 0 {
		t.Errorf("at the same moment %d frames more are due", n)
	}
	if next, _ := a.Next(); next != time.Hour+1100*ms {
		t.Errorf("next at %v, want the spacing kept", next)
	}
	// Less than one interval late: the beat does not shift.
	a.Due(time.Hour + 1500*ms)
	if next, _ := a.Next(); next != time.Hour+2200*ms {
		t.Errorf("next at %v, want the beat kept", next)
	}
}

func TestAVIPIsDefendedOnceIn10Seconds(t *testing.T) {
	a := active(AnnounceTimes{}, 0)
	v := testVIPs()
	var at []time.Duration
	for now := time.Duration(0); now <= 25*time.Second; now += 500 * ms {
		if x, ok := a.Defend(v[0], now); ok {
			at = append(at, now)
			if x != (Announcement{v[0], AnnounceRequest}) {
				t.Errorf("defended by %v", x)
			}
		}
	}
	if want := []time.Duration{0, 10 * time.Second, 20 * time.Second}; !slices.Equal(at, want) {
		t.Errorf("defended at %v, want %v", at, want)
	}
	if _, ok := a.Defend(v[1], 25*time.Second); !ok {
		t.Error("the defence of one VIP keeps another one from being defended")
	}
	if _, ok := a.Defend(VIP{Addr: clientIP, Ifindex: eth0, MAC: ourMAC}, 0); ok {
		t.Error("an address that is no VIP is defended")
	}
}

func TestTheLastOfTwoEntriesForOneVIPCounts(t *testing.T) {
	a := NewAnnouncer(AnnounceTimes{CheckEvery: -1})
	v := testVIPs()[0]
	w := v
	w.MAC = strayMAC
	a.SetVIPs([]VIP{v, w}, 0)
	a.SetActive(true, 0)
	if got := fmt.Sprint(a.Due(0)); got != fmt.Sprint([]Announcement{{w, AnnounceRequest}, {w, AnnounceReply}}) {
		t.Errorf("due: %v", got)
	}
}
