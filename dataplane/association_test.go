package dataplane_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// sctp is a packet of the client's whose first chunk is of that type; -1: it
// has none.
func sctp(src netip.Addr, port uint16, chunk int) []byte {
	s := build.SCTP{Src: netip.AddrPortFrom(src, port), Dst: netip.AddrPortFrom(vipFor(src), 9000),
		IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC}, Tag: 1}
	if chunk >= 0 {
		s.Payload = []byte{byte(chunk), 0, 0, 8, 0, 0, 0, 0}
	}
	return s.Bytes()
}

// An INIT begins an association, and with sloppy_sctp anything but an ABORT
// does. What does not is ignored: RFC 9260 has an answer for it, which the
// director does not owe.
func TestWhatBeginsAnAssociation(t *testing.T) {
	for _, src := range []netip.Addr{clientIP, client6IP} {
		for _, sloppy := range []bool{false, true} {
			l := dualLab(t)
			l.tune(func(v *dataplane.Tunables) { v.SloppySCTP = sloppy })
			for chunk := -1; chunk < 256; chunk++ {
				want := dataplane.ProtocolIgnored
				if chunk == frame.SCTPInit || sloppy && chunk >= 0 && chunk != frame.SCTPAbort {
					want = dataplane.Scheduled
				}
				if r := l.send(sctp(src, uint16(1000+chunk), chunk)); r.reason != want {
					t.Errorf("chunk %d, sloppy_sctp %v: %s, want %s", chunk, sloppy, r.reason, want)
				}
				l.expect(sctp(src, 20, chunk), dataplane.ProtocolIgnored, 0)
			}
		}
	}
}

// The states of an association as its client's packets show them, what they
// count as, and how long they last.
func TestAssociations(t *testing.T) {
	const init, cookie, data, shutdown, ack, abort, done = 1, 10, 0, 7, 8, 6, 14
	type step struct {
		chunk int
		state string
		life  time.Duration
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"from its start to its end", []step{{init, "INIT1", 4}, {cookie, "ESTABLISHED", 900}, {data, "ESTABLISHED", 900},
			{3, "ESTABLISHED", 900}, {shutdown, "SHUTDOWN", 61}, {done, "CLOSED", 61}}},
		{"closed by the server", []step{{init, "INIT1", 4}, {cookie, "ESTABLISHED", 900}, {ack, "SHUTDOWN", 61}, {data, "SHUTDOWN", 61}}},
		{"an INIT sent again", []step{{init, "INIT1", 4}, {init, "INIT", 61}, {init, "INIT", 61}, {cookie, "ESTABLISHED", 900}}},
		{"aborted", []step{{init, "INIT1", 4}, {cookie, "ESTABLISHED", 900}, {abort, "CLOSED", 61}, {data, "CLOSED", 61}}},
		{"aborted before it began", []step{{init, "INIT1", 4}, {abort, "CLOSED", 61}}},
		{"an unexpected INIT changes nothing", []step{{init, "INIT1", 4}, {cookie, "ESTABLISHED", 900}, {init, "ESTABLISHED", 900}}},
		{"a port used again", []step{{init, "INIT1", 4}, {abort, "CLOSED", 61}, {init, "INIT1", 4}, {cookie, "ESTABLISHED", 900}}},
		{"a packet without a chunk changes nothing", []step{{init, "INIT1", 4}, {-1, "INIT1", 4}, {cookie, "ESTABLISHED", 900}, {-1, "ESTABLISHED", 900}}},
	} {
		for _, src := range []netip.Addr{clientIP, client6IP} {
			t.Run(fmt.Sprint(c.name, " from ", src), func(t *testing.T) {
				l := dualLab(t)
				k := on(frame.AddrFrom(vipFor(src)), frame.ProtoSCTP, 9000)
				reason := dataplane.Scheduled
				for i, s := range c.steps {
					l.now += 1e9
					l.expect(sctp(src, 4000, s.chunk), reason, 2)
					reason = dataplane.Hit
					counts := [3]int{0, 1}
					if s.state == "ESTABLISHED" {
						counts = [3]int{1, 0}
					}
					got := l.d.Conns(l.now)
					if len(got) != 1 || got[0].State != s.state || got[0].Expires != s.life*time.Second || l.counts(k, 2) != counts {
						t.Fatalf("packet %d: %+v, counts %v, want %s for %v s, %v", i, got, l.counts(k, 2), s.state, int64(s.life), counts)
					}
				}
				l.pass(c.steps[len(c.steps)-1].life * time.Second)
				if n, _, _ := l.d.TableUse(); n != 0 || l.counts(k, 2) != [3]int{} {
					t.Errorf("%d entries are left, counts %v", n, l.counts(k, 2))
				}
			})
		}
	}
}

// Taken up in the middle, an association is established; persistence and
// thresholds go by its counts as for TCP.
func TestSloppyAssociationsUnderPersistence(t *testing.T) {
	l := dualLab(t)
	k := on(vip6, frame.ProtoSCTP, 9000)
	l.must(l.d.EditService(dataplane.ServiceConfig{Key: k, Scheduler: "rr", Persistence: time.Minute}))
	l.tune(func(v *dataplane.Tunables) { v.SloppySCTP = true })
	l.expect(sctp(client6IP, 4000, frame.SCTPInit), dataplane.Scheduled, 2)
	if l.counts(k, 2) != [3]int{0, 1, 1} {
		t.Errorf("counts %v after an INIT", l.counts(k, 2))
	}
	l.expect(sctp(client6IP, 4001, frame.SCTPData), dataplane.Persistent, 2)
	if l.counts(k, 2) != [3]int{1, 1, 1} {
		t.Errorf("counts %v after data", l.counts(k, 2))
	}
	for _, c := range l.d.Conns(l.now) {
		if c.Key.Template && c.State != "ASSURED" {
			t.Errorf("the template is %s", c.State)
		}
	}
}
