package api

import (
	"fmt"
	"io"
	"time"
)

// WriteText writes how connection sync stands, for people.
func (s *Sync) WriteText(out io.Writer) error {
	w := newTable(out)
	if len(s.Daemons) == 0 {
		fmt.Fprintln(w, "no sync daemon runs: write lvs_sync_daemon into global_defs, or use `lvsdr ipvsadm --start-daemon`")
	}
	for i := range s.Daemons {
		d := &s.Daemons[i]
		fmt.Fprintf(w, "%s on %s, syncid %d, group %s, port %d\n", d.Role, d.Interface, d.SyncID, d.Group, d.Port)
	}
	t, r := &s.Sent, &s.Received
	fmt.Fprintf(w, "sent: %d entries in %d messages, %d bytes; %d entries lost\n", t.Entries, t.Messages, t.Bytes, t.Lost)
	fmt.Fprintf(w, "received: %d entries in %d messages; %d made, %d updated, %d replaced, %d ignored, %d refused\n",
		r.Entries, r.Messages, r.Made, r.Updated, r.Replaced, r.Ignored, r.Refused)
	if r.Foreign+r.Malformed+r.Unauthenticated+r.Stale+r.Dropped > 0 {
		fmt.Fprintf(w, "messages not taken: %d of another syncid, %d malformed, %d not authenticated, %d stale, %d dropped\n",
			r.Foreign, r.Malformed, r.Unauthenticated, r.Stale, r.Dropped)
	}
	s.Join.writeText(w)
	s.Digest.writeText(w)
	if len(s.Peers) > 0 {
		fmt.Fprint(w, "\nPEER\tMESSAGES\tLOST\tLAG\tHEARD\n")
	}
	for i := range s.Peers {
		p := &s.Peers[i]
		lost, lag := "unknown", "unknown"
		if p.Numbered {
			lost, lag = fmt.Sprint(p.Lost), seconds(p.Lag).Round(time.Millisecond).String()
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", p.Address, p.Messages, lost, lag, p.Heard.Format(time.TimeOnly))
	}
	return w.Flush()
}

// seconds is a number of them.
func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// writeText writes a line about j, if there is one.
func (j *SyncJoin) writeText(w io.Writer) {
	switch {
	case j == nil:
	case j.State == SyncDone:
		fmt.Fprintf(w, "whole table: %d entries from %s in %.1f s\n", j.Entries, j.Peer, j.Seconds)
	case j.State == SyncFailed:
		fmt.Fprintf(w, "whole table: %s did not give it: %s\n", j.Peer, j.Error)
	case j.State == SyncRunning:
		fmt.Fprintf(w, "whole table: %s is giving it\n", j.Peer)
	default:
		fmt.Fprintln(w, "whole table: no director was heard that gives it")
	}
}

// writeText writes a line about d, if there is one.
func (d *SyncDigest) writeText(w io.Writer) {
	switch {
	case d == nil:
	case d.State == SyncAgreed:
		fmt.Fprintf(w, "agreed with %s: %d entries\n", d.Peer, d.Entries)
	case d.State == SyncDiffers:
		fmt.Fprintf(w, "differs from %s: %d of %d entries are on one side alone\n", d.Peer, d.Differ, d.Entries)
	case d.Error != "":
		fmt.Fprintf(w, "not compared: %s: %s\n", d.Peer, d.Error)
	default:
		fmt.Fprintln(w, "not compared yet")
	}
}
