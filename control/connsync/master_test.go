package connsync

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"lvsdr/dataplane/frame"
)

// parsed reads a message.
func parsed(t testing.TB, b []byte) Message {
	t.Helper()
	var m Message
	if err := m.Parse(b); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAMessageIsFullAtItsLength(t *testing.T) {
	e := recorded[0].m.Entries[0]
	for _, c := range []struct {
		name                 string
		maxLen, entries, len int
	}{
		{"the default", 0, 40, 1448},
		{"400 bytes", 400, 10, 368},
		{"no room for a second", headerLen + 2*entry4Len - 1, 1, headerLen + entry4Len},
		{"room for exactly two", headerLen + 2*entry4Len, 2, headerLen + 2*entry4Len},
		{"too short for one, which is sent all the same", 1, 1, headerLen + entry4Len},
		{"the longest, which counts to 255", MaxLen, 255, headerLen + 255*entry4Len},
	} {
		m := NewMaster(MasterConfig{SyncID: 9, MaxLen: c.maxLen, Version: 1})
		var full []byte
		for n := 0; full == nil && n < 300; n++ {
			full = m.Add(&e, 0)
		}
		if got := parsed(t, full); len(got.Entries) != c.entries || m.Entries() != c.entries || len(full) != c.len || got.SyncID != 9 {
			t.Errorf("%s: %d entries in %d bytes, want %d in %d", c.name, len(got.Entries), len(full), c.entries, c.len)
		}
		if rest := parsed(t, m.Flush()); len(rest.Entries) != 1 {
			t.Errorf("%s: %d entries in the next message, want 1", c.name, len(rest.Entries))
		}
	}
}

func TestAMessageIsDueTwoSecondsAfterItsFirstEntry(t *testing.T) {
	m := NewMaster(MasterConfig{Version: 1})
	if _, ok := m.Due(); ok || m.Flush() != nil {
		t.Error("something is due of nothing")
	}
	e := recorded[0].m.Entries[0]
	m.Add(&e, 5e9)
	m.Add(&e, 6e9)
	if at, ok := m.Due(); !ok || at != 5e9+int64(2*time.Second) {
		t.Errorf("due at %d, %v", at, ok)
	}
	m.Flush()
	if _, ok := m.Due(); ok {
		t.Error("due again")
	}
	m.Add(&e, 9e9)
	if at, _ := m.Due(); at != 11e9 {
		t.Errorf("the next is due at %d", at)
	}
}

func TestAChangeOfVersionEndsTheMessage(t *testing.T) {
	e, six := recorded[0].m.Entries[0], Entry{IPv6: true, Client: frame.Addr{0: 0xfd}}
	m := NewMaster(MasterConfig{Version: 1})
	m.Add(&e, 0)
	if m.SetVersion(1) != nil {
		t.Error("no change ends the message")
	}
	if got := parsed(t, m.SetVersion(0)); got.Version != 1 || len(got.Entries) != 1 {
		t.Errorf("the message before: %+v", got)
	}
	m.Add(&six, 0)
	if m.Flush() != nil {
		t.Error("the old format has no IPv6")
	}
	m.Add(&e, 0)
	if got := parsed(t, m.Flush()); got.Version != 0 || len(got.Entries) != 1 {
		t.Errorf("the message after: %+v", got)
	}
}

// Whatever is added comes out, in its order, in messages no longer than allowed.
func TestNothingIsLostInAMaster(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		maxLen := rapid.IntRange(100, 3000).Draw(t, "longest message")
		m := NewMaster(MasterConfig{MaxLen: maxLen, Version: 1})
		var in, out []Entry
		read := func(b []byte) {
			if b == nil {
				return
			}
			var msg Message
			if err := msg.Parse(b); err != nil || len(b) > maxLen || len(msg.Entries) != m.Entries() {
				t.Fatalf("%d bytes: %v", len(b), err)
			}
			out = append(out, msg.Entries...)
		}
		for i := range rapid.IntRange(0, 400).Draw(t, "entries") {
			e := recorded[rapid.SampledFrom([]int{0, 1, 2, 5}).Draw(t, "kind")].m.Entries[0]
			e.ClientPort = uint16(i)
			in = append(in, e)
			read(m.Add(&e, int64(i)))
		}
		read(m.Flush())
		if len(in) != len(out) {
			t.Fatalf("%d entries in, %d out", len(in), len(out))
		}
		for i := range in {
			if in[i] != out[i] {
				t.Fatalf("entry %d: %+v in, %+v out", i, in[i], out[i])
			}
		}
	})
}

func TestABackupTakesItsOwnDomain(t *testing.T) {
	for _, c := range []struct {
		own, sender uint8
		taken       int
	}{{7, 7, 1}, {7, 8, 0}, {7, 0, 0}, {0, 7, 1}, {0, 0, 1}, {255, 255, 1}} {
		b := Backup{SyncID: c.own}
		entries, err := b.Read(with(t, 1, c.sender))
		if err != nil || len(entries) != c.taken {
			t.Errorf("domain %d, message of %d: %d entries, error %v; want %d", c.own, c.sender, len(entries), err, c.taken)
		}
	}
}

func TestABackupCounts(t *testing.T) {
	b := Backup{SyncID: 7}
	for _, m := range [][]byte{with(t, 0), with(t, 1, 9), with(t, 3, 9), with(t, headerLen+1, 99), {}, with(t, 4, 2)} {
		b.Read(m)
	}
	if want := (BackupCounts{Messages: 5, Foreign: 1, Malformed: 3, Entries: 2, Refused: 1}); b.Counts != want {
		t.Errorf("%+v, want %+v", b.Counts, want)
	}
}
