package ipvsadm_test

import (
	"strings"
	"testing"
)

// What the director refuses is told in the kernel's words.
func TestRefusalsOfTheDirector(t *testing.T) {
	i := newInterpreter(t)
	must(t, i, `-A -t 10.0.0.1:80 -s rr
		-A -f 7 -6 -s rr
		-a -t 10.0.0.1:80 -r 10.2.0.1:81 -w 5
		-a -f 7 -6 -r [fd00::1]:81`)
	before := run(i, "-Sn").Out
	for line, text := range map[string]string{
		"-A -t 10.0.0.1:80 -s nosuch":                "Service already exists",
		"-A -t 10.0.0.1:81 -s nosuch":                "Scheduler or persistence engine not found",
		"-E -t 10.0.0.1:80 -s nosuch":                "Scheduler or persistence engine not found",
		"-E -u 10.0.0.1:80":                          "No such service",
		"-D -f 7":                                    "No such service",
		"-Z -t 10.0.0.1:81":                          "No such service",
		"-a -t 10.0.0.1:81 -r 10.2.0.1":              "Service not defined",
		"-e -t 10.0.0.1:81 -r 10.2.0.1":              "Service not defined",
		"-d -t 10.0.0.1:81 -r 10.2.0.1":              "Service not defined",
		"-a -t 10.0.0.1:80 -r 10.2.0.1:80":           "Destination already exists",
		"-e -t 10.0.0.1:80 -r 10.2.0.2":              "No such destination",
		"-d -t 10.0.0.1:80 -r 10.2.0.1:81":           "No such destination", // -a has made port 80 of it
		"-d -t 10.0.0.1:80 -r [fd00::1]:80":          "No such destination",
		"-a -t 10.0.0.1:80 -r 10.2.0.2 -x 2 -y 3":    "Numerical result out of range",
		"-a -t 10.0.0.1:80 -r 224.0.0.1":             "Invalid operation.  Possibly wrong module version, address not unicast, ...",
		"-a -t 10.0.0.1:80 -r 255.255.255.255":       "Invalid operation.  Possibly wrong module version, address not unicast, ...",
		"-a -t 10.0.0.1:80 -r 0.0.0.0":               "Invalid operation.  Possibly wrong module version, address not unicast, ...",
		"-a -f 7 -6 -r ff02::1":                      "Invalid operation.  Possibly wrong module version, address not unicast, ...",
		"-a -f 7 -6 -r fe80::1":                      "Invalid operation.  Possibly wrong module version, address not unicast, ...",
		"-a -f 7 -6 -r ::":                           "Invalid operation.  Possibly wrong module version, address not unicast, ...",
		"-a -t 10.0.0.1:80 -r 10.2.0.2 -m -x 2 -y 3": "Numerical result out of range",
	} {
		if r := run(i, line); r.Exit != 255 || r.Err != text+"\n" || r.Out != "" {
			t.Errorf("%s: exit code %d, %q, %q, want %q", line, r.Exit, r.Err, r.Out, text)
		}
		want(t, line, run(i, "-Sn").Out, before)
	}
	if r := run(i, "-L -t 10.0.0.1:81"); r.Exit != 1 || r.Err != "No such service\n" || r.Out != "" {
		t.Errorf("a list of a service that is not there: %+v", r)
	}
}

