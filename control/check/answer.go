package check

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// An Answer is the answer of a web server.
type Answer struct {
	Status int
	// Digest is the MD5 of the body, without what lies behind its Content-Length.
	// A body in chunks counts as it was sent, as with keepalived and genhash.
	Digest [md5.Size]byte
	Header []byte // with the status line, as it was sent
	Body   []byte // the start of it
	Length int64  // of the body, in bytes
}

// maxHeader bounds status line and header of an answer, in bytes.
const maxHeader = 16 << 10

// ReadAnswer reads the answer to a GET request up to the end of its body: the
// Content-Length, or the end of r. It keeps up to keep bytes of the body. lenient takes an
// end of r within a TLS record as an end, which servers send that just close.
func ReadAnswer(r io.Reader, keep int, lenient bool) (*Answer, error) {
	a := &Answer{}
	b := bufio.NewReader(r)
	length, err := a.readHeader(b)
	if err != nil {
		return nil, err
	}
	sum := md5.New()
	kept := &limited{left: keep}
	n, err := io.Copy(io.MultiWriter(sum, kept), io.LimitReader(b, length))
	if err != nil && (!lenient || !errors.Is(err, io.ErrUnexpectedEOF)) {
		return nil, fmt.Errorf("after %d bytes of the body: %w", n, err)
	}
	sum.Sum(a.Digest[:0])
	a.Body, a.Length = kept.Bytes(), n
	return a, nil
}

// limited keeps the first left bytes that are written.
type limited struct {
	bytes.Buffer
	left int
}

// Write takes all of b.
func (l *limited) Write(b []byte) (int, error) {
	n := min(len(b), l.left)
	l.left -= n
	l.Buffer.Write(b[:n])
	return len(b), nil
}

// readHeader reads the status line and the header, and returns the length of the body; the
// greatest there is if that is not told.
func (a *Answer) readHeader(b *bufio.Reader) (length int64, err error) {
	length = math.MaxInt64
	for {
		line, err := b.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF) && len(a.Header)+len(line) == 0:
			return 0, errors.New("closed without an answer")
		case errors.Is(err, io.EOF):
			return 0, errors.New("closed before the end of the header")
		case errors.Is(err, bufio.ErrBufferFull) || err == nil && len(a.Header)+len(line) > maxHeader:
			return 0, errors.New("the header is too long")
		case err != nil:
			return 0, err
		}
		first := len(a.Header) == 0
		a.Header = append(a.Header, line...)
		line = bytes.TrimRight(line, "\r\n")
		switch name, value, _ := bytes.Cut(line, []byte(":")); {
		case first:
			if a.Status, err = parseStatus(line); err != nil {
				return 0, err
			}
		case len(line) == 0:
			return length, nil
		case bytes.EqualFold(bytes.TrimSpace(name), []byte("Content-Length")):
			if n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 63); err == nil {
				length = int64(n)
			}
		}
	}
}

// parseStatus reads a status line such as "HTTP/1.1 200 OK".
func parseStatus(line []byte) (int, error) {
	const most = 40 // bytes of a wrong line that are told
	version, rest, _ := bytes.Cut(line, []byte(" "))
	code, _, _ := bytes.Cut(bytes.TrimLeft(rest, " "), []byte(" "))
	n, err := strconv.ParseUint(string(code), 10, 16)
	if !bytes.HasPrefix(version, []byte("HTTP/")) || err != nil || len(code) != 3 {
		return 0, fmt.Errorf("no answer of HTTP: %q", line[:min(len(line), most)])
	}
	return int(n), nil
}
