package lesson

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"lvsdr/bench/netlab"
)

// A lesson is a problem that everyone meets with Direct Routing, and its remedy.
// The functions are its parts, in this order; each writes what it has to say.
type lesson struct {
	title    string
	question string // in the words of a person who meets the problem
	// classic makes the site in which the problem shows. The site has no director
	// before.
	classic func(context.Context, *lessonShow) error
	// shows makes requests and shows from their frames that there is the problem.
	shows func(context.Context, *lessonShow) error
	// why explains it.
	why func(*lessonShow) string
	// remedy applies the remedy.
	remedy func(context.Context, *lessonShow) error
	// again makes the same requests and shows from their frames that it helped.
	again func(context.Context, *lessonShow) error
}

// lessons are all, in their order.
func lessons() []lesson {
	return []lesson{localOnServer(), localOnDirector(), oneServer(), noOpenPort(), oneDirector()}
}

// List writes a line for each lesson.
func List(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, title := range Titles() {
		fmt.Fprintf(w, "%d\t%s\n", i+1, title)
	}
	return w.Flush()
}

// Titles are those of all lessons, in their order.
func Titles() (all []string) {
	for _, l := range lessons() {
		all = append(all, l.title)
	}
	return all
}

// Numbers reads the number of a lesson, or "all".
func Numbers(arg string) (numbers []int, err error) {
	most := len(lessons())
	if arg == "all" {
		for i := range most {
			numbers = append(numbers, i+1)
		}
		return numbers, nil
	}
	n, err := strconv.Atoi(arg)
	if err != nil || n < 1 || n > most {
		return nil, fmt.Errorf("no lesson %q; there are 1 to %d, and all", arg, most)
	}
	return []int{n}, nil
}

// Teach gives the n-th lesson, counting from 1, in a lab of its own. It must be
// called in a world. The captures are kept in a folder of the folder o.Pcap.
func Teach(ctx context.Context, o Options, n int) (err error) {
	site, err := netlab.BuildSite(ctx, o.Binary, o.Topology)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, site.Close(ctx)) }()
	return lessons()[n-1].teach(ctx, &lessonShow{Site: site, report: report{out: o.Out, width: o.Width}, number: n, pcap: o.Pcap})
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