func TestEditing(t *testing.T) {
	for _, c := range []struct{ law, commands, saved string }{
		{"the defaults", "-A -t 10.0.0.1:80\n-a -t 10.0.0.1:80 -r 10.2.0.1", "-A -t 10.0.0.1:80 -s wlc\n-a -t 10.0.0.1:80 -r 10.2.0.1:80 -g -w 1\n"},
		{"a server's port is its service's", "-A -t 10.0.0.1:80\n-a -t 10.0.0.1:80 -r 10.2.0.1:8080", "-A -t 10.0.0.1:80 -s wlc\n-a -t 10.0.0.1:80 -r 10.2.0.1:80 -g -w 1\n"},
		{"but not where the service has none", "-A -f 1\n-a -f 1 -r 10.2.0.1:8080\n-a -f 1 -r 10.2.0.2", "-A -f 1 -s wlc\n-a -f 1 -r 10.2.0.1:8080 -g -w 1\n-a -f 1 -r 10.2.0.2:0 -g -w 1\n"},
		{"-E gives what is not given its default", "-A -t 10.0.0.1:80 -s rr -p 50 -M 255.0.0.0\n-E -t 10.0.0.1:80 -s sh -b sh-port", "-A -t 10.0.0.1:80 -s sh -b sh-port\n"},
		{"-p alone is six minutes", "-A -t 10.0.0.1:80 -p", "-A -t 10.0.0.1:80 -s wlc -p 360\n"},
		{"-p takes its value from the same word, too", "-A -t 10.0.0.1:80 -p7", "-A -t 10.0.0.1:80 -s wlc -p 7\n"},
		{"letters go together", "-At 10.0.0.1:80 -s=rr\n-Au10.0.0.1:53 -op9", "-A -t 10.0.0.1:80 -s rr\n-A -u 10.0.0.1:53 -s wlc -p 9 -o\n"},
		{"long names", "--add-service --sctp-service=10.0.0.1:80 --scheduler rr --persistent 5 --sort\n--add-server --sctp-service 10.0.0.1:80 --real-server 10.2.0.1 --weight=0 --gatewaying",
			"-A --sctp-service 10.0.0.1:80 -s rr -p 5\n-a --sctp-service 10.0.0.1:80 -r 10.2.0.1:80 -g -w 0\n"},
		{"a mask without persistence is not listed", "-A -t 10.0.0.1:80 -M 255.0.0.0", "-A -t 10.0.0.1:80 -s wlc\n"},
		{"a mask may have holes", "-A -t 10.0.0.1:80 -p 5 -M 255.0.255.0", "-A -t 10.0.0.1:80 -s wlc -p 5 -M 255.0.255.0\n"},
		{"the whole address is no mask", "-A -t 10.0.0.1:80 -p 5 -M 255.255.255.255\n-A -t [fd00::1]:80 -p 5 -M 128", "-A -t 10.0.0.1:80 -s wlc -p 5\n-A -t [fd00::1]:80 -s wlc -p 5\n"},
		{"IPv6 by mark", "-A -f 3 -6 -p 5 -M 64\n-a -f 3 -6 -r [fd00::2]:0 -w 2", "-A -f 3 -6 -s wlc -p 5 -M 64\n-a -f 3 -6 -r [fd00::2]:0 -g -w 2\n"},
		{"one packet by mark", "-A -f 3 -o", "-A -f 3 -s wlc -o\n"},
		{"-d removes", "-A -f 1\n-a -f 1 -r 10.2.0.1\n-a -f 1 -r 10.2.0.2\n-d -f 1 -r 10.2.0.1", "-A -f 1 -s wlc\n-a -f 1 -r 10.2.0.2:0 -g -w 1\n"},
		{"-D removes the servers, too", "-A -f 1\n-a -f 1 -r 10.2.0.1\n-D -f 1\n-A -f 1", "-A -f 1 -s wlc\n"},
		{"-C removes all", "-A -f 1\n-A -t 10.0.0.1:80\n-a -f 1 -r 10.2.0.1\n-C", ""},
		{"sorted", "-A -f 2\n-A -f 1\n-A -u 10.0.0.1:1\n-A -t 10.0.0.2:80\n-A -t 10.0.0.1:90\n-A -t 10.0.0.1:80\n-A -t [::1]:80\n-A -f 1 -6\n" +
			"-a -f 2 -r 10.2.0.3\n-a -f 2 -r 10.2.0.1\n-a -f 2 -r 10.2.0.2",
			"-A -t 10.0.0.1:80 -s wlc\n-A -t 10.0.0.1:90 -s wlc\n-A -t 10.0.0.2:80 -s wlc\n-A -u 10.0.0.1:1 -s wlc\n-A -t [::1]:80 -s wlc\n-A -f 1 -s wlc\n-A -f 1 -6 -s wlc\n" +
				"-A -f 2 -s wlc\n-a -f 2 -r 10.2.0.1:0 -g -w 1\n-a -f 2 -r 10.2.0.2:0 -g -w 1\n-a -f 2 -r 10.2.0.3:0 -g -w 1\n"},
	} {
		t.Run(c.law, func(t *testing.T) {
			i := newInterpreter(t)
			must(t, i, c.commands)
			want(t, "-Sn", run(i, "-Sn").Out, c.saved)
		})
	}
}

func TestTimeouts(t *testing.T) {
	i := newInterpreter(t)
	for _, c := range [][2]string{{"--set 0 0 0", "900 120 300"}, {"--set 5 6 7", "5 6 7"}, {"--set 0 8 0", "5 8 7"}, {"--set 2678400 0 0", "2678400 8 7"}} {
		must(t, i, c[0])
		want(t, c[0], run(i, "-L --timeout").Out, "Timeout (tcp tcpfin udp): "+c[1]+"\n")
	}
}

