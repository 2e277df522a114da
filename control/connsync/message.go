package connsync

import (
	"encoding/binary"

	"lvsdr/dataplane/frame"
)

// A Message is the payload of one UDP datagram.
type Message struct {
	Version int // 1, or 0
	SyncID  uint8
	Entries []Entry
	// Refused is how many entries Parse has left out: of a protocol or in a state
	// that is not known, or with an option that cannot be obeyed. The message is not
	// wrong for that.
	Refused int
}

// Append writes m behind b: at most 255 entries, of version 0 those of IPv4 alone.
// m.Refused is not looked at.
func (m *Message) Append(b []byte) []byte {
	w := writer{version: m.Version, syncID: m.SyncID, buf: b, start: len(b)}
	w.begin()
	for i := range m.Entries {
		w.add(&m.Entries[i])
	}
	return w.end()
}

// A writer writes one message.
type writer struct {
	version int
	syncID  uint8
	buf     []byte
	start   int // of the message in buf
	count   int
}

// begin writes the header.
func (w *writer) begin() {
	w.count = 0
	w.buf = append(w.buf, 0, w.syncID, 0, 0)
	if w.version != 0 {
		w.buf = append(w.buf, 0, 1, 0, 0)
	}
}

// len is the length of the message so far.
func (w *writer) len() int { return len(w.buf) - w.start }

// lenWith is the length that the message would have with e.
func (w *writer) lenWith(e *Entry) int {
	if w.version == 0 {
		return w.len() + e.len0()
	}
	return padded(w.len()) + e.len()
}

// add writes an entry, if the message can have one more and it can be told in this
// version.
func (w *writer) add(e *Entry) bool {
	switch {
	case w.count == maxEntries, w.version == 0 && e.IPv6:
		return false
	case w.version == 0:
		w.buf = e.append0(w.buf)
	default:
		for w.len()%4 != 0 {
			w.buf = append(w.buf, 0)
		}
		w.buf = e.append(w.buf)
	}
	w.count++
	return true
}

// end completes the header and gives the buffer.
func (w *writer) end() []byte {
	b := w.buf[w.start:]
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	if w.version == 0 {
		b[0] = byte(w.count)
	} else {
		b[4] = byte(w.count)
	}
	return w.buf
}

// Parse reads b into m, whose Entries it uses again. If an entry is malformed, m has
// those before it, beside the error, an *EntryError. As in the kernel, every message is
// of version 0 unless its header is one of version 1 without a fault.
func (m *Message) Parse(b []byte) error {
	*m = Message{Entries: m.Entries[:0]}
	if len(b) < header0Len {
		return ErrShort
	}
	m.SyncID = b[1]
	if int(binary.BigEndian.Uint16(b[2:])) != len(b) {
		return ErrLength
	}
	if len(b) < headerLen || b[5] != 1 || b[0] != 0 || b[6] != 0 || b[7] != 0 {
		return m.parse0(int(b[0]), b[header0Len:])
	}
	m.Version = 1
	rest := b[headerLen:]
	for n := 1; n <= int(b[4]); n++ {
		length, err := m.parseEntry(rest)
		if err != nil {
			return &EntryError{n, err}
		}
		rest = rest[min(padded(length), len(rest)):]
	}
	return nil
}

// parseEntry reads the entry at the start of b and returns its length.
func (m *Message) parseEntry(b []byte) (int, error) {
	if len(b) < entry4Len {
		return 0, ErrCut
	}
	size := int(binary.BigEndian.Uint16(b[2:]))
	length := size & sizeMask
	switch {
	case length > len(b):
		return 0, ErrCut
	case size != length:
		return 0, ErrEntryVersion
	case b[0]&typeIPv6 == 0 && b[0] != 0:
		return 0, ErrEntryType
	case length < entry4Len, b[0]&typeIPv6 != 0 && length < entry6Len:
		return 0, ErrEntryLength
	}
	e := Entry{IPv6: b[0]&typeIPv6 != 0, Proto: frame.Proto(b[1]), Flags: Flags(binary.BigEndian.Uint32(b[4:])),
		State: binary.BigEndian.Uint16(b[8:]), Mark: binary.BigEndian.Uint32(b[16:]), Timeout: binary.BigEndian.Uint32(b[20:])}
	e.readPorts(b[10:])
	options := b[entry4Len:length]
	if e.IPv6 {
		e.Client, e.Virtual, e.Server = frame.Addr(b[fixedLen:]), frame.Addr(b[fixedLen+16:]), frame.Addr(b[fixedLen+32:])
		options = b[entry6Len:length]
	} else {
		e.readAddrs4(b[fixedLen:])
	}
	obeyed, err := e.readOptions(options)
	if err != nil {
		return 0, err
	}
	m.take(&e, obeyed)
	return length, nil
}

// readOptions reads the options of e. obeyed is false if the entry must not be
// taken: an option is unknown and not marked as one that may be ignored, or it is
// data of a persistence engine, of which there are none here.
func (e *Entry) readOptions(b []byte) (obeyed bool, err error) {
	var engine, name bool
	for len(b) > 0 {
		if len(b) < 2 || b[1] == 0 || len(b) < 2+int(b[1]) {
			return false, ErrOption
		}
		data := b[2 : 2+b[1]]
		switch typ := b[0] &^ optMayIgnore; {
		case typ == optSeq && (e.HasSeq || len(data) != sequenceBytes),
			typ == optPEData && engine, typ == optPEName && (name || len(data) > maxPEName):
			return false, ErrOption
		case typ == optSeq:
			e.HasSeq, e.Seq = true, [sequenceBytes]byte(data)
		case typ == optPEData:
			engine = true
		case typ == optPEName:
			name = true
		case b[0]&optMayIgnore == 0:
			return false, nil
		}
		b = b[2+len(data):]
	}
	return !engine, nil
}

// take keeps an entry that can be one.
func (m *Message) take(e *Entry, obeyed bool) {
	if !obeyed || !e.known() {
		m.Refused++
		return
	}
	m.Entries = append(m.Entries, *e)
}

// known reports whether the protocol of e has its state. A template's is not
// looked at.
func (e *Entry) known() bool {
	if e.Flags&Template != 0 {
		return true
	}
	switch e.Proto {
	case frame.ProtoTCP:
		return e.State < tcpStates
	case frame.ProtoSCTP:
		return e.State < sctpStates
	case frame.ProtoUDP, frame.ProtoESP, frame.ProtoAH:
		return e.State == 0
	}
	return false
}

// parse0 reads count entries of version 0.
func (m *Message) parse0(count int, b []byte) error {
	for n := 1; n <= count; n++ {
		var e Entry
		length := e.read0(b)
		if length == 0 {
			return &EntryError{n, ErrCut}
		}
		m.take(&e, true)
		b = b[length:]
	}
	return nil
}
