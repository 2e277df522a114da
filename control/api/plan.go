package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// A Planner says what a configuration would change, and changes nothing.
type Planner interface {
	// Plan compares what the director does with what it would do after a reload of
	// another file. An error means that it would refuse that file.
	Plan(context.Context, *PlanRequest) (*Plan, error)
}

// A PlanRequest is a configuration with the files that it includes.
type PlanRequest struct {
	Name  string              `json:"name"`            // of the file, one of Files
	Files map[string]string   `json:"files"`           // the text of each, by name
	Globs map[string][]string `json:"globs,omitempty"` // the names that a pattern of an include matches
}

// A Plan lists the changes that a configuration would make.
type Plan struct {
	Changes     []PlannedChange `json:"changes"`            // in their order
	Connections int             `json:"connections"`        // of the services and servers that change, each counted once
	Ended       int             `json:"ended"`              // of them: those whose server goes
	Problems    []string        `json:"problems,omitempty"` // what of the file could not be served
}

// A PlannedChange is one line of a Plan.
type PlannedChange struct {
	Op      string `json:"op"`                // as an EditOp, or settings: checks, programs, quorum and the like
	Service string `json:"service,omitempty"` // as ServiceKey.String
	Server  string `json:"server,omitempty"`  // address and port
	Text    string `json:"text"`              // for people
	// Connections are those that the service or the server has now; Templates are
	// clients bound to it.
	Connections int  `json:"connections"`
	Templates   int  `json:"templates,omitempty"`
	Ends        bool `json:"ends,omitempty"` // the connections lose their server
}

// planHandler answers with plans.
type planHandler struct{ planner Planner }

func (h planHandler) plan(r *http.Request) (reply, error) {
	var q PlanRequest
	if err := decode(r, &q, maxEdits); err != nil {
		return reply{}, err
	}
	if _, ok := q.Files[q.Name]; !ok {
		return reply{}, fmt.Errorf("files has no %q, which name says is the configuration", q.Name)
	}
	p, err := h.planner.Plan(r.Context(), &q)
	return reply{status: http.StatusOK, body: p}, err
}

// Plan asks what a configuration would change.
func (c *Client) Plan(ctx context.Context, q *PlanRequest) (*Plan, error) {
	return askWith[Plan](ctx, c, http.MethodPost, "/v1/plan", q)
}

// WriteText writes the plan for people.
func (p *Plan) WriteText(out io.Writer) error {
	w := newTable(out)
	for i := range p.Changes {
		fmt.Fprintln(w, p.Changes[i].line())
	}
	for _, text := range p.Problems {
		fmt.Fprintln(w, "problem:", text)
	}
	if len(p.Changes) == 0 {
		fmt.Fprintln(w, "nothing changes")
	} else {
		fmt.Fprintf(w, "%d changes; connections: %d, of which %d lose their server\n", len(p.Changes), p.Connections, p.Ended)
	}
	return w.Flush()
}

// line is the change with what it means for connections.
func (c *PlannedChange) line() string {
	line := c.Text
	switch {
	case c.Ends:
		line += fmt.Sprintf(": %d connections lose their server", c.Connections)
	case c.Connections > 0:
		line += fmt.Sprintf(": %d connections stay", c.Connections)
	}
	if c.Templates > 0 {
		line += fmt.Sprintf(", clients bound to it: %d", c.Templates)
	}
	return line
}
