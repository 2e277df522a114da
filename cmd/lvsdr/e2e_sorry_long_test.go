//go:build long

package main_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
)

// Servers that fail one after another are removed, and the sorry server comes in and goes again. A
// request fails only if its server was removed after it had begun: it was the server that failed, or the sorry server
// without sorry_server_inhibit. No request that begins later fails.
func TestOnlyRequestsOfTheServerThatFailsFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ words, last string }{{"sorry_server_inhibit", ""}, {"", "rs4"}} {
		t.Run("with "+cmp.Or(c.words, "nothing else"), func(t *testing.T) {
			t.Parallel()
			q := newQuorumLab(t)
			d := direct(t, q.network, q.config(fmt.Sprintf("sorry_server %s %d\n%s", q.Servers[3].Addr, port, c.words), ""))
			serving(t, d, q.network, "rs1", "rs2", "rs3")
			s, stop := q.streams(t)
			for i, left := range []string{"rs2 rs3", "rs3", "rs4"} {
				q.fail(t, i)
				serving(t, d, q.network, strings.Fields(left)...)
				s.next(t)
			}
			q.recover(t, 0)
			serving(t, d, q.network, "rs1")
			s.next(t)
			stop()
			servers := assigned(t, d, q.network)
			for _, r := range s.failed {
				if server := servers[r.from]; server == "" || server != []string{"rs1", "rs2", "rs3", c.last, ""}[r.phase] {
					t.Errorf("a request to %q failed that began in phase %d: %v", server, r.phase, r.err)
				}
			}
			t.Logf("%d requests were answered, %d failed", s.answered.Load(), len(s.failed))
		})
	}
}
