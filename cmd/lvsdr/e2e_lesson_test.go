package main_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/gopacket/pcapgo"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane/frame"
)

var update = flag.Bool("update", false, "write the terminal blocks of docs/lessons.md anew")

// lessonsPage is the page with what the lessons say.
const lessonsPage = "../../docs/lessons.md"

func readLessonsPage(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(lessonsPage)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// lessonBlock finds the terminal block of lesson n in the page.
func lessonBlock(t *testing.T, page string, n int) (from, to int) {
	t.Helper()
	head := fmt.Sprintf("```text\n$ lvsdr lab lesson %d\n", n)
	from = strings.Index(page, head)
	if from < 0 {
		t.Fatalf("%s has no block for lesson %d", lessonsPage, n)
	}
	from += len(head)
	size := strings.Index(page[from:], "```")
	if size < 0 {
		t.Fatalf("the block for lesson %d in %s does not end", n, lessonsPage)
	}
	return from, from + size
}

// seconds are those of the table of SYNs: kernels send them again at different
// times.
var seconds = regexp.MustCompile(`  [0-9]+ s  TCP`)

// milliseconds are those of measured times, at the ends of lines.
var milliseconds = regexp.MustCompile(`[0-9]+ ms\n`)

// same returns a lesson's output without the parts that depend on the kernel and the machine.
func same(text string) string {
	return milliseconds.ReplaceAllString(seconds.ReplaceAllString(text, "  N s  TCP"), "N ms\n")
}

// wantTidyLines wants lines of at most 100 columns and no spaces at their ends.
func wantTidyLines(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if w := utf8.RuneCountInString(line); w > 100 || strings.TrimRight(line, " ") != line {
			t.Errorf("%d columns, or spaces at the end: %q", w, line)
		}
	}
}

func TestTheLessonsAreListed(t *testing.T) {
	t.Parallel()
	r := lvsdr(t, "lab", "lesson", "--list")
	page := readLessonsPage(t)
	for n := 1; n <= 5; n++ {
		_, rest, ok := strings.Cut(r.stdout, fmt.Sprintf("%d  ", n))
		title, _, _ := strings.Cut(rest, "\n")
		if !ok || title == "" || !strings.Contains(page, fmt.Sprintf("\nLesson %d: %s\n", n, title)) {
			t.Errorf("lesson %d, %q, is not on the page, in:\n%s", n, title, r.stdout)
		}
	}
	for _, args := range [][]string{nil, {"6"}, {"0"}, {"one"}, {"1", "2"}, {"1", "--routed"}} {
		if r := verb(t, append([]string{"lab", "lesson"}, args...)...); r.code != 2 || r.stderr == "" {
			t.Errorf("lesson %q: exit code %d, %q", args, r.code, r.stderr)
		}
	}
}

// A lessonFile is a kept capture.
type lessonFile struct {
	t    *testing.T
	path string
	all  []netlab.Packet
}

