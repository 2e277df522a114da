package arp

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"lvsdr/arp/ndp"
	"lvsdr/dataplane/frame"
)

// saidOf is what b has sent since, of both families, as text.
func (b *bench) saidOf(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, s := range b.rec.take() {
		if s.frame[12] == 0x86 {
			all = append(all, fmt.Sprint(s.ifindex, readWire6(t, s.frame)))
		} else {
			all = append(all, fmt.Sprint(s.ifindex, readWire(t, s.frame)))
		}
	}
	return all
}

func TestOneServiceSpeaksBothLanguages(t *testing.T) {
	b := newBench(t, Config{})
	if err := errorsOf(b.SetVIPs(bothVIPs()), b.SetRealServers([]Target{testTarget(), testTarget6()})); err != nil {
		t.Fatal(err)
	}
	b.SetActive(true)
	b.turn()
	check := asks6(ourMAC, ndp.LinkLocal(ourMAC))
	announce1 := announces6(eth1MAC, eth1VIP6)
	check1 := wire6{
		dst: frame.MAC{0x33, 0x33, 0xff, 0, 0x02, 0}, src: eth1MAC, sip: ndp.LinkLocal(eth1MAC),
		dip: ndp.Group(eth1VIP6), target: eth1VIP6, lla: eth1MAC,
	}
	grat1 := func(op uint16) wire {
		return wire{dst: broadcast, src: eth1MAC, op: op, sha: eth1MAC, spa: eth1VIP, tha: broadcast, tpa: eth1VIP}
	}
	want := []string{
		fmt.Sprint(eth0, gratuitous(1)), fmt.Sprint(eth0, gratuitous(2)), fmt.Sprint(eth0, request(ourMAC, zeroIP, vip)),
		fmt.Sprint(eth0, announces6(ourMAC, vip6)), fmt.Sprint(eth0, check),
		fmt.Sprint(eth1, grat1(1)), fmt.Sprint(eth1, grat1(2)), fmt.Sprint(eth1, request(eth1MAC, zeroIP, eth1VIP)),
		fmt.Sprint(eth1, announce1), fmt.Sprint(eth1, check1),
		fmt.Sprint(eth0, request(ourMAC, ourIP, serverIP)), fmt.Sprint(eth0, wants6(our6)),
	}
	if got := b.saidOf(t); !slices.Equal(got, want) {
		t.Errorf("said\n%q, want\n%q", got, want)
	}
	if st := b.Stats(); st.Announced != 6 || st.Checks != 4 || st.Asks != 2 {
		t.Errorf("stats %+v", st)
	}
	b.hear(isAt6(serverMAC, server6, ourMAC, our6).build())
	b.hear(reply(serverMAC, serverIP, ourMAC, ourIP).build())
	n := b.Neighbours()
	if len(n) != 2 || n[0].IP != serverIP || n[1].IP != server6 || n[0].MAC != serverMAC || n[1].MAC != serverMAC {
		t.Errorf("neighbours %v", n)
	}
	want2 := []Change{
		{IP: server6, Ifindex: eth0, Name: "2001:db8::11", New: serverMAC},
		{IP: serverIP, Ifindex: eth0, Name: "192.168.1.11", New: serverMAC},
	}
	if fmt.Sprint(b.changes) != fmt.Sprint(want2) {
		t.Errorf("changes %v", b.changes)
	}
}

func TestAnIPv6VIPIsAnnouncedAtTheSameMomentsInItsOneForm(t *testing.T) {
	v := bothVIPs()[2]
	a := NewAnnouncer(AnnounceTimes{})
	a.SetVIPs([]VIP{v}, 0)
	a.SetActive(true, 0)
	want := []time.Duration{0, 1100 * ms, 2200 * ms, 3300 * ms, 4400 * ms, 64400 * ms}
	if got := rounds(a, v, AnnounceReply, 65*time.Second); !slices.Equal(got, want) {
		t.Errorf("announced at %v, want %v", got, want)
	}
	a.SetVIPs(nil, 0)
	a.SetVIPs([]VIP{v}, 0)
	if got := rounds(a, v, AnnounceRequest, 65*time.Second); len(got) != 0 {
		t.Errorf("announced in the form of ARP at %v", got)
	}
	if d, ok := a.Defend(v, 0); !ok || d != (Announcement{v, AnnounceReply}) {
		t.Errorf("defended by %v, %v", d, ok)
	}
}

