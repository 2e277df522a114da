package connsync

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"lvsdr/dataplane/frame"
)

func ip4(a, b, c, d byte) frame.Addr { return frame.AddrFrom4([4]byte{a, b, c, d}) }

// unhex is the bytes of hexadecimal digits.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// recorded are messages that a kernel sent, with what they say.
var recorded = []struct {
	name, hex string
	m         Message
}{
	{"a connection under direct routing that is established", "0007002c01010000000600240000008300014e220050005000000000000003840a0100010a0000010a02000d",
		Message{Version: 1, SyncID: 7, Entries: []Entry{{Proto: 6, Flags: DirectRoute | NoOutput, State: 1, ClientPort: 20002, VirtualPort: 80, ServerPort: 80,
			Timeout: 900, Client: ip4(10, 1, 0, 1), Virtual: ip4(10, 0, 0, 1), Server: ip4(10, 2, 0, 13)}}}},
	{"one under masquerading that the client closed", "0007002c01010000000600240000010000074e2400501f90000000000000003c0a0100030a0000010a02000b",
		Message{Version: 1, SyncID: 7, Entries: []Entry{{Proto: 6, Flags: Inactive, State: 7, ClientPort: 20004, VirtualPort: 80, ServerPort: 8080,
			Timeout: 60, Client: ip4(10, 1, 0, 3), Virtual: ip4(10, 0, 0, 1), Server: ip4(10, 2, 0, 11)}}}},
	{"a template", "0007002c0101000000060024000011830000000000500050000000000000012c0a0100000a0000010a02000c",
		Message{Version: 1, SyncID: 7, Entries: []Entry{{Proto: 6, Flags: DirectRoute | NoOutput | Inactive | Template, VirtualPort: 80, ServerPort: 80,
			Timeout: 300, Client: ip4(10, 1, 0, 0), Virtual: ip4(10, 0, 0, 1), Server: ip4(10, 2, 0, 12)}}}},
	{"the template of a firewall mark", "0007002c01010000000000240000100300000000000000000000004d000000640a0100030000004d0a02000b",
		Message{Version: 1, SyncID: 7, Entries: []Entry{{Flags: DirectRoute | Template, Mark: 77,
			Timeout: 100, Client: ip4(10, 1, 0, 3), Virtual: ip4(0, 0, 0, 77), Server: ip4(10, 2, 0, 11)}}}},
	{"one that came by sync itself", "0005002c0101000000060024000001a3000475310050005000000000000000780a0100020a0000010a02000c",
		Message{Version: 1, SyncID: 5, Entries: []Entry{{Proto: 6, Flags: DirectRoute | NoOutput | Inactive | BySync, State: 4, ClientPort: 30001, VirtualPort: 80, ServerPort: 80,
			Timeout: 120, Client: ip4(10, 1, 0, 2), Virtual: ip4(10, 0, 0, 1), Server: ip4(10, 2, 0, 12)}}}},
	{"one with sequence numbers", "00070046010100000006003e00000003000175580050005000000000000000000a0100290a0000010a02000b0118000000010000000200000003000000040000000500000006",
		Message{Version: 1, SyncID: 7, Entries: []Entry{{Proto: 6, Flags: DirectRoute, State: 1, ClientPort: 30040, VirtualPort: 80, ServerPort: 80,
			Client: ip4(10, 1, 0, 41), Virtual: ip4(10, 0, 0, 1), Server: ip4(10, 2, 0, 11), HasSeq: true, Seq: [24]byte{3: 1, 7: 2, 11: 3, 15: 4, 19: 5, 23: 6}}}}},
	{"of the old format", "0107001c00064e23005000500a0100030a0000010a02000b01830004",
		Message{SyncID: 7, Entries: []Entry{{Proto: 6, Flags: DirectRoute | NoOutput | Inactive, State: 4, ClientPort: 20003, VirtualPort: 80, ServerPort: 80,
			Client: ip4(10, 1, 0, 3), Virtual: ip4(10, 0, 0, 1), Server: ip4(10, 2, 0, 11)}}}},
}

func TestMessagesOfTheKernel(t *testing.T) {
	for _, c := range recorded {
		var m Message
		if err := m.Parse(unhex(t, c.hex)); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !equal(&m, &c.m) {
			t.Errorf("%s:\nread %+v\nwant %+v", c.name, m, c.m)
		}
		if got := hex.EncodeToString(c.m.Append(nil)); got != c.hex {
			t.Errorf("%s:\nwritten %s\nwant    %s", c.name, got, c.hex)
		}
	}
}

func equal(a, b *Message) bool {
	if a.Version != b.Version || a.SyncID != b.SyncID || a.Refused != b.Refused || len(a.Entries) != len(b.Entries) {
		return false
	}
	for i := range a.Entries {
		if a.Entries[i] != b.Entries[i] {
			return false
		}
	}
	return true
}

// The right message of these tests, of one entry, and a change of it.
const right = "0007002c010100000006002400000003000175310050005000000000000000000a0100020a0000010a02000c"

