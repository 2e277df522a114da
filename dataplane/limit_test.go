package dataplane_test

import (
	"net/netip"
	"testing"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// The three kinds of answer have a bucket each, which holds a second's worth and
// refills by the clock; what is over is counted as limited.
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
			l := furnish(newLab(t, dataplane.Limits{Resets: 5, ICMP: 5, Echoes: 5}, 256))
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
			l.now += 200e6 - 1
			burst(0)
			l.now++ // 1/5 s
			burst(1)
			l.now += 600e6
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

// flood sends n frames that are owed a reset, from as many clients in turn, and
// returns how many were answered.
func flood(l *lab, n, clients int) int {
	answered := 0
	for n > 0 {
		l.batch.Packets = l.batch.Packets[:0]
		for range min(n, dataplane.MaxBatch/4) { // a batch has room for all answers
			src := netip.AddrFrom4([4]byte{10, 1, byte(n % clients >> 8), byte(n % clients)})
			l.batch.Packets = append(l.batch.Packets, dataplane.Packet{Data: tcpFrom(src, 4000, 81, "S")})
			n--
		}
		l.d.Process(l.scratch, l.batch, l.now)
		*l.frames += uint64(len(l.batch.Packets))
		answered += len(l.batch.Replies)
	}
	return answered
}

// Without Limits one client gets 1000 resets a second. All of many get theirs: after a
// restart thousands of clients are told at once that their connections are gone.
func TestDefaultLimits(t *testing.T) {
	for _, c := range []struct {
		name             string
		clients, n, want int
	}{
		{"one client", 1, 5000, 1000},
		{"two clients", 2, 5000, 2000},
		{"3000 clients with two connections each", 3000, 6000, 6000},
		{"more than a worker answers", 4000, 30000, 20000},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := furnish(newLab(t, dataplane.Limits{}, 256))
			l.now = 1e9
			if got := flood(l, c.n, c.clients); got != c.want {
				t.Errorf("%d of %d were answered, want %d", got, c.n, c.want)
			}
			if got := l.d.Counters(); got[dataplane.ResetLimited] != uint64(c.n-c.want) {
				t.Errorf("counted %v", got.Map())
			}
		})
	}
}

// One client that asks for many answers takes none from the others.
func TestOneClientDoesNotUseUpTheAnswersOfOthers(t *testing.T) {
	l := furnish(newLab(t, dataplane.Limits{}, 256))
	l.now = 1e9
	flood(l, 50_000, 1)
	l.expect(tcp(4000, 81, "S"), dataplane.ResetNoService, 0)
}

func TestABatchHoldsABoundedNumberOfAnswers(t *testing.T) {
	l := furnish(newLab(t, unlimited, 256))
	for range dataplane.MaxBatch {
		l.batch.Packets = append(l.batch.Packets, dataplane.Packet{Data: tcp(4000, 81, "S")})
	}
	l.d.Process(l.scratch, l.batch, l.now)
	*l.frames += dataplane.MaxBatch
	if n := len(l.batch.Replies); n != 64 {
		t.Errorf("%d answers in one batch, want 64", n)
	}
}
