package lesson

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	_ "lvsdr/control" // what the program under test is made of: a result is not reused when it changes
)

// binaryEnv names the program under test; TestMain builds it if it is not set.
const binaryEnv = "LVSDR_E2E_BINARY"

func TestMain(m *testing.M) { os.Exit(netns.RunTestsWith(m, binaryEnv, "lvsdr/cmd/lvsdr")) }

// part is a part of a lesson.
type part = func(context.Context, *lessonShow) error

func nothing(context.Context, *lessonShow) error { return nil }

// A lesson that shows no problem, or whose remedy does not help, says so and
// fails.
func TestALessonThatDoesNotComeOutFails(t *testing.T) {
	netns.Require(t)
	evenly := func(ctx context.Context, s *lessonShow) error { return s.directEvenly(ctx) }
	sticky := func(ctx context.Context, s *lessonShow) error {
		return s.Running.Reload(ctx, s.Config(netlab.Service{Port: netlab.ServicePort}))
	}
	for i, test := range []struct {
		name            string
		lesson          lesson
		classic, remedy part // in place of the lesson's own, if not nil
		want            string
	}{
		{"the real server balances its own clients before", localOnServer(), func(ctx context.Context, s *lessonShow) error {
			return errors.Join(evenly(ctx, s), balanceOnServer(ctx, s))
		}, nil, noProblem},
		{"the real server balances nothing afterwards", localOnServer(), nil, nothing, noHelp},
		{"the classic director stays", localOnDirector(), nil, nothing, noHelp}, // its requests wait for ten seconds
		{"the director serves its own host before", localOnDirector(), evenly, nothing, noProblem},
		{"there is no persistence before", oneServer(), evenly, nil, noProblem},
		{"the configuration stays", oneServer(), nil, nothing, noHelp},
		{"somebody listens on the director's port", noOpenPort(), func(ctx context.Context, s *lessonShow) error {
			_, err := netlab.StartHTTP(s.Lab.Director.Host, s.Wildcard(netlab.ServicePort), "director")
			return errors.Join(err, evenly(ctx, s))
		}, nil, noProblem},
		{"the service is another one afterwards", noOpenPort(), nil, sticky, noHelp},
		{"a second director is there before", oneDirector(), func(ctx context.Context, s *lessonShow) error {
			return errors.Join(s.AddStandby(ctx), s.DirectPair(ctx, s.Config(netlab.Service{Port: netlab.ServicePort, Persistence: "0", Scheduler: "mh", More: "mh-port"})))
		}, func(ctx context.Context, s *lessonShow) error {
			text := s.Text
			return errors.Join(s.Stop(), s.DirectPair(ctx, text))
		}, noProblem},
	} {
		if i%2 == 0 && os.Getenv("LVSDR_LONG") == "" { // of each lesson one in the plain run, all among the long tests
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			site, err := netlab.BuildSite(t.Context(), os.Getenv(binaryEnv), netlab.NewTopology())
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := site.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}()
			if test.classic != nil {
				test.lesson.classic = test.classic
			}
			if test.remedy != nil {
				test.lesson.remedy = test.remedy
			}
			var out strings.Builder
			err = test.lesson.teach(t.Context(), &lessonShow{Site: site, report: report{out: &out}})
			if !errors.Is(err, ErrWrong) || !strings.Contains(out.String(), "WRONG: "+test.want) {
				t.Errorf("%v; want it wrong and %q in:\n%s", err, test.want, out.String())
			}
			other := noHelp
			if test.want == noHelp {
				other = noProblem
			}
			if test.lesson.title != localOnDirector().title && strings.Contains(out.String(), "WRONG: "+other) {
				t.Errorf("%q too:\n%s", other, out.String())
			}
		})
	}
}

func TestFoldBreaksBetweenWords(t *testing.T) {
	long := strings.Repeat("word ", 40) + "\n"
	for _, test := range []struct{ name, text string }{
		{"short lines", "a b\n  c\n"}, {"a long line", long}, {"one long word", strings.Repeat("x", 300) + "\n"},
		{"no end of line", strings.Repeat("word ", 40)}, {"nothing", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := fold(test.text, 0)
			if narrow := fold(test.text, 40); strings.HasPrefix(test.text, "word ") {
				for line := range strings.Lines(narrow) {
					if len(line) > 40+1 {
						t.Errorf("too wide for 40 columns: %q", line)
					}
				}
			}
			if strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(test.text), " ") {
				t.Errorf("the words changed: %q", got)
			}
			for line := range strings.Lines(got) {
				if len(line) > widest+1 && strings.Contains(strings.TrimSpace(line), " ") {
					t.Errorf("too wide: %q", line)
				}
			}
		})
	}
}
