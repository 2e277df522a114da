package api

import (
	"fmt"
	"io"
	"time"
)

// writeText writes t as a line of the status.
func (t *TakenOver) writeText(w io.Writer) {
	switch {
	case t.Empty != "":
		fmt.Fprintf(w, "kept in %s; it began empty: %s\n", t.File, t.Empty)
	case t.PID == 0:
		fmt.Fprintf(w, "kept in %s\n", t.File)
	default:
		fmt.Fprintf(w, "kept in %s; taken over: %d connections, %d templates, from process %d, %s old, %d dropped\n",
			t.File, t.Connections, t.Templates, t.PID, (time.Duration(t.AgeMs) * time.Millisecond).Round(time.Second), t.Dropped)
	}
}
