package syncnet

import (
	"bufio"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
)

// Two directors talk over TCP in frames. Each side begins with a greeting: magic and a
// nonce. Where there is a secret, both sides prove then that they have it, and every frame
// has a MAC, by a key that comes of the secret and both nonces.
//
//	│ length, 4 bytes │ payload │ MAC, 16 bytes, with a secret │
//
// The one that has dialled asks, by a frame of one letter and what belongs to it. The
// answer is frames, and an empty one is the end.
const (
	magic    = "lvsdr sync 1\n"
	nonceLen = 16
	maxFrame = 1 << 20 // bytes of a payload

	askTable  = 'T' // messages of entries of version 1
	askDigest = 'D' // one digest
	askHashes = 'L' // with the numbers of buckets, 2 bytes each: hashes, 8 bytes each
)

// errSecret says that the other side does not have the secret.
var errSecret = errors.New("the peer does not know the secret, or there is none on one side")

// A session is a connection after the greeting. It is for one goroutine.
type session struct {
	conn      net.Conn
	in        *bufio.Reader
	key       []byte // nil: frames have no MAC
	side      byte   // of this one: 'c' has dialled, 's' has listened
	out, came uint64 // frames
}

// other is the other side.
func (s *session) other() byte { return 'c' ^ 's' ^ s.side }

// greet makes a session of a connection.
func greet(conn net.Conn, side byte, secret []byte) (*session, error) {
	s := &session{conn: conn, in: bufio.NewReaderSize(conn, 1<<16), side: side}
	mine := make([]byte, nonceLen)
	if _, err := rand.Read(mine); err != nil {
		return nil, err
	}
	flag := byte('-')
	if len(secret) > 0 {
		flag = 's'
	}
	if _, err := conn.Write(append(append([]byte(magic), flag), mine...)); err != nil {
		return nil, err
	}
	hello := make([]byte, len(magic)+1+nonceLen)
	if _, err := io.ReadFull(s.in, hello); err != nil {
		return nil, fmt.Errorf("greeting: %w", err)
	}
	switch {
	case string(hello[:len(magic)]) != magic:
		return nil, errors.New("greeting: not a director of this kind")
	case hello[len(magic)] != flag:
		return nil, errSecret
	case flag == '-':
		return s, nil
	}
	nonces := slices.Concat(mine, hello[len(magic)+1:])
	if side == 's' {
		nonces = slices.Concat(hello[len(magic)+1:], mine)
	}
	s.key = mac(secret, []byte("lvsdr sync session"), nonces)
	return s, s.prove()
}

// prove shows that this side has the key, and sees that the other has it.
func (s *session) prove() error {
	if err := s.write([]byte{s.side}); err != nil {
		return err
	}
	b, err := s.read()
	if err == nil && (len(b) != 1 || b[0] != s.other()) {
		err = errSecret
	}
	return err
}

// mac is HMAC-SHA256 of parts.
func mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// frameMAC is the MAC of the frame number n of a side.
func (s *session) frameMAC(side byte, n uint64, payload []byte) []byte {
	var head [9]byte
	head[0] = side
	binary.BigEndian.PutUint64(head[1:], n)
	return mac(s.key, head[:], payload)[:macLen]
}

// write sends a frame.
func (s *session) write(payload []byte) error {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(payload)+macLen), uint32(len(payload)))
	b = append(b, payload...)
	if s.key != nil {
		b = append(b, s.frameMAC(s.side, s.out, payload)...)
	}
	s.out++
	_, err := s.conn.Write(b)
	return err
}

// read receives a frame.
func (s *session) read() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(s.in, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	if n > maxFrame {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	tail := 0
	if s.key != nil {
		tail = macLen
	}
	b := make([]byte, n+tail)
	if _, err := io.ReadFull(s.in, b); err != nil {
		return nil, err
	}
	if s.key != nil && !hmac.Equal(b[n:], s.frameMAC(s.other(), s.came, b[:n])) {
		return nil, errSecret
	}
	s.came++
	return b[:n], nil
}