// with is right with other bytes at some place.
func with(t testing.TB, at int, b ...byte) []byte {
	m := unhex(t, right)
	copy(m[at:], b)
	return m
}

func TestWhatIsRefused(t *testing.T) {
	cut := unhex(t, right)
	for _, c := range []struct {
		name    string
		in      []byte
		err     error // nil: none
		refused int
	}{
		{"nothing", nil, ErrShort, 0},
		{"a header cut short", cut[:3], ErrShort, 0},
		{"one byte missing", cut[:len(cut)-1], ErrLength, 0},
		{"one byte too many", append(unhex(t, right), 0), ErrLength, 0},
		{"an entry of version 1", with(t, headerLen+2, 0x10), ErrEntryVersion, 0},
		{"an entry of all versions", with(t, headerLen+2, 0xf0), ErrEntryVersion, 0},
		{"an entry longer than the message", with(t, headerLen+3, 0xc8), ErrCut, 0},
		{"an entry shorter than an entry", with(t, headerLen+3, 20), ErrEntryLength, 0},
		{"an unknown type", with(t, headerLen, 0x80), ErrEntryType, 0},
		{"type 2", with(t, headerLen, 2), ErrEntryType, 0},
		{"IPv6 in the room of IPv4", with(t, headerLen, 1), ErrEntryLength, 0},
		{"protocol 99", with(t, headerLen+1, 99), nil, 1},
		{"protocol 0 of no template", with(t, headerLen+1, 0), nil, 1},
		{"TCP in state 11", with(t, headerLen+8, 0, 11), nil, 1},
		{"TCP in state 65535", with(t, headerLen+8, 0xff, 0xff), nil, 1},
		{"UDP in state 1", with(t, headerLen+1, 17), nil, 1},
		{"SCTP in state 14", append(with(t, headerLen+1, 132)[:headerLen+8], with(t, headerLen+8, 0, 14)[headerLen+8:]...), nil, 1},
		{"version 2, which makes it the old format, of no entries", with(t, 5, 2), nil, 0},
		{"spare bytes, which make it the old format", with(t, 6, 1), nil, 0},
		{"no entries announced", with(t, 4, 0), nil, 0},
	} {
		var m Message
		err := m.Parse(c.in)
		if !errors.Is(err, c.err) || c.err == nil && err != nil {
			t.Errorf("%s: error %v, want %v", c.name, err, c.err)
		}
		if len(m.Entries) != 0 || m.Refused != c.refused {
			t.Errorf("%s: %d entries taken, %d refused; want 0 and %d", c.name, len(m.Entries), m.Refused, c.refused)
		}
	}
}

// withOptions is right with options behind its entry.
func withOptions(t testing.TB, options ...byte) []byte {
	m := append(unhex(t, right), options...)
	m[3], m[headerLen+3] = byte(len(m)), byte(entry4Len+len(options))
	return m
}

func TestOptions(t *testing.T) {
	seq := append([]byte{optSeq, sequenceBytes}, make([]byte, sequenceBytes)...)
	for _, c := range []struct {
		name    string
		options []byte
		err     error
		taken   bool
	}{
		{"none", nil, nil, true},
		{"sequence numbers", seq, nil, true},
		{"sequence numbers, marked as those that may be ignored, are read", append([]byte{optSeq | optMayIgnore}, seq[1:]...), nil, true},
		{"sequence numbers twice", append(append([]byte{}, seq...), seq...), ErrOption, false},
		{"sequence numbers of another length", []byte{optSeq, 4, 0, 0, 0, 0}, ErrOption, false},
		{"data of a persistence engine", []byte{optPEData, 2, 'h', 'i', optPEName, 3, 's', 'i', 'p'}, nil, false},
		{"a persistence engine's name alone", []byte{optPEName, 3, 's', 'i', 'p'}, nil, true},
		{"a name too long", append([]byte{optPEName, 17}, make([]byte, 17)...), ErrOption, false},
		{"a name twice", []byte{optPEName, 1, 's', optPEName, 1, 's'}, ErrOption, false},
		{"data twice", []byte{optPEData, 1, 's', optPEData, 1, 's'}, ErrOption, false},
		{"an unknown one", []byte{9, 1, 0}, nil, false},
		{"an unknown one that may be ignored", []byte{optMayIgnore | 9, 1, 0}, nil, true},
		{"bit 7 does not say that it may be ignored", []byte{0x89, 1, 0}, nil, false},
		{"one without data", []byte{optMayIgnore | 9, 0}, ErrOption, false},
		{"one cut off", []byte{optMayIgnore | 9, 3, 0}, ErrOption, false},
		{"a type without a length", []byte{optMayIgnore | 9}, ErrOption, false},
		{"what is malformed behind an unknown one is not looked at", []byte{9, 1, 0, 9, 0}, nil, false},
	} {
		var m Message
		if err := m.Parse(withOptions(t, c.options...)); !errors.Is(err, c.err) || c.err == nil && err != nil {
			t.Errorf("%s: error %v, want %v", c.name, err, c.err)
		}
		if taken := len(m.Entries) == 1; taken != c.taken {
			t.Errorf("%s: taken %v, want %v", c.name, taken, c.taken)
		}
	}
}

