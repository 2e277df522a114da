package keepalived

import (
	"io"
	"io/fs"
	"os"
	"strings"
)

// A Recording is all that a configuration was read from: it can be read again where
// its files are not, with the same outcome.
type Recording struct {
	Files map[string]string   // the text of each file that was read, by its name
	Globs map[string][]string // the names that each pattern of an include matched
}

// Over is files, with what is read from them noted in r.
func (r *Recording) Over(files Files) Files {
	r.Files, r.Globs = map[string]string{}, map[string][]string{}
	of := Options{Files: files}.withDefaults().Files
	out := files
	out.Open = func(name string) (io.ReadCloser, error) {
		f, err := of.Open(name)
		if err != nil {
			return nil, err
		}
		return &recorded{f, name, r, &strings.Builder{}}, nil
	}
	out.Glob = func(pattern string) ([]string, error) {
		names, err := of.Glob(pattern)
		if err == nil {
			r.Globs[pattern] = names
		}
		return names, err
	}
	return out
}

// recorded notes what is read of a file.
type recorded struct {
	io.ReadCloser
	name string
	in   *Recording
	text *strings.Builder
}

// Read implements io.Reader.
func (f *recorded) Read(to []byte) (int, error) {
	n, err := f.ReadCloser.Read(to)
	f.text.Write(to[:n])
	return n, err
}

// Close notes the file.
func (f *recorded) Close() error {
	f.in.Files[f.name] = f.text.String()
	return f.ReadCloser.Close()
}

// Replay are the files of r. What was not recorded is not there.
func (r *Recording) Replay() Files {
	return Files{
		Open: func(name string) (io.ReadCloser, error) {
			text, ok := r.Files[name]
			if !ok {
				return nil, &fs.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
			}
			return io.NopCloser(strings.NewReader(text)), nil
		},
		Glob: func(pattern string) ([]string, error) { return r.Globs[pattern], nil },
	}
}
