package main

import (
	"io"
	"os"
	"strconv"

	"golang.org/x/term"
)

// screenWidth is how many columns out has: those of a terminal, or $COLUMNS, which
// watch(1) sets. 0: lines have no end, as in a file that programs read.
func screenWidth(out io.Writer) int {
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	if width, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && width > 0 {
		return width
	}
	return 0
}
