package keepalived

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRepeatedLines(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     string // the lines, separated by ";"
		diag     string
	}{
		{"from START to END", "~SEQ(N, 31, 33) a $N", "a 31;a 32;a 33", ""},
		{"in steps, END is not passed", "~SEQ(N,0,5,12) a $N", "a 0;a 5;a 10", ""},
		{"down", "~SEQ(N,3,1) a $N\n~SEQ(M,3,-2,0) b $M", "a 3;a 2;a 1;b 3;b 1", ""},
		{"END alone counts from 1 or -1", "~SEQ(N,2) a $N\n~SEQ(M,-2) a $M", "a 1;a 2;a -1;a -2", ""},
		{"numbers as in C, blanks anywhere", "~SEQ ( N , 0x8 , 011 ) a $N", "a 8;a 9", ""},
		{"in hexadecimal", "~SEQx(N, 8, 1, 0xb) a ${N}z", "a 8z;a 9z;a az;a bz", ""},
		{"one value", "~SEQ(N,4,4) a $N", "a 4", ""},
		{"a list", "~LST(N, x, y) a $N", "a x;a y", ""},
		{"a list of several names", "~LST({N, M}, {1,2}, { 3 , 4 }) a ${N}-$M", "a 1-2;a 3-4", ""},
		{"what is not said is empty", "~LST({N,M},{1},2) a ${N}-${M}-\n~LST(K,) b \"$K\"", "a 1--;a 2--;b \"$K\"", ""},
		{"in each other, the first is the slowest", "~SEQ(N,1,2) ~LST(M,x,y) a $N $M", "a 1 x;a 1 y;a 2 x;a 2 y", ""},
		{"over a definition of several lines", "$A= \\\na $N { \\\nb $N \\\n}\n~SEQ(N,1,2) $A", "a 1 {;b 1;};a 2 {;b 2;}", ""},
		{"a definition that is repeated lines", "$A=~SEQ(N,1,2)\n$A a $N", "a 1;a 2", ""},
		{"definitions in the brackets", "$K=2\n$L=7\n~SEQ(N,1,$K) a $N\n~LST(M,$L,x${K}y) b $M", "a 1;a 2;b 7;b x2y", ""},
		{"the name stays defined, and may be used again", "~SEQ(N,1,2) a $N\nb $N\n~SEQ(N,8,9) c $N", "a 1;a 2;b 2;c 8;c 9", ""},
		{"a condition before and behind", "@main ~SEQ(N,1,2) a $N\n@other ~SEQ(N,1,2) b\n~SEQ(N,1,2) @other c\n~SEQ(N,3,3) @main d $N", "a 1;a 2;d 3", ""},
		{"a definition that is repeated", "~SEQ(N,1,2) $K=v$N\na $K", "a v2", ""},
		{"nothing to repeat", "~SEQ(N,1,2)\na $N", "a 2", ""},
		{"no blank behind the bracket", "~SEQ(N,1,2)a$N", "a1;a2", ""},
		{"elsewhere in a line they are words", "a ~SEQ(N,1,2)", "a ~SEQ(N,1,2)", ""},
		{"no name", "~SEQ(1N,1,2) a", "", "f:1: error: ~SEQ: needs NAME, START, STEP, END"},
		{"no end", "~SEQ(N) a", "", "f:1: error: ~SEQ: needs NAME"},
		{"too many values", "~SEQ(N,1,1,1,1) a", "", "f:1: error: ~SEQ: needs NAME"},
		{"no number", "~SEQ(N,a,3) a\nb", "b", `f:1: error: ~SEQ: "a" is not a whole number; the line is left out`},
		{"a number as only Go has", "~SEQ(N,1_0,0b11) a", "", `f:1: error: ~SEQ: "1_0" is not a whole number`},
		{"no step", "~SEQ(N,1,0,3) a", "", "f:1: error: ~SEQ: does not come from 1 to 3 in steps of 0"},
		{"a step away from the end", "~SEQ(N,1,-1,3) a", "", "f:1: error: ~SEQ: does not come from 1 to 3 in steps of -1"},
		{"negative in hexadecimal", "~SEQx(N,-2) a", "", "f:1: error: ~SEQ: ~SEQx has no negative numbers"},
		{"another word", "~SEQX(N,2) a", "", "f:1: error: ~SEQ: ~SEQX is neither ~SEQ, ~SEQx nor ~LST"},
		{"no end of the brackets", "~SEQ(N,1,2 a", "", "f:1: error: ~SEQ: needs its values in brackets: ~SEQ(NAME, ...)"},
		{"a list without values", "~LST(N) a", "", "f:1: error: ~LST: needs NAME, VALUE"},
		{"a list of a wrong name", "~LST({N,2},{1,2}) a", "", `f:1: error: ~LST: "2" is no name of a definition`},
		{"more values than names", "~LST({N,M},{1,2,3}) a", "", "f:1: error: ~LST: {1,2,3} has more values than there are names"},
		{"a value with a blank", "~LST(N,a b) a", "", `f:1: error: ~LST: "a b" has a blank in it`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nodes, ds, err := Parse("f", testOptions(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Fields(strings.ReplaceAll(printed(t, nodes), "\n", " ; "))
			text := strings.NewReplacer(" ; ; ", ";", " ; ", ";").Replace(strings.Join(got, " "))
			if text = strings.TrimSuffix(text, " ;"); text != tt.want {
				t.Errorf("got %q, want %q", text, tt.want)
			}
			if tt.diag == "" && len(ds) > 0 || tt.diag != "" && (len(ds) == 0 || !strings.HasPrefix(ds[0].String(), tt.diag)) {
				t.Errorf("reports %v, want %q", ds, tt.diag)
			}
		})
	}
}