func TestRestore(t *testing.T) {
	for _, c := range []struct {
		law, in string
		exit    int
		err     string
		saved   string
	}{
		{"each line is a command", "-A -f 1\n-a -f 1 -r 10.2.0.1", 0, "", "-A -f 1 -s wlc\n-a -f 1 -r 10.2.0.1:0 -g -w 1\n"},
		{"the word ipvsadm, blanks, blank lines and returns do not matter", "\n\n  ipvsadm \t-A   -f 1  \r\nipvsadm\n  \t\n-A -f 2", 0, "", "-A -f 1 -s wlc\n-A -f 2 -s wlc\n"},
		{"a comment is the end", "-A -f 1\n# saved\n-A -f 3", 255, "Try `ipvsadm -h' or 'ipvsadm --help' for more information.\n", "-A -f 1 -s wlc\n"},
		{"a word before the command is the end", "-A -f 1\nadd -A -f 2\n-A -f 3", 2, "unexpected argument add\n", "-A -f 1 -s wlc\n"},
		{"a list of a service that is not there is the end", "-A -f 1\n-L -f 2\n-A -f 3", 1, "No such service\n", "-A -f 1 -s wlc\n"},
		{"refusals are told in the order of their lines", "-A -f 1\n-A -f 1\n-x\n", 255, "Service already exists\nTry `ipvsadm -h' or 'ipvsadm --help' for more information.\n", "-A -f 1 -s wlc\n"},
		{"what was read before a line too long is done first", "-A -f 1\n-A -f 1\n" + strings.Repeat("x", 1<<17), 2, "Service already exists\nread commands: a line is longer than 65536 bytes\n", "-A -f 1 -s wlc\n"},
		{"what the director refuses is told, and passed over", "-A -f 1\n-A -f 1\n-A -f 2\n-A -f 2", 255, "Service already exists\nService already exists\n", "-A -f 1 -s wlc\n-A -f 2 -s wlc\n"},
		{"the exit code is the last line's", "-A -f 1\n-A -f 1\n-A -f 2", 0, "Service already exists\n", "-A -f 1 -s wlc\n-A -f 2 -s wlc\n"},
		{"an unknown option is passed over, too", "-A -f 1 -z\n-A -f 2", 0, "-z: unknown option\n", "-A -f 2 -s wlc\n"},
		{"a usage error is the end", "-A -f 1\n-A -f 2 -w 1\n-A -f 3", 2, "Illegal 'weight' option with the 'add-service' command\n", "-A -f 1 -s wlc\n"},
		{"a word that is no command is refused too", "-A -f 1\n-Q\n-A -f 3", 255, "Try `ipvsadm -h' or 'ipvsadm --help' for more information.\n", "-A -f 1 -s wlc\n"},
		{"there is no -R in -R", "-R\n-A -f 3", 255, "Try `ipvsadm -h' or 'ipvsadm --help' for more information.\n", ""},
		{"a line too long is the end", "-A -f 1\n-A -f 2 " + strings.Repeat("x", 1<<17), 2, "read commands: a line is longer than 65536 bytes\n", "-A -f 1 -s wlc\n"},
	} {
		t.Run(c.law, func(t *testing.T) {
			i := newInterpreter(t)
			r := i.Run(t.Context(), []string{"-R"}, strings.NewReader(c.in))
			if r.Exit != c.exit || r.Err != c.err || r.Out != "" {
				t.Errorf("exit code %d, %q, %q; want %d, %q", r.Exit, r.Err, r.Out, c.exit, c.err)
			}
			want(t, "-Sn", run(i, "-Sn").Out, c.saved)
		})
	}
	i := newInterpreter(t)
	r := i.Run(t.Context(), []string{"-R"}, strings.NewReader("-L --timeout\n-v\n-A -f 1"))
	want(t, "a list within -R, and the version, which is the last", r.Out, "Timeout (tcp tcpfin udp): 900 120 300\nipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)\n")
	if r := i.Run(t.Context(), []string{"-R"}, nil); r.Exit != 0 || run(i, "-Sn").Out != "" {
		t.Errorf("-R of nothing: %+v", r)
	}
}

func TestHelpNamesEveryOption(t *testing.T) {
	r := run(newInterpreter(t), "-h")
	if r.Exit != 0 || r.Err != "" || !strings.HasPrefix(r.Out, "ipvsadm v1.31") {
		t.Fatalf("%+v", r)
	}
	for _, word := range strings.Fields("--add-service --set --version --tcp-service --fwmark-service --persistent --tun-remcsum --nosort --sched-flags --numeric") {
		if !strings.Contains(r.Out, word) {
			t.Errorf("no word about %s", word)
		}
	}
	for line := range strings.Lines(r.Out) {
		if len(line) > 110 {
			t.Errorf("a long line: %s", line)
		}
	}
}

// A program called by another name tells that name.
func TestProgramName(t *testing.T) {
	i := newInterpreter(t)
	i.Name = "/sbin/ipvsadm"
	want(t, "-Q", run(i, "-Q").Err, "Try `/sbin/ipvsadm -h' or '/sbin/ipvsadm --help' for more information.\n")
}
