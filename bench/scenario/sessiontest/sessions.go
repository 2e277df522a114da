package sessiontest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lvsdr/bench/scenario"
)

// folder has the recorded sessions, seen from the module's root.
const folder = "control/ipvsadm/testdata/sessions"

// A Session is a recorded session.
type Session struct {
	Name string
	// LeftOut are the numbers of the lines that something is left out of, as
	// Ranges writes them; LeftOutOnHost where a director on a host plays it.
	LeftOut, LeftOutOnHost string

	file string
}

// leftOut names the recorded sessions.
func leftOut() map[string]string {
	return map[string]string{
		"edit":              "9 11 13 15 17 19 21 23 25 27 29 31 33 35 37 39 53",
		"lists-connections": "23-30 32-35 37-38 40-44 49-51 53-55 58",
		"lists-empty":       "",
		"lists-full":        "23-41 51-61 70-85 94-101",
		"long-options":      "10-13 17-21 28",
		"names":             "9-15",
		"numbers":           "",
		"save-restore":      "23-24 28-29 31 52",
		"sorting":           "33-45",
		"stats":             "7-94 98 100-105 107-108 110 112-113 119-120 122",
		"timeouts-daemon":   "",
		"tunnels":           "26-32 38-39 42-44",
		"wrong-servers":     "90 96-97 103-106",
		"wrong-syntax":      "",
	}
}

// Sessions are the recorded sessions of the tree whose root is at root, by name.
func Sessions(root string) ([]Session, error) {
	left := leftOut()
	files, err := filepath.Glob(filepath.Join(root, folder, "*.jsonl"))
	if err != nil {
		return nil, err
	}
	if len(files) != len(left) {
		return nil, fmt.Errorf("%s has %d sessions, want %d", folder, len(files), len(left))
	}
	slices.Sort(files)
	var all []Session
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".jsonl")
		out, known := left[name]
		if !known {
			return nil, fmt.Errorf("session %s is not known", name)
		}
		onHost := out
		if name == "wrong-servers" { // has a server at its VIP
			onHost = "82 90 96-97 103-106"
		}
		all = append(all, Session{name, out, onHost, f})
	}
	return all, nil
}

// Read reads the session. Each call returns a session of its own, to be played
// or to be compared with.
func (s Session) Read() ([]*scenario.Op, error) {
	f, err := os.Open(s.file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return scenario.Read(s.file, f)
}