// The definition of a sequence is a loop.
func TestASequenceIsALoop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start, end := rapid.IntRange(-20, 20).Draw(t, "start"), rapid.IntRange(-20, 20).Draw(t, "end")
		step := rapid.IntRange(-7, 7).Draw(t, "step")
		var want strings.Builder
		for i := start; step > 0 && i <= end || step < 0 && i >= end; i += step {
			fmt.Fprintf(&want, "a %d\n", i)
		}
		nodes, ds, err := Parse("f", testOptions(fmt.Sprintf("~SEQ(N,%d,%d,%d) a ${N}", start, step, end)))
		if err != nil || (len(ds) > 0) != (want.Len() == 0) {
			t.Fatal(ds, err)
		}
		var got strings.Builder
		for _, n := range nodes {
			fmt.Fprintf(&got, "%s %s\n", n.Keyword, strings.Join(n.Args, " "))
		}
		if got.String() != want.String() {
			t.Fatalf("got\n%swant\n%s", got.String(), want.String())
		}
	})
}

// Sequences end at the limits of the configuration, also at the ends of the whole
// numbers and in each other.
func TestSequencesAreBounded(t *testing.T) {
	for _, tt := range []struct{ name, in, fatal string }{
		{"a long one", "~SEQ(N,1,9223372036854775807) a $N", "repeated lines make more than 3000 bytes"},
		{"up to the greatest number", "~SEQ(N,9223372036854775806,9223372036854775807) a $N", ""},
		{"down to the least number", "~SEQ(N,-9223372036854775807,-9223372036854775808) a $N", ""},
		{"over the greatest distance", "~SEQ(N,-9223372036854775808,9223372036854775807,9223372036854775807) a $N", ""},
		{"in each other", "~SEQ(N,1,99) ~SEQ(M,1,99) ~SEQ(K,1,99) a", "repeated lines make more than 3000 bytes"},
		{"of nothing", "~SEQ(N,1,99999)", "repeated lines make more than 3000 bytes"},
		{"a definition that repeats itself", "$A=~SEQ(N,1,2) $A\n$A", "bytes"},
		{"with a definition that grows in the brackets", "$A=$A$A\n~SEQ($A,1) a", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := testOptions(tt.in)
			o.Limits = Limits{FileSize: 1000, TotalSize: 3000, LineLength: 200}
			_, _, err := Parse("f", o)
			if (err == nil) != (tt.fatal == "") || err != nil && !strings.Contains(err.Error(), tt.fatal) {
				t.Errorf("error %v, want %q", err, tt.fatal)
			}
		})
	}
}
