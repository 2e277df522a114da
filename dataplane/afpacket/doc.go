// Package afpacket is the live [dataplane.NIC] on Linux: AF_PACKET sockets
// with TPACKET_V2 receive rings, one for SYNs (but see hookrule.go) and one for
// all else, classic BPF filters in the kernel and batched sends, virtio_net_hdr
// before every frame in both directions.
//
// How a frame travels:
//
//	NIC ▶ filter.go (in the kernel) ▶ ring.go (shared memory) ▶ Recv
//	                                ├▶ queue_linux.go (super-frames) ┤
//	                                └▶ syns_linux.go (SYNs) ─────────┘
//	Send ▶ sendmmsg(2), frame and header from where they lie in the ring ▶ any interface
//	     └▶ xdpsend_linux.go (full batches, nothing left to do: AF_XDP) ────┘
//
// Why so: TPACKET_V3's block timer costs a millisecond of latency, and without
// the virtio_net_hdr neither unfinished checksums (CHECKSUM_PARTIAL) nor
// segmentation-offload super-frames survive the way through user space, so
// that TCP between local virtual machines or containers would not work at all.
//
// The kernel stack gets its own copy of each frame; keeping it silent about
// the virtual addresses is not this package's business.
//
// Sources: packet(7), Documentation/networking/packet_mmap.rst,
// <linux/if_packet.h>, <linux/virtio_net.h>.
package afpacket
