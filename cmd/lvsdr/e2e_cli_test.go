package main_test

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/bench/scenario"
	"lvsdr/control/api"
)

// minimal is the least configuration of a service.
const minimal = `virtual_server 192.168.1.100 8080 {
    delay_loop 6
    lb_algo wrr
    lb_kind DR
    protocol TCP
}
`

// file writes a file into a temporary folder and returns its path.
func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "keepalived.conf")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestConfigTest(t *testing.T) {
	t.Parallel()
	good, unknown := file(t, minimal), file(t, strings.Replace(minimal, "lb_algo wrr", "lb_algo wrr\n    lb_knid DR", 1))
	valueless := file(t, strings.Replace(minimal, "lb_algo wrr", "lb_algo wrr\n    protocol", 1))
	script := file(t, strings.Replace(minimal, "lb_algo wrr", "lb_algo wrr\n    quorum_up \"/bin/sh -c x\"", 1))
	absent := filepath.Join(t.TempDir(), "absent.conf")
	for _, test := range []struct {
		name, file, stdout, stderr string
		code                       int
	}{
		{"a good file", good, "1 virtual servers, 0 real servers", "persistence_timeout is absent, so clients stick to one real server for 120 s", 0},
		{"an unknown word", unknown, "1 virtual servers", unknown + ":4: error: lb_knid: unknown word in virtual_server; did you mean lb_kind?", 5},
		{"a missing value", valueless, "1 virtual servers", valueless + ":4: error: protocol: a value is missing", 2},
		{"scripts that are run", script, "1 virtual servers", "enable_script_security is absent", 6},
		{"no file", absent, "", absent, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := verb(t, "run", "-t", "-c", test.file)
			if r.code != test.code || !strings.Contains(r.stdout, test.stdout) || !strings.Contains(r.stderr, test.stderr) {
				t.Errorf("exit code %d, stdout %q, stderr %q; want %d, %q, %q", r.code, r.stdout, r.stderr, test.code, test.stdout, test.stderr)
			}
		})
	}
}

func TestAStartRefusesAFileWithMistakes(t *testing.T) {
	t.Parallel()
	bad := file(t, minimal+"virtual_server 1988.51.100.10 80 {\n}\n")
	r := lvsdr(t, "run", "-c", bad, "--socket", filepath.Join(shortDir(t), "s"))
	if r.code != 5 || !strings.Contains(r.stderr, "is not an IP address") || !strings.Contains(r.stderr, bad+":7") || !strings.Contains(r.stderr, "serve the rest with --serve-rest") {
		t.Errorf("exit code %d, wrote %s", r.code, r.stderr)
	}
	lab := newLab(t, netlab.Spec{})
	if st := status(t, direct(t, lab, minimal+"frobnicate\n", "--serve-rest")); len(st.Services) != 1 {
		t.Errorf("with consent the services are %+v", st.Services)
	}
}

