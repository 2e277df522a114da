package nlwatch

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A Source is a netlink family and its groups to listen to.
type Source struct {
	Name     string // for error texts
	Protocol int    // NETLINK_* of netlink(7)
	Groups   []uint
	// Counts reports whether a message is about a change of interest; nil: all
	// are.
	Counts func(syscall.NetlinkMessage) bool
	// Subscribed is called when the kernel has begun to tell of changes: what is read from
	// then on misses none. nil: nothing is.
	Subscribed func()
}

// retryPause is how long Watch waits before it subscribes again.
const retryPause = time.Second

// Watch calls changed after one of the sources has told of changes in the
// network namespace of the calling thread, once for all that come within calm,
// and after changes were lost (ENOBUFS) or may have been. It returns with ctx, or
// at once with an error if it cannot subscribe to any source; those of several
// that the kernel does not have are left out.
func Watch(ctx context.Context, calm time.Duration, changed func(), sources ...Source) error {
	w := watcher{events: make(chan struct{}, 1), broken: make(chan Source, len(sources))}
	defer w.close()
	var errs []error
	for _, s := range sources {
		if err := w.subscribe(s); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) == len(sources) {
		return errors.Join(errs...)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case s := <-w.broken:
			pause(ctx, retryPause)
			if w.subscribe(s) != nil {
				w.broken <- s // there is room: s is not read
				continue
			}
		case <-w.events:
			pause(ctx, calm)
			select {
			case <-w.events:
			default:
			}
		}
		if ctx.Err() == nil {
			changed()
		}
	}
}

// pause waits, but not longer than ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// A watcher has a reader for each source.
type watcher struct {
	events  chan struct{} // something has changed
	broken  chan Source   // its reader has ended
	sockets []*nl.NetlinkSocket
	readers sync.WaitGroup
}

func (w *watcher) subscribe(s Source) error {
	socket, err := nl.Subscribe(s.Protocol, s.Groups...)
	if err != nil {
		return fmt.Errorf("watch %s: %w", s.Name, err)
	}
	w.sockets = append(w.sockets, socket)
	if s.Subscribed != nil {
		s.Subscribed()
	}
	w.readers.Go(func() {
		s.read(socket, w.events)
		w.broken <- s
	})
	return nil
}

// close ends the readers.
func (w *watcher) close() {
	for _, s := range w.sockets {
		s.Close() // once more does no harm
	}
	w.readers.Wait()
}

// read tells events of messages that count, until the socket is closed or
// breaks.
func (s Source) read(socket *nl.NetlinkSocket, events chan<- struct{}) {
	for {
		messages, _, err := socket.Receive()
		if err != nil && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EINTR) {
			socket.Close()
			return
		}
		if err != nil || s.any(messages) {
			select {
			case events <- struct{}{}:
			default: // that is known already
			}
		}
	}
}

// any reports whether one of the messages counts.
func (s Source) any(messages []syscall.NetlinkMessage) bool {
	for _, m := range messages {
		if s.Counts == nil || s.Counts(m) {
			return true
		}
	}
	return false
}

// Route reads a message of NETLINK_ROUTE about a route or a rule: its
// routing table (0: none) and who made it, an RTPROT_* number of rtnetlink(7); ok
// is false for other messages.
func Route(m syscall.NetlinkMessage) (table int, protocol uint8, ok bool) {
	rule := m.Header.Type == unix.RTM_NEWRULE || m.Header.Type == unix.RTM_DELRULE
	if !rule && m.Header.Type != unix.RTM_NEWROUTE && m.Header.Type != unix.RTM_DELROUTE || len(m.Data) < unix.SizeofRtMsg {
		return 0, 0, false
	}
	head := nl.DeserializeRtMsg(m.Data)
	table, protocol = int(head.Table), head.Protocol
	if rule {
		protocol = 0 // it is an attribute
	}
	attrs, err := nl.ParseRouteAttr(m.Data[unix.SizeofRtMsg:])
	if err != nil {
		return 0, 0, false
	}
	for _, a := range attrs {
		switch {
		case a.Attr.Type == unix.RTA_TABLE && len(a.Value) >= 4: // FRA_TABLE is the same number
			table = int(binary.NativeEndian.Uint32(a.Value))
		case rule && a.Attr.Type == nl.FRA_PROTOCOL && len(a.Value) > 0:
			protocol = a.Value[0]
		}
	}
	return table, protocol, true
}
