//go:build !linux

package nics

import (
	"errors"

	"lvsdr/dataplane/frame"
)

// memberships are not there.
type memberships struct{}

func (*memberships) close() {}

// setMACs says that there are none.
func (g *group) setMACs(macs []frame.MAC) error {
	if len(macs) > 0 {
		return errors.ErrUnsupported
	}
	return nil
}
