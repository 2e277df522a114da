package netlab

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
	if err := writePcapng(&file, comment, frames); err != nil {
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
