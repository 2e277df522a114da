package control

import (
	"bytes"
	"context"
	"fmt"

	"github.com/vishvananda/netlink"
)

// watch tells changed when an interface of the plan has got another MAC address
// or MTU: bridges and bonds change theirs with their members. It returns with
// ctx.
func (m *manager) watch(ctx context.Context, changed chan<- struct{}) error {
	updates := make(chan netlink.LinkUpdate, 64)
	failed := make(chan error, 1)
	err := netlink.LinkSubscribeWithOptions(updates, ctx.Done(), netlink.LinkSubscribeOptions{ErrorCallback: func(err error) {
		select {
		case failed <- err:
		default:
		}
	}})
	if err != nil {
		return fmt.Errorf("watch interfaces: %w", err)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			m.log.Warn("interfaces are not watched any more; after a change of a MAC address or MTU send SIGHUP", "error", err)
			return nil
		case u, ok := <-updates:
			if !ok {
				return nil
			}
			if m.differs(u.Attrs()) {
				select {
				case changed <- struct{}{}:
				default: // that is known already
				}
			}
		}
	}
}

// differs reports whether an interface is not any more as the plan has it.
func (m *manager) differs(now *netlink.LinkAttrs) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.plan == nil {
		return false
	}
	at, ok := m.plan.links()[now.Index]
	return ok && (at.link.MTU != now.MTU || !bytes.Equal(at.link.HardwareAddr, now.HardwareAddr))
}
