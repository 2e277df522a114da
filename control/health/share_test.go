package health

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"lvsdr/scheduler"
)

var update = flag.Bool("update", false, "write the picture of docs anew")

// The service of the picture: equal servers, of which one comes back at 0, and connections that come evenly and
// end at random.
const (
	rampTime  = 60 // s of slow start
	servers   = 4
	perSecond = 100 // connections
	lifetime  = 10  // s, on average
	window    = 2   // s, over which a share is taken
	from, to  = -10, 90
)

// A curve is the share of the server that comes back, in percent, for each window.
type curve struct {
	name, scheduler, class string
	slow                   time.Duration
	shares                 []float64
}

func curves() []*curve {
	return []*curve{
		{name: "wlc, without slow start", scheduler: "wlc", class: "x"},
		{name: "wlc, lvsdr_slow_start 60", scheduler: "wlc", slow: rampTime * time.Second, class: "q"},
		{name: "wrr, lvsdr_slow_start 60", scheduler: "wrr", slow: rampTime * time.Second, class: "a"},
	}
}

// play has the real scheduler choose by the weights of the real health machine, on a virtual clock.
func (c *curve) play(t *testing.T) {
	t.Helper()
	const weight = 100
	start := -from * time.Second // of the clock
	h := NewServer(Policy{SlowStart: c.slow}, []Check{NewCheck(true, "down")})
	dests := make([]*scheduler.Dest, servers)
	for i := range dests {
		dests[i] = &scheduler.Dest{Addr: [16]byte{15: byte(i + 1)}, Port: 80, Weight: weight}
	}
	back := dests[servers-1]
	back.Weight = 0
	s, err := scheduler.New(c.scheduler, dests)
	if err != nil {
		t.Fatal(err)
	}
	ends := map[int][]*scheduler.Dest{} // by the number of the connection at whose begin they end
	lasts := rand.New(rand.NewPCG(1, 2))
	picked := 0
	for n := range (to - from) * perSecond {
		now := time.Duration(n) * time.Second / perSecond
		if now == start {
			h = h.Result(0, Result{Up: true}, now)
		}
		if w := h.Weight(weight, now); h.Up() && w != back.Weight {
			back.Weight = w
			s.Update(dests, scheduler.Edited, servers-1)
		}
		for _, d := range ends[n] {
			d.Active--
			d.Changed()
		}
		d := dests[s.Pick(dests, &scheduler.Flow{Now: int64(now)})]
		d.Active++
		d.Changed()
		end := n + 1 + int(lasts.ExpFloat64()*lifetime*perSecond)
		ends[end] = append(ends[end], d)
		if d == back {
			picked++
		}
		if (n+1)%(window*perSecond) == 0 {
			c.shares = append(c.shares, float64(100*picked)/(window*perSecond))
			picked = 0
		}
	}
}

// at is the share at second s.
func (c *curve) at(s int) float64 { return c.shares[(s-from)/window] }

// mean is the share from second s on, for ten seconds.
func (c *curve) mean(s int) (sum float64) {
	for k := range 10 / window {
		sum += c.at(s+k*window) * window / 10
	}
	return sum
}

// A server that comes back with all of its weight is the one with the fewest connections: wlc gives it
// most of the new ones. With slow start its share grows to a quarter.
func TestTheShareOfAServerThatComesBack(t *testing.T) {
	all := curves()
	for _, c := range all {
		c.play(t)
		if c.mean(from) != 0 || math.Abs(c.mean(to-10)-100/servers) > 4 {
			t.Errorf("%s: %v %% before, and %v %% at the end", c.name, c.mean(from), c.mean(to-10))
		}
		if c.slow == 0 {
			if c.at(0) < 90 {
				t.Errorf("%s: %v %% at first", c.name, c.at(0))
			}
			continue
		}
		for s := 0; s < rampTime; s += window {
			// of weight w beside three of 100, with what it has too few connections for the weight before
			w := 100 * min(float64(s+window)/rampTime, 1)
			if fair := 100 * w / (w + 100*(servers-1)); c.at(s) > fair+9 {
				t.Errorf("%s: %v %% after %d s, more than %.1f %%", c.name, c.at(s), s, fair)
			}
		}
		if a, b, c := c.mean(0), c.mean(25), c.mean(50); a >= b || b >= c {
			t.Errorf("the share does not grow: %v, %v, %v %%", a, b, c)
		}
	}
	const file = "../../docs/slow-start.svg"
	got := picture(all)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if was, err := os.ReadFile(file); err != nil || string(was) != got {
		t.Errorf("%s is not what the director does now (%v); go test ./control/health -update writes it", file, err)
	}
}

// The picture's plot, in pixels.
const (
	left, right, top, bottom = 60, 700, 20, 300
)

func x(s int) float64 { return left + float64(s-from)*(right-left)/float64(to-from) }

func y(share float64) float64 { return bottom - share*(bottom-top)/100 }

// picture is the curves as an SVG.
func picture(all []*curve) string {
	var b strings.Builder
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 820 360" width="820" height="360" role="img" aria-label="The share of new connections of a server that comes back">
<title>The share of new connections of a server that comes back, one of four</title>
<style>
  text{font:13px system-ui,sans-serif;fill:#1f2328}
  .card{fill:#fff}.grid{stroke:#d0d7de;stroke-width:1}path{fill:none;stroke-width:2.2}
  .q{stroke:#0969da}.a{stroke:#1a7f37}.x{stroke:#bc4c00}
  @media (prefers-color-scheme:dark){
    text{fill:#e6edf3}.card{fill:#0d1117}.grid{stroke:#30363d}.q{stroke:#58a6ff}.a{stroke:#3fb950}.x{stroke:#ff9d5c}
  }
</style>
<rect class="card" width="820" height="360" rx="8"/>
`)
	for share := 0; share <= 100; share += 25 {
		fmt.Fprintf(&b, `<path class="grid" d="M%d %.0fH%d"/><text x="%d" y="%.0f" text-anchor="end">%d %%</text>`+"\n", left, y(float64(share)), right, left-8, y(float64(share))+4, share)
	}
	for s := from; s <= to; s += 10 {
		fmt.Fprintf(&b, `<text x="%.0f" y="%d" text-anchor="middle">%d</text>`+"\n", x(s), bottom+20, s)
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">seconds since its check is good again</text>`+"\n", (left+right)/2, bottom+42)
	for i, c := range all {
		fmt.Fprintf(&b, `<path class="%s" d="`, c.class)
		for k, share := range c.shares {
			fmt.Fprintf(&b, "%c%.1f %.1f", "ML"[min(k, 1)], x(from+k*window), y(share))
		}
		line := top + 30 + 22*i
		fmt.Fprintf(&b, "\"/>\n"+`<path class="%s" d="M400 %dh30"/><text x="438" y="%d">%s</text>`+"\n", c.class, line, line+4, c.name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}
