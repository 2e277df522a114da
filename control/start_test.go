package control

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"lvsdr/control/keepalived"
)

// A start takes a file without errors, and one with errors only where it is told
// to. Every report about the file is a line of the log then.
func TestAStartRefusesAFileWithErrors(t *testing.T) {
	good := service(vip, rs1)
	for _, tt := range []struct {
		name, file string
		serveRest  bool
		err        string // "" when the file is taken
		logged     string // part of the log
		services   int
	}{
		{"a good file", good, false, "", "services=1", 1},
		{"a file with notes and warnings", good + "global_defs {\n lvs_id x\n}\n", false, "", "services=1", 1},
		{"an empty file", "", false, "", "services=0", 0},
		{"an unknown word", good + "frob\n", false, "errors in test.conf: 1; correct them, or serve the rest with --serve-rest", "level=ERROR msg=\"unknown word in the outermost level; the line is left out\" at=test.conf:", 0},
		{"an unknown word and consent", good + "frob\n", true, "", "services=1", 1},
		{"a file that ends too early", good[:len(good)-10], false, "errors in test.conf: 2", "is missing", 0},
		{"a service left out", good + "virtual_server 1988.51.100.10 80 {\n}\n", false, "errors in test.conf: 1", "is not an IP address", 0},
		{"a service left out and consent", good + "virtual_server 1988.51.100.10 80 {\n}\n", true, "", "services=1", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			o := Options{File: "test.conf", ServeRest: tt.serveRest, Log: slog.New(slog.NewTextHandler(&log, nil)),
				Load: func() (*keepalived.Config, keepalived.Diagnostics, error) { return parse(tt.file) }}
			first, err := readFile(t.Context(), &o)
			var bad *BadFile
			switch {
			case tt.err == "" && err != nil, tt.err != "" && (!errors.As(err, &bad) || !strings.HasPrefix(err.Error(), tt.err)):
				t.Fatalf("error %v, want %q", err, tt.err)
			case tt.err != "" && bad.Found.ExitCode() == keepalived.ExitOK:
				t.Errorf("exit code 0 with %v", bad.Found)
			case tt.err == "" && len(first.cfg.VirtualServers) != tt.services:
				t.Errorf("%d services, want %d", len(first.cfg.VirtualServers), tt.services)
			}
			if !strings.Contains(log.String(), tt.logged) {
				t.Errorf("logged %s\nwant %s", log.String(), tt.logged)
			}
		})
	}
}

// A file that cannot be read to its end does not keep a start from being called off.
func TestAStartThatWaitsForItsFileCanBeCalledOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	never := make(chan bool)
	defer close(never)
	o := Options{File: "test.conf", Log: slog.New(slog.DiscardHandler), Load: func() (*keepalived.Config, keepalived.Diagnostics, error) {
		cancel()
		<-never
		return nil, nil, nil
	}}
	if _, err := readFile(ctx, &o); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "read configuration") {
		t.Errorf("error %v", err)
	}
}
