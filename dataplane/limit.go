package dataplane

// Limits bound the answers of each worker, in frames a second and in bursts of as
// many. 0 means the default, a negative number none at all.
type Limits struct {
	Resets int // RST; default 20 000
	ICMP   int // ICMP errors; default 1000, as net.ipv4.icmp_msgs_per_sec
	Echoes int // echo replies; default 1000
	// Source bounds, for each kind, the answers to one client; default 1000.
	Source int
}

func (l Limits) orDefault() Limits {
	for v, most := range map[*int]int{&l.Resets: 20_000, &l.ICMP: 1000, &l.Echoes: 1000, &l.Source: 1000} {
		if *v == 0 {
			*v = most
		}
	}
	return l
}

// A bucket is a token bucket that holds a second's worth. The zero bucket is full.
type bucket struct {
	taken float64 // tokens that are missing
	last  int64   // ns
}

// fill puts in what has come since the last time, and reports whether there is a
// token.
func (b *bucket) fill(rate int, now int64) bool {
	b.taken = max(b.taken-float64(now-b.last)*float64(rate)/1e9, 0)
	b.last = now
	return b.taken+1 <= float64(rate)
}

// sources is how many buckets there are for clients. Clients whose hashes meet in
// one share it.
const sources = 1 << 10

// A limit bounds one kind of answer: to all clients, and to each.
type limit struct {
	reason Reason // of what it refuses
	rate   int    // a second; negative: nothing passes
	all    bucket
	each   int // the rate of one client
	source []bucket
}

func newLimit(reason Reason, rate, each int) limit {
	return limit{reason: reason, rate: rate, each: each, source: make([]bucket, sources)}
}

// take reports whether another answer may be sent at now, to the client with that
// hash. What is refused takes nothing.
func (l *limit) take(client uint64, now int64) bool {
	if l.rate < 0 || l.each < 0 {
		return false
	}
	own := &l.source[client%sources]
	if !l.all.fill(l.rate, now) || !own.fill(l.each, now) {
		return false
	}
	l.all.taken++
	own.taken++
	return true
}
