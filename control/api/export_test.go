package api

import (
	"maps"
	"slices"
)

// Routes are the requests that a Handler knows, sorted.
func Routes() []string { return slices.Sorted(maps.Keys(routes(Backend{}))) }
