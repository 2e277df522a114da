package control

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"lvsdr/control/ask"
	"lvsdr/control/keepalived"
)

// initFiles writes the numbers that cfg has for the files of its checks, once for each path;
// done has those that were written, or could not be.
func initFiles(cfg *keepalived.Config, done map[string]bool) (errs []error) {
	for _, v := range cfg.VirtualServers {
		for _, s := range v.RealServers {
			for _, c := range s.Checks {
				f, ok := c.Ask.(*ask.File)
				if !ok || !f.Init || done[f.Path] {
					continue
				}
				done[f.Path] = true
				if err := initFile(f); err != nil {
					errs = append(errs, fmt.Errorf("init_file: %w", err))
				}
			}
		}
	}
	return errs
}

// initFile writes the number for f, unless there is a file that is not to be overwritten.
func initFile(f *ask.File) error {
	how := os.O_EXCL
	if f.Overwrite {
		how = os.O_TRUNC
	}
	file, err := os.OpenFile(f.Path, os.O_WRONLY|os.O_CREATE|syscall.O_NONBLOCK|how, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, f.Value)
	return errors.Join(err, file.Close())
}
