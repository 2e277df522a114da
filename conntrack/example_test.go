package conntrack_test

import (
	"fmt"
	"time"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// A connection is looked up by its key, moved by its client's segments, and
// forgotten when its time is up. The clock is the caller's.
func Example() {
	t, err := conntrack.New(conntrack.Config{Limit: 1000})
	if err != nil {
		fmt.Println(err)
		return
	}
	k := conntrack.Key{
		Client: frame.AddrFrom4([4]byte{198, 51, 100, 7}), ClientPort: 40000,
		Virtual: frame.AddrFrom4([4]byte{192, 0, 2, 1}), VirtualPort: 80, Proto: frame.ProtoTCP,
	}
	hash, now := t.Hash(&k), int64(0)
	e := t.Insert(&k, hash, conntrack.MakeDestRef(3, 0), nil, now)
	for _, flags := range []uint8{frame.SYN, frame.ACK, frame.FIN | frame.ACK} {
		t.SetState(e, conntrack.NextTCP(e.State(), flags, false))
		t.Refresh(e, now)
		fmt.Println(e.StateName(), e.Expires(now))
	}
	now += int64(2 * time.Minute)
	fmt.Println(t.Find(&k, hash, now) == nil)
	// Output:
	// SYN_RECV 1m0s
	// ESTABLISHED 15m0s
	// FIN_WAIT 2m0s
	// true
}
