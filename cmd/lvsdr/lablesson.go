package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// A lesson is a problem that everybody meets with Direct Routing, and its remedy.
// The functions are its parts, in this order; each writes what it has to say.
type lesson struct {
	title    string
	question string // as one asks who meets it
	// classic makes the site in which the problem shows. The site has no director
	// before.
	classic func(context.Context, *lessonShow) error
	// shows makes requests and shows from their frames that there is the problem.
	shows func(context.Context, *lessonShow) error
	// why explains it.
	why func(*lessonShow) string
	// remedy brings the remedy about.
	remedy func(context.Context, *lessonShow) error
	// again makes the same requests and shows from their frames that it helped.
	again func(context.Context, *lessonShow) error
}

// lessons are all, in their order.
func lessons() []lesson {
	return []lesson{localOnServer(), localOnDirector(), oneServer(), noOpenPort()}
}

func newLabLesson() *cobra.Command {
	spec := newLabSpec()
	var list bool
	var pcap string
	cmd := &cobra.Command{
		Use:   "lesson NUMBER|all",
		Short: "Teach one of the four problems of LVS Direct Routing, and its remedy",
		Long: `lesson builds a lab, shows one of the four problems that everybody meets with
LVS in Direct Routing mode, explains it, applies the remedy and makes the same
requests again. What it says is counted from captured frames. --list names the
lessons, all teaches all of them, each in a lab of its own. It exits with 0 only
if the problem showed and the remedy helped (docs/lessons.md).`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			if list {
				return listLessons(out)
			}
			numbers, err := lessonArgs(args)
			if err != nil {
				return exitError{usageCode, usageError{cmd, err}}
			}
			return inWorld(cmd.Context(), func() (err error) {
				ctx := cmd.Context()
				for _, n := range numbers {
					if ctx.Err() == nil {
						err = errors.Join(err, teach(ctx, out, n, spec, pcap))
					}
				}
				return err
			})
		},
	}
	cmd.Flags().AddFlag(spec.flags.Lookup("ipv6"))
	pcapFlag(cmd, &pcap)
	cmd.Flags().BoolVar(&list, "list", false, "list the lessons")
	return cmd
}

// listLessons writes a line for each lesson.
func listLessons(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, l := range lessons() {
		fmt.Fprintf(w, "%d\t%s\n", i+1, l.title)
	}
	return w.Flush()
}

// lessonArgs reads NUMBER|all.
func lessonArgs(args []string) (numbers []int, err error) {
	most := len(lessons())
	if len(args) != 1 {
		return nil, errors.New("one lesson is needed, or all; --list names them")
	}
	if args[0] == "all" {
		for i := range most {
			numbers = append(numbers, i+1)
		}
		return numbers, nil
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 || n > most {
		return nil, fmt.Errorf("no lesson %q; there are 1 to %d, and all", args[0], most)
	}
	return []int{n}, nil
}

// teach gives the n-th lesson in a lab of its own. The captures are kept in a
// folder of the folder pcap, if that is not empty.
func teach(ctx context.Context, out io.Writer, n int, spec *labSpec, pcap string) (err error) {
	site, err := buildSite(ctx, spec)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, site.close(ctx)) }()
	return lessons()[n-1].teach(ctx, &lessonShow{labSite: site, report: report{out: out}, number: n, pcap: pcap})
}

// teach gives the lesson.
func (l *lesson) teach(ctx context.Context, s *lessonShow) error {
	s.title(fmt.Sprintf("Lesson %d: %s", s.number, l.title))
	fmt.Fprintln(s.out, l.question)
	s.title("The classic set-up")
	fmt.Fprintf(s.out, "%s\n", s.Drawing())
	if err := l.classic(ctx, s); err != nil {
		return err
	}
	s.title("What the frames say")
	if err := l.shows(ctx, s); err != nil {
		return err
	}
	s.title("Why")
	fmt.Fprintln(s.out, l.why(s))
	s.title("The remedy")
	if err := l.remedy(ctx, s); err != nil {
		return err
	}
	s.title("The same again")
	if err := l.again(ctx, s); err != nil {
		return err
	}
	return s.verdict(s.proof)
}
