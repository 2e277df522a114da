package metrics

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"lvsdr/bench/netns"
)

// rules is the folder of what Prometheus and Grafana load.
const rules = "../../docs/prometheus/"

// promtool runs promtool, which has to succeed.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), netns.Tool(t, "promtool", "prometheus"), args...)
	cmd.Dir = rules
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(rules + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPrometheusTakesTheAlerts(t *testing.T) { promtool(t, "check", "rules", "alerts.yml") }

// Each alert fires when it should, and does not when it should not.
func TestTheAlertsFireWhenTheyShould(t *testing.T) { promtool(t, "test", "rules", "alerts_test.yml") }

// found are the submatches of a pattern in a text.
func found(pattern, text string) (all []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

func TestEachAlertIsTriedBothWaysAndDocumented(t *testing.T) {
	tests, doc := read(t, "alerts_test.yml"), read(t, "../metrics.md")
	names := found(`(?m)^ +- alert: (\w+)$`, read(t, "alerts.yml"))
	if len(names) < 10 {
		t.Fatalf("only %d alerts were found", len(names))
	}
	for _, name := range names {
		if n := strings.Count(tests, "alertname: "+name+"\n        eval_time: 15m\n        exp_alerts:\n"); n != 1 {
			t.Errorf("%s fires in %d tests", name, n)
		}
		if n := strings.Count(tests, "alertname: "+name+"\n        eval_time: 15m\n        exp_alerts: []\n"); n != 1 {
			t.Errorf("%s does not fire in %d tests", name, n)
		}
		if !strings.Contains(doc, "| `"+name+"` | ") {
			t.Errorf("docs/metrics.md does not explain %s", name)
		}
	}
	if documented := found("(?m)^\\| `(Lvsdr\\w+)` \\|", doc); len(documented) != len(names) {
		t.Errorf("docs/metrics.md explains %d alerts, there are %d", len(documented), len(names))
	}
}

// A dashboard as Grafana loads it, as far as tests look at it.
type dashboard struct {
	Title, UID    string
	SchemaVersion int
	Templating    struct {
		List []struct{ Name, Type string }
	}
	Panels []struct {
		ID          int
		Type, Title string
		GridPos     struct{ H, W, X, Y int }
		Targets     []struct{ Expr, LegendFormat string }
	}
}

func loadDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(read(t, "dashboard.json")))
	if err := dec.Decode(&d); err != nil {
		t.Fatal(err)
	}
	return d
}

// Panels have numbers and places of their own and name only variables that there are.
func TestTheDashboardIsWhole(t *testing.T) {
	d := loadDashboard(t)
	if d.Title == "" || d.UID == "" || d.SchemaVersion < 30 || len(d.Panels) < 20 {
		t.Errorf("dashboard %q (%s), schema %d, %d panels", d.Title, d.UID, d.SchemaVersion, len(d.Panels))
	}
	variables := []string{"__rate_interval"}
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
	}
	ids, cells := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if p.Title == "" || ids[p.ID] || (p.Type == "row") != (len(p.Targets) == 0) {
			t.Errorf("panel %d (%q) has no title, a number twice, or nothing to show", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := cells[[2]int{x, y}]; other != "" || x >= 24 {
					t.Errorf("%q lies over %q, or outside", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		for _, q := range p.Targets {
			for _, v := range found(`\$(\w+)`, q.Expr) {
				if !slices.Contains(variables, v) {
					t.Errorf("%q uses $%s, which there is not", p.Title, v)
				}
			}
			if q.LegendFormat == "" {
				t.Errorf("%q has no legend", p.Title)
			}
		}
	}
}

// Prometheus takes what the panels ask.
func TestPrometheusTakesTheQueriesOfTheDashboard(t *testing.T) {
	replace := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*", "$service", ".*")
	file := "groups:\n  - name: dashboard\n    rules:\n"
	for _, p := range loadDashboard(t).Panels {
		for _, q := range p.Targets {
			file += fmt.Sprintf("      - record: panel_%d\n        expr: '%s'\n", p.ID, strings.ReplaceAll(replace.Replace(q.Expr), "'", "''"))
		}
	}
	name := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", name)
}

// Alerts and panels speak of labels that the metrics have: those in selectors and in by(...).
func TestOnlyLabelsThatThereAreAreAskedFor(t *testing.T) {
	known := []string{"instance", "job", "le"} // Prometheus adds them
	all, err := source(t, status()).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		for _, s := range m.Metric {
			for _, l := range s.Label {
				known = append(known, l.GetName())
			}
		}
	}
	exprs := found(`(?m)^ +expr: '(.*)'$`, read(t, "alerts.yml"))
	for _, p := range loadDashboard(t).Panels {
		for _, q := range p.Targets {
			exprs = append(exprs, q.Expr)
		}
	}
	for _, e := range exprs {
		labels := found(`[{,](\w+)(?:=|!)`, e)
		for _, by := range found(`by \(([^)]*)\)`, e) {
			labels = append(labels, strings.Split(by, ", ")...)
		}
		for _, l := range labels {
			if !slices.Contains(known, l) {
				t.Errorf("%s: no metric has the label %s", e, l)
			}
		}
	}
}
