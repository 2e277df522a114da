package ladder

import (
	"net/netip"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// slowFrame makes the frame that the comment of Frames.Set describes.
func slowFrame(s Setup, flow uint32, flags string) []byte {
	client := flow / 16
	src := netip.AddrFrom4([4]byte{100, byte(client >> 16), byte(client >> 8), byte(client)})
	return build.TCP{Src: netip.AddrPortFrom(src, uint16(1024+flow%16)), Dst: netip.AddrPortFrom(netip.AddrFrom4(s.VIP), s.Port),
		IP: build.IP{SrcMAC: frame.MAC{2, 0, 0, 0, 0xcc, 1}, DstMAC: s.MAC, Pad: true}, Flags: flags}.Bytes()
}
