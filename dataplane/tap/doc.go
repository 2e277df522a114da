// Package tap sees what passes the interfaces of this host, in both directions
// and as it was on the wire, and writes it to pcapng files. The lab and doctor
// look at frames with it, and trace writes its files. It takes nothing away from
// other receivers; the director's own frames come in by package afpacket.
//
// A Socket gives frames one by one and sends; a Capture collects them.
package tap
