package uml

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// moduleDir has a folder for each release of the kernel.
const moduleDir = "/usr/lib/uml/modules"

// modulesOf are the files of modules of the folder dir, with those that they need before
// them, each once. The folder's modules.dep says which these are. A name that it does not
// have is an error.
func modulesOf(dir string, names []string) ([]string, error) {
	b, err := os.ReadFile(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return nil, fmt.Errorf("find the kernel's modules: %w", err)
	}
	chains := parseDep(b)
	var files []string
	seen := map[string]bool{}
	for _, name := range names {
		chain := chains[name]
		if chain == nil {
			return nil, fmt.Errorf("the kernel of %s has no module %s", dir, name)
		}
		for _, file := range chain {
			if !seen[file] {
				seen[file] = true
				files = append(files, filepath.Join(dir, file))
			}
		}
	}
	return files, nil
}

// parseDep reads a modules.dep: for each module, by name, its files in the order in which
// they are to be loaded, its own last. A line has the file, a colon, and the files that it
// needs, the one to be loaded last first.
func parseDep(b []byte) map[string][]string {
	chains := map[string][]string{}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		file, needs, found := strings.Cut(lines.Text(), ":")
		if !found {
			continue
		}
		chain := []string{file}
		for _, need := range strings.Fields(needs) {
			chain = append([]string{need}, chain...)
		}
		chains[moduleName(file)] = chain
	}
	return chains
}

// moduleName is the name of the module in a file.
func moduleName(file string) string {
	name, _, _ := strings.Cut(filepath.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}
