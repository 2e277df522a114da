//go:build !linux

package boot

import "errors"

// ID is not known on other systems.
func ID() (string, error) { return "", errors.ErrUnsupported }

// Namespace is 0: other systems have no network namespaces.
func Namespace() (uint64, error) { return 0, nil }
