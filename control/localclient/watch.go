package localclient

import (
	"context"
	"time"

	"lvsdr/control/nlwatch"
	"lvsdr/control/policyroute"
)

// calm is how long Watch waits for further changes: firewalls and network managers
// remove rules one by one.
const calm = 50 * time.Millisecond

// Watch calls changed once it watches, and after rules or routes that lead clients on this host to the
// director have changed in the calling thread's network namespace, by this program
// or by another one: then Set restores what is missing. It returns with ctx, or at
// once with an error if it cannot subscribe.
func Watch(ctx context.Context, changed func()) error {
	s := policyroute.Local().Changes()
	s.Subscribed = changed
	return nlwatch.Watch(ctx, calm, changed, s)
}
