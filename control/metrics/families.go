package metrics

import (
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// families are metrics under construction. Tens of thousands of servers have a dozen of
// them each, so the samples of a family lie in one piece of memory, and all those of a
// server share its labels.
type families struct {
	all []*dto.MetricFamily
}

// sorted are the families by name, as exposition wants them, without those that are empty.
func (f *families) sorted() []*dto.MetricFamily {
	all := slices.DeleteFunc(f.all, func(m *dto.MetricFamily) bool { return len(m.Metric) == 0 })
	slices.SortFunc(all, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return all
}

// open adds an empty family with room for n samples.
func (f *families) open(name, help string, kind dto.MetricType, n int) *dto.MetricFamily {
	m := &dto.MetricFamily{Name: &name, Help: &help, Type: &kind, Metric: make([]*dto.Metric, 0, n)}
	f.all = append(f.all, m)
	return m
}

// A counter is a family of counters with room for some samples.
type counter struct {
	family *dto.MetricFamily
	room   []struct {
		metric dto.Metric
		count  dto.Counter
		value  float64
	}
}

// counter adds a family of counters, with room for n samples and no more.
func (f *families) counter(name, help string, n int) *counter {
	c := &counter{family: f.open(name, help, dto.MetricType_COUNTER, n)}
	c.room = make([]struct {
		metric dto.Metric
		count  dto.Counter
		value  float64
	}, n)
	return c
}

// add adds a sample. It keeps labels.
func (c *counter) add(v uint64, labels []*dto.LabelPair) {
	s := &c.room[len(c.family.Metric)]
	s.value = float64(v)
	s.count.Value = &s.value
	s.metric.Label, s.metric.Counter = labels, &s.count
	c.family.Metric = append(c.family.Metric, &s.metric)
}

// A gauge is a family of gauges with room for some samples.
type gauge struct {
	family *dto.MetricFamily
	room   []struct {
		metric dto.Metric
		now    dto.Gauge
		value  float64
	}
}

// gauge adds a family of gauges, with room for n samples and no more.
func (f *families) gauge(name, help string, n int) *gauge {
	g := &gauge{family: f.open(name, help, dto.MetricType_GAUGE, n)}
	g.room = make([]struct {
		metric dto.Metric
		now    dto.Gauge
		value  float64
	}, n)
	return g
}

// add adds a sample. It keeps labels.
func (g *gauge) add(v float64, labels []*dto.LabelPair) {
	s := &g.room[len(g.family.Metric)]
	s.value = v
	s.now.Value = &s.value
	s.metric.Label, s.metric.Gauge = labels, &s.now
	g.family.Metric = append(g.family.Metric, &s.metric)
}

// labels are pairs of a name and a value, the names in the order of their letters.
func labels(pairs ...string) []*dto.LabelPair {
	all := make([]*dto.LabelPair, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, &dto.LabelPair{Name: &pairs[i], Value: &pairs[i+1]})
	}
	return all
}

// yesNo is a yes or no as a value.
func yesNo(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