func TestEntriesBeforeTheMalformedOneStay(t *testing.T) {
	m := Message{Version: 1, SyncID: 3, Entries: []Entry{recorded[0].m.Entries[0], recorded[1].m.Entries[0], recorded[2].m.Entries[0]}}
	b := m.Append(nil)
	b[headerLen+entry4Len] = 0x40 // the type of the second
	var got Message
	err := got.Parse(b)
	var entry *EntryError
	if !errors.As(err, &entry) || entry.N != 2 || !errors.Is(err, ErrEntryType) || err.Error() != "entry 2: an entry of an unknown type" {
		t.Errorf("error %v", err)
	}
	if len(got.Entries) != 1 || got.Entries[0] != m.Entries[0] {
		t.Errorf("entries %+v, want the first alone", got.Entries)
	}
}

func TestEntriesBehindARefusedOneAreTaken(t *testing.T) {
	m := Message{Version: 1, Entries: []Entry{recorded[0].m.Entries[0], recorded[1].m.Entries[0], recorded[2].m.Entries[0]}}
	m.Entries[1].Proto = 99
	var got Message
	if err := got.Parse(m.Append(nil)); err != nil || got.Refused != 1 || len(got.Entries) != 2 || got.Entries[1] != m.Entries[2] {
		t.Errorf("error %v, %d refused, entries %+v", err, got.Refused, got.Entries)
	}
}

func TestMoreEntriesThanThereAre(t *testing.T) {
	var m Message
	if err := m.Parse(with(t, 4, 2)); !errors.Is(err, ErrCut) || len(m.Entries) != 1 {
		t.Errorf("error %v, %d entries; want the one that is there, and %v", err, len(m.Entries), ErrCut)
	}
}

// Whatever an entry's length, the next one begins at a multiple of 4, and the
// message ends with its last entry.
func TestEntriesBeginAtMultiplesOfFour(t *testing.T) {
	m := Message{Version: 1, Entries: []Entry{recorded[5].m.Entries[0], recorded[0].m.Entries[0], recorded[5].m.Entries[0]}}
	b := m.Append([]byte("in front"))[len("in front"):]
	if want := headerLen + 64 + 36 + 62; len(b) != want {
		t.Errorf("%d bytes, want %d", len(b), want)
	}
	var got Message
	if err := got.Parse(b); err != nil || !equal(&got, &m) {
		t.Errorf("read %+v, error %v", got, err)
	}
}

func TestIPv6(t *testing.T) {
	e := Entry{IPv6: true, Proto: 17, Flags: DirectRoute, ClientPort: 1, VirtualPort: 53, ServerPort: 53, Timeout: 300, Mark: 9,
		Client: frame.Addr{0: 0xfd, 15: 1}, Virtual: frame.Addr{0: 0xfd, 15: 2}, Server: frame.Addr{0: 0xfd, 15: 3}}
	m := Message{Version: 1, SyncID: 255, Entries: []Entry{e, recorded[0].m.Entries[0], e}}
	b := m.Append(nil)
	if want := headerLen + 2*entry6Len + entry4Len; len(b) != want {
		t.Errorf("%d bytes, want %d", len(b), want)
	}
	var got Message
	if err := got.Parse(b); err != nil || !equal(&got, &m) {
		t.Errorf("read %+v, error %v", got, err)
	}
	m.Version = 0
	if err := got.Parse(m.Append(nil)); err != nil || len(got.Entries) != 1 {
		t.Errorf("the old format has %d entries, error %v; want the one of IPv4", len(got.Entries), err)
	}
}

func TestTheOldFormatHasSequenceNumbersByItsFlags(t *testing.T) {
	e := recorded[0].m.Entries[0]
	e.Flags, e.HasSeq, e.Timeout = e.Flags|0x200, true, 0
	e.Seq[5] = 7
	m := Message{Entries: []Entry{e, recorded[6].m.Entries[0]}}
	b := m.Append(nil)
	if want := header0Len + 2*entry0Len + sequenceBytes; len(b) != want {
		t.Errorf("%d bytes, want %d", len(b), want)
	}
	var got Message
	if err := got.Parse(b); err != nil || !equal(&got, &m) {
		t.Errorf("read %+v, error %v", got, err)
	}
	short := bytes.Clone(b[:header0Len+entry0Len+8])
	short[3] = byte(len(short))
	if err := got.Parse(short); !errors.Is(err, ErrCut) || len(got.Entries) != 0 {
		t.Errorf("cut within sequence numbers: %d entries, error %v", len(got.Entries), err)
	}
}

func TestHashedIsNotSent(t *testing.T) {
	e := recorded[0].m.Entries[0]
	e.Flags |= Hashed
	for version := range 2 {
		m := Message{Version: version, Entries: []Entry{e}}
		var got Message
		if err := got.Parse(m.Append(nil)); err != nil || got.Entries[0].Flags&Hashed != 0 {
			t.Errorf("version %d: flags %#x, error %v", version, got.Entries[0].Flags, err)
		}
	}
}
