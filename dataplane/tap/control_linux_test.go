package tap

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/dataplane/frame"
)

// message is a control message as the kernel writes it.
func message(level, typ int32, data []byte) []byte {
	b := binary.NativeEndian.AppendUint64(nil, uint64(unix.CmsgLen(len(data))))
	b = binary.NativeEndian.AppendUint32(b, uint32(level))
	b = binary.NativeEndian.AppendUint32(b, uint32(typ))
	b = append(b, data...)
	return append(b, make([]byte, unix.CmsgSpace(len(data))-len(b))...)
}

// auxMessage has these fields of struct tpacket_auxdata.
func auxMessage(status uint32, tci, tpid uint16) []byte {
	b := binary.NativeEndian.AppendUint32(nil, status)
	b = append(b, make([]byte, 12)...)
	b = binary.NativeEndian.AppendUint16(b, tci)
	return message(unix.SOL_PACKET, unix.PACKET_AUXDATA, binary.NativeEndian.AppendUint16(b, tpid))
}

func stampMessage(seconds, nanoseconds uint64) []byte {
	b := binary.NativeEndian.AppendUint64(nil, seconds)
	return message(unix.SOL_SOCKET, unix.SCM_TIMESTAMPNS, binary.NativeEndian.AppendUint64(b, nanoseconds))
}

func TestControlMessages(t *testing.T) {
	const valid, tpidValid, pending = unix.TP_STATUS_VLAN_VALID, unix.TP_STATUS_VLAN_TPID_VALID, unix.TP_STATUS_CSUMNOTREADY
	in := append(bytes.Repeat([]byte{0xee}, frame.TagLen), "DDDDDDSSSSSSTTpayload"...)
	plain := "DDDDDDSSSSSSTTpayload"
	for _, c := range []struct {
		name       string
		oob        []byte
		time       time.Time
		unfinished bool
		data       string
	}{
		{"nothing", nil, time.Time{}, false, plain},
		{"rubbish", []byte{1, 2, 3}, time.Time{}, false, plain},
		{"a stamp", stampMessage(7, 8), time.Unix(7, 8), false, plain},
		{"a stamp cut short", message(unix.SOL_SOCKET, unix.SCM_TIMESTAMPNS, make([]byte, 8)), time.Time{}, false, plain},
		{"a checksum that is not finished", auxMessage(pending, 0, 0), time.Time{}, true, plain},
		{"auxiliary data cut short", message(unix.SOL_PACKET, unix.PACKET_AUXDATA, []byte{0xff, 0xff, 0xff, 0xff}), time.Time{}, false, plain},
		{"a tag", auxMessage(valid|tpidValid, 0x2005, 0x88a8), time.Time{}, false, "DDDDDDSSSSSS\x88\xa8\x20\x05TTpayload"},
		{"a tag of a kernel that does not say which", auxMessage(valid, 5, 0x1234), time.Time{}, false, "DDDDDDSSSSSS\x81\x00\x00\x05TTpayload"},
		{"a tag that is not valid", auxMessage(tpidValid, 5, 0x8100), time.Time{}, false, plain},
		{"all", append(stampMessage(1, 2), auxMessage(valid|tpidValid|pending, 0, 0x8100)...), time.Unix(1, 2), true,
			"DDDDDDSSSSSS\x81\x00\x00\x00TTpayload"},
		{"another's message", message(unix.SOL_IP, unix.PACKET_AUXDATA, make([]byte, 20)), time.Time{}, false, plain},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := readControl(c.oob)
			if data := got.aux.restore(bytes.Clone(in)); !got.time.Equal(c.time) || got.aux.unfinished() != c.unfinished || string(data) != c.data {
				t.Errorf("at %v, unfinished %v, %q", got.time, got.aux.unfinished(), data)
			}
		})
	}
}

// FuzzControl: whatever stands in the control messages, a frame keeps its bytes,
// and what is added is a tag.
func FuzzControl(f *testing.F) {
	f.Add(auxMessage(unix.TP_STATUS_VLAN_VALID, 5, 0), []byte("DDDDDDSSSSSSTTpayload"))
	f.Add(stampMessage(1, 2), []byte{})
	f.Add([]byte{1}, []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, oob, data []byte) {
		c := readControl(oob)
		got := c.aux.restore(append(make([]byte, frame.TagLen), data...))
		if len(got) == len(data)+frame.TagLen {
			if _, _, ok := c.aux.tag(); !ok {
				t.Fatal("a tag from nowhere")
			}
			got = append(got[:frame.MACsLen:frame.MACsLen], got[frame.MACsLen+frame.TagLen:]...)
		}
		if !bytes.Equal(got, data) {
			t.Fatalf("% x became % x", data, got)
		}
	})
}
