package dataplane_test

import (
	"testing"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// The three kinds of answer have a bucket each, which holds a tenth of a second's
// worth and refills by the clock; what is over is counted as limited.
func TestAnswersAreLimited(t *testing.T) {
	ping := icmp(build.ICMP{Type: 8}).Data
	for _, c := range []struct {
		name             string
		f                []byte
		answered, denied dataplane.Reason
	}{
		{"resets", tcp(4000, 81, "S"), dataplane.ResetNoService, dataplane.ResetLimited},
		{"ICMP errors", udp(4000, 54), dataplane.UnreachableNoService, dataplane.ICMPLimited},
		{"echo replies", ping, dataplane.EchoReplied, dataplane.EchoLimited},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := furnish(newLab(t, dataplane.Limits{Resets: 50, ICMP: 50, Echoes: 50}, 256))
			l.now = 1e9
			// burst answers n frames, and no more.
			burst := func(n int) {
				t.Helper()
				for range n {
					l.expect(c.f, c.answered, 0)
				}
				for range 3 {
					l.expect(c.f, c.denied, 0)
				}
			}
			burst(5)
			l.now += 20e6 - 1
			burst(0)
			l.now++ // 1/50 s
			burst(1)
			l.now += 60e6
			burst(3)
			l.now += 3600e9 // no more than the bucket holds
			burst(5)
			got := l.d.Counters()
			if got[c.answered] != 14 || got[c.denied] != 15 {
				t.Errorf("%d answered and %d limited, want 14 and 15", got[c.answered], got[c.denied])
			}
		})
	}
}

// One kind's frames do not use up another's answers, nor one worker's another's.
func TestLimitsAreApart(t *testing.T) {
	l := furnish(newLab(t, dataplane.Limits{Resets: 1, ICMP: 1, Echoes: 1}, 256))
	l.expect(tcp(4000, 81, "S"), dataplane.ResetNoService, 0)
	l.expect(tcp(4000, 81, "S"), dataplane.ResetLimited, 0)
	l.expect(udp(4000, 54), dataplane.UnreachableNoService, 0)
	l.expect(udp(4000, 54), dataplane.ICMPLimited, 0)
	l.expect(icmp(build.ICMP{Type: 8}).Data, dataplane.EchoReplied, 0)
	l.scratch = l.d.NewScratch(0)
	l.expect(tcp(4000, 81, "S"), dataplane.ResetNoService, 0)
	l.expect(udp(4000, 54), dataplane.UnreachableNoService, 0)
}

// What gets no answer for another reason takes nothing from the bucket.
func TestBadFramesDoNotUseUpAnswers(t *testing.T) {
	l := furnish(newLab(t, dataplane.Limits{Resets: 1, ICMP: 1, Echoes: 1}, 256))
	l.expect(tcpFrame(build.TCP{Flags: "S", BadSum: true, Dst: at("192.0.2.1", 81)}).Data, dataplane.BadChecksum, 0)
	l.expect(tcp(4000, 81, "R"), dataplane.ResetIgnored, 0)
	l.expect(tcp(4000, 81, "S"), dataplane.ResetNoService, 0)
	l.expect(udpFrame(build.UDP{IP: build.IP{SrcMAC: frame.MAC{1}}, Dst: at("192.0.2.1", 54)}).Data, dataplane.NotAnswerable, 0)
	l.expect(udp(4000, 54), dataplane.UnreachableNoService, 0)
}

// Without Limits there are 1000 answers a second, in bursts of 100; a batch
// holds 64 of them.
func TestDefaultLimits(t *testing.T) {
	l := furnish(newLab(t, dataplane.Limits{}, 256))
	l.now = 1e9
	sent := 0
	for range 2 {
		l.batch.Packets = l.batch.Packets[:0]
		for range dataplane.MaxBatch {
			l.batch.Packets = append(l.batch.Packets, dataplane.Packet{Data: tcp(4000, 81, "S")})
		}
		l.d.Process(l.scratch, l.batch, l.now)
		*l.frames += dataplane.MaxBatch
		sent += len(l.batch.Replies)
		if len(l.batch.Replies) > 64 {
			t.Errorf("%d answers in one batch", len(l.batch.Replies))
		}
	}
	if c := l.d.Counters(); sent != 100 || c[dataplane.ResetNoService] != 100 || c[dataplane.ResetLimited] != 2*dataplane.MaxBatch-100 {
		t.Errorf("%d answers, counted %v, want 100", sent, c.Map())
	}
}
