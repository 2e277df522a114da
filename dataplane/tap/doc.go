// Package tap sees what passes the interfaces of this host, in both directions
// and as it was on the wire, and keeps it in pcapng files. It is what the lab,
// doctor and trace look with. It takes nothing away from anybody: the frames of
// the director itself come in by package afpacket.
//
// A Socket gives frames one by one and sends; a Capture collects them.
package tap
