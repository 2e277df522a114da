//go:build !linux

package check

import (
	"errors"
	"fmt"
)

// setOptions knows no option but bind, which is not its business.
func setOptions(_ int, _, _ bool, o socketOptions) error {
	if o.iface != "" || o.mark != 0 || o.ttl != 0 {
		return fmt.Errorf("set interface, mark or TTL of a check: not implemented on this system: %w", errors.ErrUnsupported)
	}
	return nil
}
