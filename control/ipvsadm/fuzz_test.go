package ipvsadm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lvsdr/control/ipvsadm"
)

// words are the words of random command lines.
var words = strings.Fields(`-A -E -D -C -R -S -a -e -d -L -l -Z --set --start-daemon --stop-daemon -h -v -Q
	-t -u -f -6 -s -p -M --pe -b -o -r -g -i -m -w -x -y -n -c --timeout --daemon --stats --rate --thresholds --sctp-service
	--persistent-conn --sort --nosort -X --exact --tun-info --tun-type --syncid -- - -Ln -LnX -At -op -Snx --list= --scheduler=rr
	10.0.0.1:80 10.0.0.2:80 10.0.0.1 10.0.0.1:0 [fd00::1]:80 fd00::1 10.2.0.1 10.2.0.2:81 10.2.0.3 224.0.0.1 www:http nobody:80
	rr wlc mh sh nosuch sh-port,sh-fallback mh-port flag-3 , 255.255.0.0 64 0 1 2 50 65536 2147483647 2147483648 -1 99999999999999999999
	master gue sip`)

// FuzzRun gives arguments that make little sense, one a line, behind those that
// made a few services. Whatever they are, the exit code is one of ipvsadm's, what
// is refused says why and changes nothing, and what is saved can be restored.
func FuzzRun(f *testing.F) {
	f.Add("-L", "")
	f.Add("-R", "-A -f 1\n-A -f 1\n-x")
	f.Add("-A\n-t\n10.0.0.9:80\n-p\n50\n-M\n255.0.0.0", "")
	f.Add("-a\n-t\n10.0.0.1:80\n-r\n[fd00::1]:80", "")
	f.Add("-Lnc\n--persistent-conn", "")
	f.Add("-t\n10.0.0.1", "")
	f.Add("-A\n-", "\x00")
	random := rand.New(rand.NewPCG(1, 2))
	for range 150 {
		f.Add(someWords(random, "\n"), someWords(random, " ")+"\n"+someWords(random, " "))
	}
	f.Fuzz(func(t *testing.T, args, stdin string) {
		i := newInterpreter(t)
		must(t, i, aFewServices)
		lawful(t, i, strings.Split(args, "\n"), stdin)
		restored(t, i)
	})
}

// someWords is a command and a few words.
func someWords(random *rand.Rand, between string) string {
	all := []string{words[random.IntN(18)]}
	for range random.IntN(9) {
		all = append(all, words[random.IntN(len(words))])
	}
	return strings.Join(all, between)
}

// lawful runs a command and checks it against the laws of FuzzRun.
func lawful(t *testing.T, i *ipvsadm.Interpreter, args []string, stdin string) {
	t.Helper()
	before := state(i)
	r := i.Run(t.Context(), args, strings.NewReader(stdin))
	if !slices.Contains([]int{ipvsadm.ExitOK, ipvsadm.ExitList, ipvsadm.ExitUsage, ipvsadm.ExitRefused}, r.Exit) {
		t.Errorf("%q: exit code %d", args, r.Exit)
	}
	if restores := strings.HasPrefix(args[0], "-R") || args[0] == "--restore"; !restores {
		if (r.Exit == 0) != (r.Err == "") {
			t.Errorf("%q: exit code %d, %q", args, r.Exit, r.Err)
		}
		if after := state(i); r.Exit != 0 && after != before {
			t.Fatalf("%q was refused (%q), and yet\n%sbecame\n%s", args, r.Err, before, after)
		}
	}
}

// state is all that can be seen of what a director is told to do.
func state(i *ipvsadm.Interpreter) string {
	var b strings.Builder
	for s, err := range i.Admin.Services(context.Background()) {
		line, failed := json.Marshal(s)
		fmt.Fprintf(&b, "%s %v %v\n", line, failed, err)
	}
	return b.String() + run(i, "-L --timeout").Out
}

// restored feeds -S to -R of an empty director, which must then save the same.
// Two things ipvsadm saves in a way it does not read: marks of 2^31 and more, as
// negative numbers, and the third flag of sh and mh, which has no name.
func restored(t *testing.T, i *ipvsadm.Interpreter) {
	t.Helper()
	for _, line := range []string{"-Sn", "-S"} {
		saved := run(i, line).Out
		if strings.Contains(saved, "-f -") || strings.Contains(saved, "-b \n") {
			continue
		}
		other := newInterpreter(t)
		if r := other.Run(t.Context(), []string{"-R"}, strings.NewReader(saved)); r.Exit != 0 || r.Err != "" || r.Out != "" {
			t.Fatalf("restoring\n%s: exit code %d, %q, %q", saved, r.Exit, r.Err, r.Out)
		}
		want(t, line+" of what was restored", run(other, line).Out, saved)
	}
}

// Long sessions of random commands that make sense more often than not.
func TestSessions(t *testing.T) {
	for seed := range uint64(6) {
		random := rand.New(rand.NewPCG(seed, 7))
		i := newInterpreter(t)
		done := 0
		for range 200 {
			args := strings.Fields(someCommand(random))
			before := state(i)
			lawful(t, i, args, "")
			if state(i) != before {
				done++
			}
		}
		restored(t, i)
		if done < 30 {
			t.Errorf("seed %d: only %d of 200 commands changed anything: this test proves little", seed, done)
		}
	}
}

func someCommand(random *rand.Rand) string {
	one := func(of string) string { all := strings.Split(of, "|"); return all[random.IntN(len(all))] }
	six := random.IntN(4) == 0
	service := one("-t 10.0.0.1:80|-u 10.0.0.1:53|--sctp-service 10.0.0.2:80|-f 1|-t www:https")
	server, mask := one("10.2.0.1|10.2.0.2:81|10.2.0.3:80|224.1.1.1"), one("255.255.0.0|255.0.255.0|0.0.0.0|255.255.255.255")
	if six {
		service, server, mask = one("-t [fd00::1]:80|-f 1 -6|-u [fd00::2]:53"), one("fd01::1|[fd01::2]:80|fe80::1"), one("1|64|128")
	}
	options := one("|-s rr|-s sh -b sh-port|-s mh -b mh-fallback,mh-port|-s lblcr -b flag-2|-s nosuch|-o") + " " + one("|-p|-p 5|-p 0") + " " + one("|-M "+mask)
	load := one("|-g") + " " + one("|-w 0|-w 7|-w 65536|-w -1") + " " + one("|-x 5|-x 5 -y 3|-x 3 -y 5")
	switch random.IntN(12) {
	case 0, 1, 2:
		return "-A " + service + " " + options
	case 3:
		return "-E " + service + " " + options
	case 4:
		return one("-D " + service + "|-D " + service + "|-Z|-Z " + service + "|-C")
	case 5, 6, 7:
		return "-a " + service + " -r " + server + " " + load
	case 8, 9:
		return "-e " + service + " -r " + server + " " + load
	case 10:
		return "--set " + one("0|5|900") + " " + one("0|6|120") + " " + one("0|7|x")
	}
	return "-d " + service + " -r " + server
}
