package syncnet

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"

	"lvsdr/control/connsync"
	"lvsdr/dataplane/frame"
)

// entry is a TCP connection that is established, told by client's port.
func entry(port uint16, ipv6 bool) connsync.Entry {
	e := connsync.Entry{Proto: frame.ProtoTCP, Flags: connsync.DirectRoute | connsync.NoOutput, State: 1, ClientPort: port, VirtualPort: 80, ServerPort: 80, Timeout: 900,
		Client: frame.AddrFrom4([4]byte{10, 0, 0, 1}), Virtual: frame.AddrFrom4([4]byte{10, 0, 0, 2}), Server: frame.AddrFrom4([4]byte{10, 0, 0, 3})}
	if ipv6 {
		e.IPv6, e.Client, e.Virtual, e.Server = true, frame.Addr{0: 0xfd, 15: 1}, frame.Addr{0: 0xfd, 15: 2}, frame.Addr{0: 0xfd, 15: 3}
	}
	return e
}

// messages are some that a master may send.
func messages() map[string]connsync.Message {
	one, six := entry(1, false), entry(2, true)
	seq := entry(3, false)
	seq.HasSeq, seq.Flags = true, seq.Flags|connsync.Sequences // its length is no multiple of 4
	full := connsync.Message{Version: 1, SyncID: 3}
	for i := range 39 {
		full.Entries = append(full.Entries, entry(uint16(i), false))
	}
	return map[string]connsync.Message{
		"one entry":              {Version: 1, SyncID: 7, Entries: []connsync.Entry{one}},
		"IPv6 last":              {Version: 1, Entries: []connsync.Entry{one, six}},
		"IPv6 first":             {Version: 1, Entries: []connsync.Entry{six, one}},
		"options of its own":     {Version: 1, Entries: []connsync.Entry{one, seq}},
		"an odd entry before it": {Version: 1, Entries: []connsync.Entry{seq, one}},
		"many entries":           full,
	}
}

// Another director reads the same entries out of a message with a stamp.
func TestAStampChangesNothingForOthers(t *testing.T) {
	want := stamp{boot: 1 << 60, seq: 77, time: -5}
	for name, m := range messages() {
		for _, secret := range [][]byte{nil, []byte("word")} {
			b := want.mark(m.Append(nil), secret)
			var got stamp
			if err := got.readMark(b, secret); err != nil || got != want {
				t.Errorf("%s: stamp %+v, %v", name, got, err)
			}
			var back connsync.Message
			if err := back.Parse(b); err != nil || back.Refused != 0 || !reflect.DeepEqual(back.Entries, m.Entries) || back.SyncID != m.SyncID {
				t.Errorf("%s: reads as %+v, %v", name, back, err)
			}
		}
	}
}

func TestMessagesWithoutRoomStayAsTheyAre(t *testing.T) {
	old := connsync.Message{Version: 0, Entries: []connsync.Entry{entry(1, false)}}
	for name, b := range map[string][]byte{"version 0": old.Append(nil), "nothing": {}, "no entries": {0, 0, 0, 8, 0, 1, 0, 0}, "cut": {0, 0, 0, 9, 1, 1, 0, 0, 0}} {
		s := stamp{seq: 1}
		if got := s.mark(slices.Clone(b), nil); !bytes.Equal(got, b) {
			t.Errorf("%s: % x, want % x", name, got, b)
		}
		if err := s.readMark(b, nil); !errors.Is(err, errNoStamp) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// With a secret, a message is believed if not one bit of it was changed, and by those
// alone who have the secret.
func TestNothingIsBelievedThatWasChanged(t *testing.T) {
	secret := []byte("a secret")
	h := hello{syncID: 7, port: 8848, stamp: stamp{boot: 1, seq: 2, time: 3}}
	h.stamp.boot = 1
	m := messages()["IPv6 last"]
	for name, b := range map[string][]byte{"message": h.stamp.mark(m.Append(nil), secret), "hello": h.append(nil, secret)} {
		read := func(b, secret []byte) error {
			if isHello(b) {
				return new(hello).read(b, secret)
			}
			return new(stamp).readMark(b, secret)
		}
		if err := read(b, secret); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := read(b, []byte("another")); !errors.Is(err, errMAC) {
			t.Errorf("%s, another secret: %v", name, err)
		}
		for i := range 8 * len(b) {
			bad := slices.Clone(b)
			bad[i/8] ^= 1 << (i % 8)
			if read(bad, secret) == nil {
				t.Errorf("%s: bit %d of byte %d may be changed", name, i%8, i/8)
			}
		}
		for n := range len(b) {
			if read(b[:n], secret) == nil {
				t.Errorf("%s: %d bytes of %d are believed", name, n, len(b))
			}
		}
	}
	plain := m.Append(nil)
	if err := new(stamp).readMark(plain, secret); !errors.Is(err, errNoStamp) {
		t.Errorf("a message of a kernel: %v", err)
	}
}

func TestAHelloSaysWhatItSaysAndIsNoMessageOfEntries(t *testing.T) {
	want := hello{syncID: 200, port: 65535, stamp: stamp{boot: 5, seq: 1 << 63, time: 7}}
	b := want.append(nil, nil)
	var got hello
	if err := got.read(b, nil); err != nil || got != want || !isHello(b) {
		t.Errorf("%+v, %v", got, err)
	}
	var m connsync.Message
	if err := m.Parse(b); err != nil || len(m.Entries) != 0 || m.Refused != 0 {
		t.Errorf("a hello has %d entries, %v", len(m.Entries), err)
	}
	for name, m := range messages() {
		if isHello(m.Append(nil)) {
			t.Errorf("%s is a hello", name)
		}
	}
}

func FuzzStamp(f *testing.F) {
	for _, m := range messages() {
		f.Add((&stamp{seq: 9}).mark(m.Append(nil), []byte("k")), []byte("k"))
	}
	f.Add((&hello{}).append(nil, nil), []byte{})
	f.Fuzz(func(t *testing.T, b, secret []byte) {
		if isHello(b) {
			var h hello
			if h.read(b, secret) == nil && len(secret) > 0 && !bytes.Equal(h.append(nil, secret), b) {
				t.Fatal("a hello that nobody wrote is believed")
			}
		}
		var s stamp
		if s.readMark(b, secret) == nil {
			var m connsync.Message
			_ = m.Parse(b) // it must not panic
		}
		_ = s.mark(slices.Clone(b), secret)
	})
}