func TestALostIPv6RealServerIsToldOfInItsOwnWords(t *testing.T) {
	b := newBench(t, Config{})
	if err := b.SetRealServers([]Target{testTarget6()}); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		b.turn()
		b.now += time.Second
	}
	if len(b.events) != 1 || b.events[0].Text != "real server 2001:db8::11 has no MAC: no neighbour advertisement" {
		t.Errorf("events %v", b.events)
	}
}

func TestAConflictStormByIPv6IsDefendedSparingly(t *testing.T) {
	b := newBothBench(t)
	for range 600 { // two minutes
		b.hear(announces6(strayMAC, vip6).build())
		b.now += 200 * ms
	}
	if st := b.Stats(); st.Defences != 12 || st.Frames[ClaimedByOther] != 600 {
		t.Errorf("%d defences of %d conflicts", st.Defences, st.Frames[ClaimedByOther])
	}
}

func TestGroupsAreThoseOfTheIPv6VIPs(t *testing.T) {
	vips := append(bothVIPs(), bothVIPs()[3])
	vips = append(vips, VIP{Addr: client6, Ifindex: eth0, MAC: ourMAC})
	vips = append(vips, VIP{Addr: ndp.LinkLocal(frame.MAC{0, 0, 0, 0, 0x01, 0x00}), Ifindex: eth0, MAC: ourMAC}) // the VIP's group
	want := []Group{
		{eth0, frame.MAC{0x33, 0x33, 0xff, 0, 0, 0x50}},
		{eth0, groupMAC},
		{eth1, frame.MAC{0x33, 0x33, 0xff, 0, 0x02, 0}},
	}
	if got := Groups(vips); !slices.Equal(got, want) {
		t.Errorf("groups %v, want %v", got, want)
	}
	if got := Groups(testVIPs()); len(got) != 0 {
		t.Errorf("IPv4 has groups: %v", got)
	}
}

// A joiningRecorder is a recorder that is a Joiner as well.
type joiningRecorder struct {
	recorder
	joined []Group
	refuse error
}

func (j *joiningRecorder) Join(groups []Group) error {
	if j.refuse == nil {
		j.joined = slices.Clone(groups)
	}
	return j.refuse
}

func TestASenderThatIsAJoinerIsAskedToJoinAndMayRefuse(t *testing.T) {
	var j, other joiningRecorder
	s, err := New(Config{Sender: &j})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetVIPs(bothVIPs()); err != nil || !slices.Equal(j.joined, Groups(bothVIPs())) {
		t.Errorf("joined %v, %v", j.joined, err)
	}
	j.refuse = errors.New("no room")
	if err := s.SetVIPs(nil); !errors.Is(err, j.refuse) {
		t.Errorf("SetVIPs = %v, want the refusal", err)
	}
	if len(s.vips) != len(bothVIPs()) || len(s.announcer.vips) != len(bothVIPs()) {
		t.Error("the VIPs were changed all the same")
	}
	j.refuse = nil
	if err := s.SetVIPs(testVIPs()); err != nil || len(j.joined) != 0 {
		t.Errorf("joined %v, %v", j.joined, err)
	}
	s, err = New(Config{Sender: &j, Joiner: &other})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetVIPs(bothVIPs()); err != nil || len(j.joined) != 0 || len(other.joined) != 2 {
		t.Errorf("joined %v by the sender and %v by the joiner, %v", j.joined, other.joined, err)
	}
}
