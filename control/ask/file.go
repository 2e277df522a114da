package ask

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// File reads a number from a file; FILE_CHECK. Times Weight it is added to the weight of
// the server. A file that is not there says 0.
type File struct {
	Path string
	// Weight is the factor of the number. 0: the server fails while the number is
	// not 0, or, with Reverse, while it is.
	Weight  int32
	Reverse bool // the number counts the other way round
	// Init says that the file gets the number Value at the start, if it is not there
	// or Overwrite is set (init_file).
	Init, Overwrite bool
	Value           int32
}

var _ Ask = (*File)(nil)

// String is such as `file "/run/weight" weight 2 reverse init_file 5`.
func (f *File) String() string {
	var t text
	t.addIf(true, "file %q weight %d", f.Path, f.Weight)
	t.addIf(f.Reverse, "reverse")
	t.addIf(f.Init, "init_file")
	t.addIf(f.Value != 0, "%d", f.Value)
	t.addIf(f.Overwrite, "overwrite")
	return t.Builder.String()
}

// Judge returns the number to be added to the weight of the server where the file says n, or
// the reason why that has failed. As with keepalived a product below -2147483647 is a failure, too.
func (f *File) Judge(n int32) (add int64, err error) {
	if f.Weight == 0 {
		if (n != 0) != f.Reverse {
			return 0, fmt.Errorf("%s says %d", f.Path, n)
		}
		return 0, nil
	}
	add = int64(n) * int64(f.Weight)
	if f.Reverse {
		add = -add
	}
	if add = min(add, math.MaxInt32); add <= math.MinInt32 {
		return 0, fmt.Errorf("%s says %d, which is no weight", f.Path, n)
	}
	return add, nil
}

// ParseFile is the number that the text of a file begins with, behind white space; 0 where it
// begins with none. What is too great or too small for 32 bits is the greatest or the least of them.
func ParseFile(text string) int32 {
	text = strings.TrimLeft(text, " \t\n\v\f\r")
	end := 0
	for end < len(text) && (text[end] >= '0' && text[end] <= '9' || end == 0 && (text[0] == '-' || text[0] == '+')) {
		end++
	}
	n, _ := strconv.ParseInt(text[:end], 10, 32) // out of range it is the limit, and no number is 0
	return int32(n)
}
