package api_test

import (
	"reflect"
	"testing"

	"lvsdr/control/api"
)

func TestPlansAsText(t *testing.T) {
	for _, c := range []struct {
		law  string
		plan api.Plan
		want string
	}{
		{"nothing", api.Plan{}, "nothing changes\n"},
		{"a server that goes, one that stays, and one that comes", api.Plan{Connections: 12, Ended: 7, Changes: []api.PlannedChange{
			{Text: "remove a", Connections: 7, Templates: 2, Ends: true}, {Text: "change b", Connections: 5}, {Text: "add c"}}},
			"remove a: 7 connections lose their server, clients bound to it: 2\nchange b: 5 connections stay\nadd c\n3 changes; connections: 12, of which 7 lose their server\n"},
		{"problems", api.Plan{Problems: []string{"p"}}, "problem: p\nnothing changes\n"},
	} {
		if got := text(t, &c.plan); got != c.want {
			t.Errorf("%s:\n%swant\n%s", c.law, got, c.want)
		}
	}
}

func TestAPlanArrivesAsItWasMade(t *testing.T) {
	want := &api.Plan{Changes: []api.PlannedChange{{Op: "settings", Text: "t"}}, Connections: 3}
	c := client(t, serve(t, api.Backend{Planner: planner{plan: want}}))
	got, err := c.Plan(t.Context(), &api.PlanRequest{Name: "f", Files: map[string]string{"f": ""}})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, q := range []*api.PlanRequest{{}, {Name: "f"}, {Name: "f", Files: map[string]string{"g": ""}}} {
		if _, err := c.Plan(t.Context(), q); err == nil {
			t.Errorf("%+v is answered", q)
		}
	}
}
