package keepalived

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawLine draws a line of words, white space and braces, and of more if that is
// not to be plain.
func drawLine(t *rapid.T, more ...string) string {
	pieces := append([]string{"a", "virtual_server", "10.0.0.1", "{", "}", " ", "  ", "\t", "\v", "\r", ",", "-", "/", ":", "=", "^", "%", "("}, more...)
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 8).Draw(t, "line"), "")
}

func TestAPlainLineIsCutAsAnyOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := drawLine(t)
		if !plain(line) {
			t.Fatalf("%q is plain", line)
		}
		before := []token{{word: "before"}}
		want, wrong := splitQuoted(slices.Clone(before), line)
		got, also := split(slices.Clone(before), line)
		if wrong != 0 || also != 0 || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q is cut into %v, %v; want %v, %v", line, got, also, want, wrong)
		}
	})
}

func TestALineWithAByteOfAnyOtherMeaningIsNotPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		special := rapid.SampledFrom([]string{`"`, "'", `\`, "#", "!", "$", "@", "~SEQ(", "é", "\u3000"}).Draw(t, "special")
		if line := drawLine(t) + special + drawLine(t); plain(line) {
			t.Fatalf("%q is not plain", line)
		}
	})
}

// A comment behind each line takes the way of the lines that are not plain, and
// means nothing.
func TestPlainLinesMeanWhatTheyMeanWithAComment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var lines, commented []string
		for range rapid.IntRange(0, 10).Draw(t, "lines") {
			line := drawLine(t, "include nothing", "include f2", "@main ", "$A", "$A=b", `\`, `"`)
			if strings.HasSuffix(line, `\`) || strings.Count(line, `"`)%2 == 1 {
				line += "x\"" // neither joins the next line nor takes the comment in
			}
			if strings.Count(line, `"`)%2 == 1 || strings.Contains(line, `\"`) {
				continue
			}
			lines, commented = append(lines, line), append(commented, line+" # comment")
		}
		read := func(lines []string) string {
			o := testOptions("")
			o.Files = memFiles(map[string]string{"f": strings.Join(lines, "\n"), "f2": "included { x\n}\n"})
			nodes, ds, err := Parse("f", o)
			return fmt.Sprint(shown(nodes), ds, err)
		}
		if got, want := read(lines), read(commented); got != want {
			t.Fatalf("%q\nis read as %s\nand with comments as %s", lines, got, want)
		}
	})
}

// shown is everything in a tree.
func shown(nodes []*Node) string {
	var b strings.Builder
	for _, n := range nodes {
		fmt.Fprintf(&b, "%q %q %v %v (%s)\n", n.Keyword, n.Args, n.HasBlock, n.Pos, shown(n.Children))
	}
	return b.String()
}

func TestPiecesOfASlabAreZeroAndApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s slab[int]
		var pieces, want [][]int
		for i := range rapid.IntRange(0, 60).Draw(t, "pieces") {
			list := slices.Repeat([]int{i + 1}, rapid.SampledFrom([]int{0, 1, 2, 7, 40, 3000}).Draw(t, "length"))
			switch rapid.IntRange(0, 3).Draw(t, "how") {
			case 3:
				s.reset()
				pieces, want = nil, nil
				continue
			case 0:
				piece := s.take(len(list))
				if slices.ContainsFunc(piece, func(n int) bool { return n != 0 }) {
					t.Fatal("a piece that was taken is not zero")
				}
				copy(piece, list)
				pieces = append(pieces, piece)
			case 1:
				pieces = append(pieces, s.copy(list))
			default:
				if one := s.one(); *one != 0 {
					t.Fatal("one that was taken is not zero")
				} else {
					*one, list = i+1, []int{i + 1}
					pieces = append(pieces, []int{*one})
				}
			}
			want = append(want, list)
		}
		for i, piece := range pieces {
			if !slices.Equal(piece, want[i]) || len(piece) > 1 && cap(piece) > len(piece) {
				t.Fatalf("piece %d of %d has %d elements of %d, want %d", i, len(pieces), len(piece), cap(piece), len(want[i]))
			}
		}
	})
}

// The drafts of a service are made in the memory of the one before.
func TestNothingOfAServiceIsLeftInTheNext(t *testing.T) {
	rich := "virtual_server 10.0.0.1 80 {\nlb_algo sh\nsh-port\nlb_kind DR\nprotocol TCP\nweight 7\ninhibit_on_failure\nalpha\nretry 5\nquorum 2\npersistence_timeout 9\nsorry_server 10.0.0.9 80\n" +
		strings.Repeat("real_server 10.0.1.%d 80 {\nweight 3\nuthreshold 9\nlthreshold 2\ninhibit_on_failure\nwarmup 3\nTCP_CHECK {\nconnect_ip 10.0.0.5\nconnect_port 5\nbindto 10.0.0.6\nalpha\ndelay_before_retry 4\n}\nTCP_CHECK {\n}\n}\n", 3) + "}\n"
	rich = fmt.Sprintf(rich, 1, 2, 3)
	wrong := strings.NewReplacer("10.0.0.1 80", "10.0.0.2 80", "lthreshold 2", "lthreshold 20", "10.0.1.3", "nonsense").Replace(rich)
	bare := "virtual_server 10.0.0.3 80 {\nlb_algo rr\nlb_kind DR\nprotocol TCP\nreal_server 10.0.1.1 80 {\nTCP_CHECK {\n}\n}\nreal_server 10.0.1.2 80 {\n}\n}\n"
	read := func(text string) []*VirtualServer {
		c, _, err := Load("f", testOptions(text))
		if err != nil || len(c.VirtualServers) == 0 {
			t.Fatal(c, err)
		}
		return c.VirtualServers
	}
	alone := read(bare)[0]
	first := read(rich)[0]
	for _, text := range []string{rich + bare, wrong + rich + bare, rich + wrong + bare, rich + rich + bare} {
		all := read(text)
		if last := all[len(all)-1]; !last.Equal(alone) {
			t.Errorf("behind others it is %+v, want %+v", last, alone)
		}
		for _, v := range all[:len(all)-1] {
			if v.Addr == first.Addr && !v.Equal(first) {
				t.Errorf("before others it is %+v, want %+v", v, first)
			}
		}
	}
}

func TestAServerListWithThousandsOfLinesIsReadWhole(t *testing.T) {
	var text strings.Builder
	text.WriteString("virtual_server 10.0.0.1 80 {\nlb_algo rr\nlb_kind DR\nprotocol TCP\n")
	const servers = 3 * maxSlab
	for i := range servers {
		fmt.Fprintf(&text, "real_server 10.1.%d.%d 80 {\nweight %d\nTCP_CHECK {\nconnect_port %d\n}\n}\n", i/200, i%200+1, i, i+1)
	}
	text.WriteString("}\n")
	c, ds, err := Load("f", testOptions(text.String()))
	if err != nil || ds.Max() > Note {
		t.Fatal(ds, err)
	}
	list := c.VirtualServers[0].RealServers
	if len(list) != servers {
		t.Fatalf("%d servers, want %d", len(list), servers)
	}
	for i, r := range list {
		if r.Weight != uint32(i) || len(r.Checks) != 1 || r.Checks[0].ConnectPort != uint16(i+1) || r.Checks[0].ConnectIP != r.Addr {
			t.Fatalf("server %d is %+v with check %+v", i, r, r.Checks)
		}
	}
}
