//go:build !linux

package check

import "errors"

// A connector is not implemented on this system: connections are made one by one.
type connector struct{}

func newConnector(func(*connection, error)) (*connector, error) { return nil, errors.ErrUnsupported }

func (c *connector) start([]*connection)     {}
func (c *connector) cancel(*connection) bool { return false }
func (c *connector) serve()                  {}
func (c *connector) close()                  {}
