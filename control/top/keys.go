package top

import (
	"context"
	"io"
	"strings"
)

// A key is one that top knows.
type key int

// The keys.
const (
	noKey key = iota
	quitKey
	upKey
	downKey
	sortKey
	pauseKey
)

// keys reads keys until in ends. The reader stays behind in Read when ctx ends:
// the program does, too.
func keys(ctx context.Context, in io.Reader) <-chan key {
	out := make(chan key)
	go func() {
		defer close(out)
		b := make([]byte, 64)
		for {
			n, err := in.Read(b)
			if err != nil {
				return
			}
			for _, k := range readKeys(string(b[:n])) {
				select {
				case out <- k:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out
}

// readKeys are the keys in what a terminal sent at once. What it sends for an
// arrow depends on its mode.
func readKeys(s string) []key {
	names := []struct {
		text string
		key  key
	}{{"\x1b[A", upKey}, {"\x1bOA", upKey}, {"k", upKey}, {"\x1b[B", downKey}, {"\x1bOB", downKey}, {"j", downKey},
		{"s", sortKey}, {"p", pauseKey}, {"q", quitKey}, {"\x03", quitKey}}
	var all []key
next:
	for s != "" {
		for _, n := range names {
			if rest, ok := strings.CutPrefix(s, n.text); ok {
				all, s = append(all, n.key), rest
				continue next
			}
		}
		s = s[1:]
	}
	return all
}

// press does what a key is for; false: quit.
func (v *view) press(k key) bool {
	switch k {
	case quitKey:
		return false
	case upKey:
		v.selected--
	case downKey:
		v.selected++
	case sortKey:
		v.order = (v.order + 1) % numOrders
	case pauseKey:
		v.paused = !v.paused
	}
	return true
}
