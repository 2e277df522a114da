package tap

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket/pcapgo"
)

// Blocks with a comment and without stand in one file, and each length of data
// and of comment ends where it should.
func TestCommentsDoNotDisturbAPcapng(t *testing.T) {
	var frames []Frame
	for n := range 40 {
		frames = append(frames, Frame{Time: time.Unix(1, int64(n)), Host: string(rune('a' + n%3)), Ifname: "eth0", Data: bytes.Repeat([]byte{byte(n)}, n+14)})
	}
	comment := func(f Frame) string { return strings.Repeat("~", len(f.Data)%7*int(f.Data[0]%2)) }
	var file bytes.Buffer
	if err := WritePcapng(&file, comment, frames); err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, f := range frames {
		want += len(comment(f))
	}
	if got := bytes.Count(file.Bytes(), []byte("~")); got != want {
		t.Errorf("%d bytes of comments, want %d", got, want)
	}
	r, err := pcapgo.NewNgReader(&file, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range frames {
		data, ci, err := r.ReadPacketData()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(data, f.Data) || !ci.Timestamp.Equal(f.Time) || ci.InterfaceIndex != i%3 {
			t.Errorf("frame %d: % x at %v on %d", i, data, ci.Timestamp, ci.InterfaceIndex)
		}
	}
	if _, _, err := r.ReadPacketData(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last frame: %v", err)
	}
}

func TestPcapngOfNothingIsAFile(t *testing.T) {
	var file bytes.Buffer
	if err := WritePcapng(&file, nil); err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewNgReader(&file, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.ReadPacketData(); !errors.Is(err, io.EOF) {
		t.Errorf("read %v, want the end", err)
	}
}

// A frame that was cut says how long it was, and what is written can be read at
// once.
func TestWriterWritesFramesAsTheyCome(t *testing.T) {
	var file bytes.Buffer
	w, err := NewWriter(&file)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range []Frame{
		{Ifname: "eth0", Data: make([]byte, 60)},
		{Ifname: "eth1", Data: make([]byte, 61), Length: 1500},
		{Ifname: "eth0", Host: "b", Data: make([]byte, 62), Length: 10},
	} {
		if err := w.Write(f, "no reason"); err != nil {
			t.Fatal(err)
		}
		r, err := pcapgo.NewNgReader(bytes.NewReader(file.Bytes()), pcapgo.DefaultNgReaderOptions)
		if err != nil {
			t.Fatal(err)
		}
		for range i {
			if _, _, err := r.ReadPacketData(); err != nil {
				t.Fatal(err)
			}
		}
		data, ci, err := r.ReadPacketData()
		want := []int{60, 1500, 62}[i]
		if err != nil || len(data) != 60+i || ci.Length != want {
			t.Errorf("frame %d: %d bytes of %d, %v; want %d", i, len(data), ci.Length, err, want)
		}
		in, err := r.Interface(ci.InterfaceIndex)
		if name := []string{"eth0", "eth1", "b/eth0"}[i]; err != nil || in.Name != name {
			t.Errorf("frame %d on %s, want %s", i, in.Name, name)
		}
	}
}

// A frame longer than Ethernet's is a super-frame, and says so beside what the
// caller says.
func TestSuperFramesAreMarked(t *testing.T) {
	for _, tt := range []struct {
		name    string
		f       Frame
		comment string
		want    []string
	}{
		{"a frame of full size", Frame{Data: make([]byte, 1514)}, "hit", []string{"hit"}},
		{"with a tag", Frame{Data: make([]byte, 1518)}, "", nil},
		{"a super-frame", Frame{Data: make([]byte, 2962)}, "", []string{"super-frame of 2962 bytes"}},
		{"a super-frame with a comment", Frame{Data: make([]byte, 2962)}, "hit", []string{"hit; super-frame of 2962 bytes"}},
		{"a super-frame that was cut", Frame{Data: make([]byte, 96), Length: 65226}, "", []string{"super-frame of 65226 bytes"}},
	} {
		var file bytes.Buffer
		w, err := NewWriter(&file)
		if err == nil {
			err = w.Write(tt.f, tt.comment)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range tt.want {
			if !bytes.Contains(file.Bytes(), []byte(want)) {
				t.Errorf("%s: %q is not in the file", tt.name, want)
			}
		}
		if bytes.Contains(file.Bytes(), []byte("super-frame")) != (tt.f.wireLength() > 1518) {
			t.Errorf("%s: marked or not, wrongly", tt.name)
		}
	}
}

// full is a disk that takes n bytes.
type full struct{ n int }

func (f *full) Write(b []byte) (int, error) {
	if f.n -= len(b); f.n < 0 {
		return 0, io.ErrShortWrite
	}
	return len(b), nil
}

// Wherever the disk ends, writing says so.
func TestAFullDiskIsAnError(t *testing.T) {
	frames := []Frame{{Ifname: "eth0", Data: make([]byte, 60)}, {Ifname: "eth1", Data: make([]byte, 60)}}
	var file bytes.Buffer
	if err := WritePcapng(&file, nil, frames); err != nil {
		t.Fatal(err)
	}
	for n := range file.Len() {
		if err := WritePcapng(&full{n}, nil, frames); !errors.Is(err, io.ErrShortWrite) {
			t.Fatalf("%d of %d bytes written: %v", n, file.Len(), err)
		}
	}
}
