package dataplane

import "lvsdr/dataplane/frame"

const (
	icmpEcho = 8 // RFC 792
	// maxReplies bounds our own frames in one batch; beyond it the rate
	// limit says no.
	maxReplies = 64
)

// Limits bound what each worker answers, in frames a second. 0 means the
// default of 1000, a negative number none at all.
type Limits struct {
	Resets int // RST
	ICMP   int // ICMP errors
	Echoes int // echo replies
}

const defaultLimit = 1000

func (l Limits) orDefault() Limits {
	for _, v := range []*int{&l.Resets, &l.ICMP, &l.Echoes} {
		if *v == 0 {
			*v = defaultLimit
		}
	}
	return l
}

// A bucket is a token bucket that holds a tenth of a second's worth, at least
// one.
type bucket struct {
	rate   int // a second
	tokens float64
	last   int64 // ns
}

// newBucket starts full.
func newBucket(rate int) bucket { return bucket{rate: rate, tokens: burst(rate)} }

func burst(rate int) float64 { return max(float64(rate)/10, 1) }

func (b *bucket) take(now int64) bool {
	if b.rate < 0 {
		return false
	}
	b.tokens = min(b.tokens+float64(now-b.last)*float64(b.rate)/1e9, burst(b.rate))
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// An owed says what a reason owes the client.
type owed struct {
	kind      uint8 // 0: nothing
	typ, code uint8 // of ICMP
	// verify asks for a right transport checksum first: a host's stack
	// would not have answered without.
	verify bool
}

const (
	oweReset = 1 + iota
	oweICMP
	oweEcho
)

var answers = [numReasons]owed{
	EchoReplied:          {kind: oweEcho, verify: true},
	ResetNoService:       {kind: oweReset, verify: true},
	ResetNoConnection:    {kind: oweReset, verify: true},
	UnreachableNoService: {kind: oweICMP, typ: 3, code: 3, verify: true},
	UnreachableNoServer:  {kind: oweICMP, typ: 3, code: 3},
	FragmentationNeeded:  {kind: oweICMP, typ: 3, code: 4},
	TimeExceeded:         {kind: oweICMP, typ: 11},
}

// answer makes the frame that is owed for p, into b.Replies, and returns the
// reason that p is counted under: the one it had, if the answer was made. This
// is the turn-off from the straight line.
func (d *Director) answer(s *Scratch, b *Batch, p *Packet, now int64) Reason {
	o := &answers[p.Reason]
	h := &p.header
	if o.kind == oweICMP && !frame.MayAnswer(p.Data, h) {
		return NotAnswerable
	}
	if o.verify && !p.Partial && !frame.L4ChecksumOK(p.Data, h) {
		return BadChecksum
	}
	limit := &s.limits[o.kind-1]
	if len(b.Replies) == maxReplies || !limit.bucket.take(now) {
		return limit.reason
	}
	buf := s.replies[len(b.Replies)][:0]
	switch o.kind {
	case oweReset:
		buf = frame.AppendReset(buf, p.Data, h)
	case oweEcho:
		buf = frame.AppendEchoReply(buf, p.Data, h)
	default:
		buf = frame.AppendICMPError(buf, p.Data, h, o.typ, o.code, uint16(p.flow.mtu))
	}
	if len(buf) == 0 {
		return NotAnswerable
	}
	b.Replies = append(b.Replies, Reply{Data: buf, Out: b.In})
	return p.Reason
}
