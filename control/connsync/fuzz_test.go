package connsync

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzParse: what is read of a message, written, reads as itself; nothing outside of
// the message matters; and with the rest cut off behind the malformed entry, those
// before it are the same.
func FuzzParse(f *testing.F) {
	for _, c := range recorded {
		f.Add(unhex(f, c.hex))
	}
	f.Add(withOptions(f, 0x49, 1, 0))
	two := Message{Version: 1, Entries: []Entry{recorded[5].m.Entries[0], recorded[0].m.Entries[0]}}
	f.Add(two.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Message
		err := m.Parse(b)
		sameBesideOtherBytes(t, b, &m, err)
		if len(m.Entries)+m.Refused > maxEntries {
			t.Fatalf("%d entries", len(m.Entries))
		}
		var bad *EntryError
		if errors.As(err, &bad) && len(m.Entries)+m.Refused != bad.N-1 {
			t.Fatalf("%d entries taken and %d refused before the malformed one, the %d.", len(m.Entries), m.Refused, bad.N)
		}
		m.Refused = 0
		for i := range m.Entries {
			m.Entries[i].Flags &^= Hashed
		}
		var again Message
		if err := again.Parse(m.Append(nil)); err != nil || !equal(&m, &again) {
			t.Fatalf("%+v was written and reads as %+v, error %v", m, again, err)
		}
		for i := range m.Entries {
			engineKeeps(t, &m.Entries[i])
		}
	})
}

// sameBesideOtherBytes parses b once more with other bytes around it.
func sameBesideOtherBytes(t *testing.T, b []byte, m *Message, err error) {
	t.Helper()
	around := append(append(bytes.Repeat([]byte{0xff}, 80), b...), bytes.Repeat([]byte{0xff}, 80)...)
	var other Message
	if err2 := other.Parse(around[80 : 80+len(b)]); (err == nil) != (err2 == nil) || !equal(m, &other) {
		t.Fatalf("%+v, %v; with other bytes around it %+v, %v", m, err, other, err2)
	}
}

// engineKeeps checks that an entry comes back from the engine's form with all that
// it means to it.
func engineKeeps(t *testing.T, e *Entry) {
	t.Helper()
	s, ok := e.Synced()
	if !ok {
		return
	}
	back := EntryOf(&s)
	again, ok := back.Synced()
	if !ok || again != s {
		t.Fatalf("%+v is %+v to the engine, and from there %+v", e, s, again)
	}
}