// lessonCapture reads a capture that a lesson kept.
func lessonCapture(t *testing.T, dir, lesson, look, iface string) lessonFile {
	t.Helper()
	f := lessonFile{t: t, path: filepath.Join(dir, lesson, look, iface+".pcapng")}
	file, err := os.Open(f.path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := pcapgo.NewNgReader(file, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	for {
		data, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return f
		}
		if err != nil {
			t.Fatal(err)
		}
		f.all = append(f.all, netlab.PacketOf(netlab.Frame{Data: data}))
	}
}

// count is how many packets are as wanted.
func (f lessonFile) count(wanted func(p *netlab.Packet) bool) (n int) {
	for i := range f.all {
		if wanted(&f.all[i]) {
			n++
		}
	}
	return n
}

// comment wants a comment in the file.
func (f lessonFile) comment(text string) {
	f.t.Helper()
	b, err := os.ReadFile(f.path)
	if err != nil || !strings.Contains(string(b), text) {
		f.t.Errorf("%s: %v, no comment %q", f.path, err, text)
	}
}

// wantProof wants the captures in dir to be as the lessons say.
func wantProof(t *testing.T, dir string) {
	t.Helper()
	lab := newLab(t, netlab.Spec{}) // its addresses are everybody's
	vip, d, rs1, client := lab.Spec.VIP, lab.Director, lab.Servers[0], lab.Clients[0]
	by := func(p *netlab.Packet, n *netlab.Node) bool { return p.From() == frame.MAC(n.MAC) }
	for _, test := range []struct {
		lesson, look, iface, what string
		least, most               int
		wanted                    func(p *netlab.Packet) bool
	}{
		{"lesson1", "before", "rs1-eth0", "frames of rs1 for the VIP", 0, 0,
			func(p *netlab.Packet) bool { return by(p, rs1) && p.IsTo(vip) }},
		{"lesson1", "before", "rs1-lo", "SYNs of rs1 for the VIP on lo, each seen twice", 120, 120,
			func(p *netlab.Packet) bool { return p.TCP(frame.SYN) && p.IsTo(vip) && p.IsFrom(vip) }},
		{"lesson1", "after", "rs1-eth0", "SYNs of rs1 to the director", 60, 60,
			func(p *netlab.Packet) bool {
				return by(p, rs1) && p.To() == frame.MAC(d.MAC) && p.TCP(frame.SYN) && p.IsFrom(rs1.Addr) && p.IsTo(vip)
			}},
		{"lesson1", "after", "rs1-eth0", "SYNs of rs1 that come back to it", 29, 31,
			func(p *netlab.Packet) bool {
				return by(p, d) && p.To() == frame.MAC(rs1.MAC) && p.TCP(frame.SYN) && p.IsFrom(rs1.Addr)
			}},
		{"lesson2", "before-ping", "director-eth0", "IP packets", 0, 0,
			func(p *netlab.Packet) bool { return p.Kind == frame.IPv4 }},
		{"lesson2", "before", "rs1-eth0", "martians", 3, 3,
			func(p *netlab.Packet) bool { return by(p, d) && p.TCP(frame.SYN) && p.IsFrom(vip) && p.IsTo(vip) }},
		{"lesson2", "before", "rs1-eth0", "answers", 0, 0,
			func(p *netlab.Packet) bool { return by(p, rs1) && p.Kind == frame.IPv4 }},
		{"lesson2", "after", "director-eth0", "SYNs from the director's own address", 60, 60,
			func(p *netlab.Packet) bool { return by(p, d) && p.TCP(frame.SYN) && p.IsFrom(d.Addr) && p.IsTo(vip) }},
		{"lesson3", "before", "rs1-eth0", "SYNs", 0, 0,
			func(p *netlab.Packet) bool { return p.TCP(frame.SYN) }},
		{"lesson3", "before", "director-eth0", "SYNs of the client", 60, 60,
			func(p *netlab.Packet) bool { return by(p, client) && p.TCP(frame.SYN) }},
		{"lesson3", "after", "rs1-eth0", "SYNs", 29, 31,
			func(p *netlab.Packet) bool { return p.TCP(frame.SYN) }},
		{"lesson4", "before-own", "director-eth0", "resets of the director", 1, 1,
			func(p *netlab.Packet) bool { return by(p, d) && p.TCP(frame.RST|frame.ACK) && p.IsFrom(d.Addr) }},
		{"lesson4", "before", "director-eth0", "answers that pass the director", 0, 0,
			func(p *netlab.Packet) bool { return p.IsFrom(vip) }},
		{"lesson4", "before", "client1-eth0", "SYN ACKs that do not come from a real server's MAC address", 0, 0,
			func(p *netlab.Packet) bool {
				n := lab.Owner(p.From())
				return p.TCP(frame.SYN|frame.ACK) && (n == nil || n.Role != netlab.RoleServer)
			}},
		{"lesson4", "before", "client1-eth0", "SYN ACKs as the VIP", 60, 60,
			func(p *netlab.Packet) bool { return p.TCP(frame.SYN|frame.ACK) && p.IsFrom(vip) }},
		{"lesson5", "before", "director-eth0", "SYNs without an answer", 2, 2,
			func(p *netlab.Packet) bool { return by(p, client) && p.TCP(frame.SYN) && p.IsTo(vip) }},
		{"lesson5", "after", "client1-eth0", "statements that the VIP is at the second director", 1, 1000,
			func(p *netlab.Packet) bool {
				addr, mac, ok := p.Claim()
				return ok && addr == vip && mac == frame.MAC(netlab.MAC(netlab.RoleDirector, 2))
			}},
		{"lesson5", "return", "client1-eth0", "statements that it is at the first one", 1, 1000,
			func(p *netlab.Packet) bool {
				addr, mac, ok := p.Claim()
				return ok && addr == vip && mac == frame.MAC(d.MAC)
			}},
		{"lesson5", "after", "director2-eth0", "answers that pass the second director", 0, 0,
			func(p *netlab.Packet) bool { return p.IsFrom(vip) }},
	} {
		f := lessonCapture(t, dir, test.lesson, test.look, test.iface)
		if n := f.count(test.wanted); n < test.least || n > test.most {
			t.Errorf("%s, %s, %s: %d %s, want %d to %d", test.lesson, test.look, test.iface, n, test.what, test.least, test.most)
		}
	}
	lessonCapture(t, dir, "lesson1", "before", "rs1-lo").comment("for the VIP: TCP SYN, and it stays on rs1, which has the VIP")
	lessonCapture(t, dir, "lesson2", "before", "rs1-eth0").comment("from the VIP to the VIP: TCP SYN from director to 02:00:00:00:55:01 (rs1)")
	lessonCapture(t, dir, "lesson3", "after", "all").comment("the director passes TCP SYN on to 02:00:00:00:55:01 (rs1): new MAC addresses")
}
