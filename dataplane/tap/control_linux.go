package tap

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/dataplane/frame"
)

// auxdata is struct tpacket_auxdata, from <linux/if_packet.h>, in the byte order
// of the host: what the kernel knows of a frame beside its bytes.
type auxdata struct {
	Status        uint32 // unix.TP_STATUS_*
	Length        uint32 // on the wire
	Captured      uint32
	MAC, Net      uint16
	VLANTCI, TPID uint16
}

// control holds the values of a frame's control messages.
type control struct {
	time time.Time // zero where there is none
	aux  auxdata
}

// controlSpace is the room that the control messages of a frame take, in bytes.
func controlSpace() int {
	return unix.CmsgSpace(binary.Size(unix.Timespec{})) + unix.CmsgSpace(binary.Size(auxdata{}))
}

// readControl reads the control messages of a frame. What is missing, or cannot
// be read, is zero.
func readControl(oob []byte) (c control) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return control{}
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS:
			var ts unix.Timespec
			if _, err := binary.Decode(m.Data, binary.NativeEndian, &ts); err == nil {
				c.time = time.Unix(ts.Unix())
			}
		case m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA:
			var aux auxdata
			if _, err := binary.Decode(m.Data, binary.NativeEndian, &aux); err == nil {
				c.aux = aux
			}
		}
	}
	return c
}

// tag is the VLAN tag that the kernel has taken out of the frame; false: it had
// none. A kernel that does not say which protocol the tag had means 802.1Q.
func (a *auxdata) tag() (tpid, tci uint16, ok bool) {
	if a.Status&unix.TP_STATUS_VLAN_VALID == 0 {
		return 0, 0, false
	}
	if a.Status&unix.TP_STATUS_VLAN_TPID_VALID == 0 {
		return frame.EtherTypeVLAN, a.VLANTCI, true
	}
	return a.TPID, a.VLANTCI, true
}

// unfinished reports whether the transport checksum is not finished yet.
func (a *auxdata) unfinished() bool { return a.Status&unix.TP_STATUS_CSUMNOTREADY != 0 }

// restore puts the VLAN tag back into the frame that stands in b after TagLen
// free bytes. It returns the frame.
func (a *auxdata) restore(b []byte) []byte {
	tpid, tci, tagged := a.tag()
	if !tagged || len(b) < frame.TagLen+frame.MACsLen {
		return b[frame.TagLen:]
	}
	copy(b, b[frame.TagLen:][:frame.MACsLen])
	binary.BigEndian.PutUint16(b[frame.MACsLen:], tpid)
	binary.BigEndian.PutUint16(b[frame.MACsLen+2:], tci)
	return b
}
