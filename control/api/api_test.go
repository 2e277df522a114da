package api_test

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"lvsdr/control/api"
)

// serve answers on path until the test ends.
func serve(t *testing.T, path string, st api.Status) {
	t.Helper()
	l, err := api.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: api.Handler(api.Answers{Status: func() api.Status { return st }})}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
}

func TestGetReadsWhatTheHandlerWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "sock")
	want := api.Status{Version: "1", Active: true, Reasons: map[string]uint64{"hit": 7},
		Services: []api.Service{{Address: "192.0.2.1", Port: 80, Servers: []api.Server{{Address: "10.0.0.1", Weight: 3}}}}}
	serve(t, path, want)
	got, err := api.Get(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Version != "1" || !got.Active || got.Reasons["hit"] != 7 || got.Services[0].Servers[0].Weight != 3 {
		t.Errorf("got %+v", got)
	}
}

func TestASecondDirectorCannotTakeTheSocketOfALivingOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	serve(t, path, api.Status{})
	if _, err := api.Listen(path); err == nil || !strings.Contains(err.Error(), "running on it already") {
		t.Errorf("error %v", err)
	}
}

func TestTheSocketOfADeadDirectorIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	serve(t, path, api.Status{Version: "2"})
	if st, err := api.Get(context.Background(), path); err != nil || st.Version != "2" {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestWithoutADirectorTheErrorSaysWhatToDo(t *testing.T) {
	_, err := api.Get(context.Background(), filepath.Join(t.TempDir(), "none"))
	if err == nil || !strings.Contains(err.Error(), "lvsdr run") {
		t.Errorf("error %v", err)
	}
}
