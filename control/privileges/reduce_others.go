//go:build !linux

package privileges

// Reduce does nothing: other systems have no capabilities.
func Reduce() error { return nil }
