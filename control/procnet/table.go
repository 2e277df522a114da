package procnet

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
)

// Read reads a file of /proc/net, that of the thread's network namespace.
func Read[T any](name string, read func(io.Reader) (T, error)) (T, error) {
	f, err := os.Open("/proc/thread-self/net/" + name)
	if err != nil {
		var none T
		return none, err
	}
	defer f.Close()
	return read(f)
}

// rows are the fields of each line but the heading; a line with less than least
// is an error. An error is the last.
func rows(r io.Reader, least int) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Scan() // the heading
		for lines.Scan() {
			fields := strings.Fields(lines.Text())
			if len(fields) < least {
				yield(nil, fmt.Errorf("line %q: too short", lines.Text()))
				return
			}
			if !yield(fields, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(nil, err)
		}
	}
}
