package syncnet

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// A stamp says which message of which master one is.
//
// In a message of entries it is an option of the last entry: type, length, and
//
//	0       1                9                17               25
//	│ 1     │ boot           │ number         │ time           │ MAC, 16 bytes │
type stamp struct {
	boot int64  // when the master began, ns since 1970: a later one of the same director is greater
	seq  uint64 // of the message, from 1; of a hello that of the last message
	time int64  // when it was sent, ns since 1970
}

// The lengths and numbers of stamps.
const (
	stampType    = 0x6c // a receiver that does not know it may ignore it
	stampVersion = 1
	macLen       = 16
	stampLen     = 1 + 3*8 + macLen
	// stampRoom is the number of bytes by which a stamp makes a message longer.
	stampRoom = 2 + stampLen

	headerLen = 8
	sizeMask  = 1<<12 - 1
)

// Why a stamp is not believed.
var (
	errNoStamp = errors.New("no stamp")
	errMAC     = errors.New("not by one who knows the secret")
)

// append writes s behind b, with room for the MAC.
func (s *stamp) append(b []byte) []byte {
	b = append(b, stampVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(s.boot))
	b = binary.BigEndian.AppendUint64(b, s.seq)
	b = binary.BigEndian.AppendUint64(b, uint64(s.time))
	return append(b, make([]byte, macLen)...)
}

// read reads a stamp that is stampLen bytes.
func (s *stamp) read(b []byte) error {
	if len(b) != stampLen || b[0] != stampVersion {
		return errNoStamp
	}
	s.boot = int64(binary.BigEndian.Uint64(b[1:]))
	s.seq = binary.BigEndian.Uint64(b[9:])
	s.time = int64(binary.BigEndian.Uint64(b[17:]))
	return nil
}

// lastEntry is where the last entry of a message of version 1 begins and ends; false:
// it is no such message, or malformed.
func lastEntry(b []byte) (start, end int, ok bool) {
	if len(b) < headerLen || b[0] != 0 || b[5] != 1 || b[6] != 0 || b[7] != 0 || b[4] == 0 ||
		int(binary.BigEndian.Uint16(b[2:])) != len(b) {
		return 0, 0, false
	}
	end = headerLen
	for range b[4] {
		start = (end + 3) &^ 3
		if start+4 > len(b) {
			return 0, 0, false
		}
		end = start + int(binary.BigEndian.Uint16(b[start+2:])&sizeMask)
		if end > len(b) || end < start+4 {
			return 0, 0, false
		}
	}
	return start, end, true
}

// mark puts s behind the last entry of a message, authenticated by secret if there is
// one. A message that has no room for it, or of version 0, stays as it is.
func (s *stamp) mark(b []byte, secret []byte) []byte {
	start, end, ok := lastEntry(b)
	length := end - start + stampRoom
	if !ok || length > sizeMask || end+stampRoom > 0xffff {
		return b
	}
	b = s.append(append(b[:end], stampType, stampLen))
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[start+2:], uint16(length))
	sign(b, secret)
	return b
}

// readMark reads the stamp of a message of entries.
func (s *stamp) readMark(b []byte, secret []byte) error {
	start, end, ok := lastEntry(b)
	if !ok || end != len(b) || end-start < stampRoom || b[end-stampRoom] != stampType || b[end-stampRoom+1] != stampLen {
		return errNoStamp
	}
	if err := s.read(b[end-stampLen:]); err != nil {
		return err
	}
	return verify(b, secret)
}

// macOf is the MAC of a message, whose last macLen bytes are where the MAC stands.
func macOf(b, secret []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte("lvsdr sync message"))
	h.Write(b[:len(b)-macLen])
	return h.Sum(nil)[:macLen]
}

// sign writes the MAC at the end of a message; without a secret it stays zero.
func sign(b, secret []byte) {
	if len(secret) > 0 {
		copy(b[len(b)-macLen:], macOf(b, secret))
	}
}

// verify reports a MAC that is not that of secret. Without a secret every one is good.
func verify(b, secret []byte) error {
	if len(secret) > 0 && !hmac.Equal(b[len(b)-macLen:], macOf(b, secret)) {
		return errMAC
	}
	return nil
}