// A FIFO as a configuration that is never written whole kept run and run -t until
// SIGKILL.
func TestAFileThatDoesNotEndIsLeftAtASignal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		code int
	}{{[]string{"run", "-t"}, 130}, {[]string{"run"}, 0}} {
		fifo := filepath.Join(shortDir(t), "fifo")
		if err := unix.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		lab := newLab(t, netlab.Spec{})
		cmd := lab.Director.Command(t.Context(), binary(), append(test.args, "-c", fifo, "--socket", fifo+".s")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var writer *os.File
		await(t, "the FIFO to be read", func() (ok bool) {
			var err error
			writer, err = os.OpenFile(fifo, os.O_WRONLY|unix.O_NONBLOCK, 0)
			return err == nil
		})
		if err := unix.Kill(cmd.Process.Pid, unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // the exit code says it
		writer.Close()
		if code := cmd.ProcessState.ExitCode(); code != test.code {
			t.Errorf("%v ended with %d, want %d", test.args, code, test.code)
		}
	}
}

func TestTheLeastConfigurationRuns(t *testing.T) {
	t.Parallel()
	lab := newLab(t, netlab.Spec{})
	st := status(t, direct(t, lab, minimal))
	if len(st.Services) != 1 || st.Services[0].Scheduler != "wrr" || st.Services[0].Persistence != 120 || len(st.Services[0].Servers) != 0 {
		t.Errorf("the services are %+v", st.Services)
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	d := direct(t, lab, lab.Config(rotating()))
	get(t, lab, 12)

	r := lvsdr(t, "status", "--json", "--socket", d.Socket)
	dec := json.NewDecoder(strings.NewReader(r.stdout))
	dec.DisallowUnknownFields()
	var got api.Status
	if err := dec.Decode(&got); err != nil || r.code != 0 {
		t.Fatalf("exit code %d, %v", r.code, err)
	}
	want := status(t, d)
	if got.PID != d.PID() || servicesOf(&got) != servicesOf(want) || got.Services[0].Traffic.Conns != 12 {
		t.Errorf("the command says %+v, the director %+v", got, want)
	}

	r = verb(t, "status", "--socket", d.Socket)
	for _, s := range []string{fmt.Sprintf("process %d", d.PID()), "192.168.1.100:8080", "192.168.1.13:8080", "12 connections", "up, not checked", "scheduled"} {
		if !strings.Contains(r.stdout, s) {
			t.Errorf("the status does not say %q:\n%s", s, r.stdout)
		}
	}
	if r.code != 0 || r.stderr != "" {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
}

func TestStatusWithoutADirectorSaysWhatToDo(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(shortDir(t), "sock")
	r := verb(t, "status", "--socket", socket)
	if r.code != 1 || r.stdout != "" {
		t.Errorf("exit code %d, stdout %q", r.code, r.stdout)
	}
	for _, s := range []string{socket, "lvsdr run", "--socket"} {
		if !strings.Contains(r.stderr, s) {
			t.Errorf("%q does not say %q", r.stderr, s)
		}
	}
}

// The verb gives the decisions that a real kernel has made.
func TestSimulateDecidesAsRecorded(t *testing.T) {
	t.Parallel()
	name, err := filepath.Abs("../../bench/scenario/testdata/wrr-gcd.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	recorded, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	r := lvsdr(t, "simulate", name)
	if r.code != 0 {
		t.Fatalf("exit code %d: %s", r.code, r.stderr)
	}
	want, err := scenario.Read(name, bytes.NewReader(recorded))
	if err != nil {
		t.Fatal(err)
	}
	got, err := scenario.Read("output", strings.NewReader(r.stdout))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d operations, want %d", len(got), len(want))
	}
	packets := 0
	for i, w := range want {
		g := got[i]
		if g.Op != w.Op || g.TMs != w.TMs || !reflect.DeepEqual(g.Packet, w.Packet) || g.To != w.To || !reflect.DeepEqual(g.Services, w.Services) {
			t.Errorf("line %d: %+v, recorded %+v", i+1, g, w)
		}
		if w.To != "" {
			packets++
		}
	}
	if packets < 100 {
		t.Errorf("the recording has only %d decisions: this test proves little", packets)
	}
}

func TestSmallVerbs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args, stdout string
	}{
		{"version", `^lvsdr \d+\.\d+\.\d+\S*, go1\.\S+, linux/\w+\n$`},
		{"--version", `^lvsdr version \d+\.\d+\.\d+`},
		{"completion bash", `complete .*lvsdr\n`},
		{"completion zsh", `^#compdef lvsdr`},
		{"help", `(?m)^  run +\S`},
		{"run --help", `-t, --config-test`},
	} {
		t.Run(test.args, func(t *testing.T) {
			do := verb
			if strings.Contains(test.args, "version") { // the program's, not this test's
				do = lvsdr
			}
			r := do(t, strings.Fields(test.args)...)
			if r.code != 0 || r.stderr != "" || !regexp.MustCompile(test.stdout).MatchString(r.stdout) {
				t.Errorf("exit code %d, stderr %q, stdout %.300q; want %s", r.code, r.stderr, r.stdout, test.stdout)
			}
		})
	}
}

func TestACommandLineThatMakesNoSenseEndsWith2(t *testing.T) {
	t.Parallel()
	for _, args := range []string{
		"nonsense", "--nonsense", "run --nonsense", "run extra", "run --workers many", "run --workers 1000", "run --workers 0", "run -t --workers -1", "run -t --metrics localhost", "run --metrics 127.0.0.1:0", "run -t --persistence-default soon",
		"run --log-format colours", "run --log-level loud", "status extra", "status --socket", "simulate", "lab extra", "version extra",
	} {
		t.Run(args, func(t *testing.T) {
			do := verb
			if strings.HasPrefix(args, "run ") { // which would make this process a director
				do = lvsdr
			}
			r := do(t, strings.Fields(args)...)
			if r.code != 2 || r.stdout != "" || !strings.HasPrefix(r.stderr, "lvsdr: ") {
				t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
			}
		})
	}
}

// One file is the whole program, on any distribution and in an empty container.
func TestTheBinaryIsStatic(t *testing.T) {
	t.Parallel()
	const limit = 28 << 20
	if info, err := os.Stat(binary()); err != nil || info.Size() >= limit {
		t.Errorf("%v, %d bytes; want less than %d", err, info.Size(), limit)
	}
	f, err := elf.Open(binary())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the program has a segment %v: it is not static", p.Type)
		}
	}
	if libs, err := f.ImportedLibraries(); err != nil || len(libs) > 0 {
		t.Errorf("the program needs %v, %v", libs, err)
	}
}
