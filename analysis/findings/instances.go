package findings

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// The limits of what differs between equal instances.
const (
	slowerTimes  = 1.25 // of the others' median time of a request
	slowerSurely = 1.10 // between the ends of intervals
	crowdedTimes = 1.25 // of the mean share
	evenShare    = 1.10 // of the mean share
	crowdedZ     = 4    // standard deviations of a fair draw
)

// A seat is one instance of several equal ones, in one step.
type seat struct {
	name string
	due  float64 // requests that were sent to it
	// took is the mean time that a request took at it, by the server's own word on
	// computing where it has one, else from sent to done; low and high are the ends of the
	// interval of its median, NaN if unknown.
	took, low, high float64
	own             bool
	served          float64 // mean from sent to done
	flight          float64
}

// seatsOf gives the instances of a place that are equals: of the same size of device and
// with the same workers. Fewer than two are none.
func seatsOf(p place) []seat {
	kinds := map[string][]seat{}
	for _, i := range p.instances() {
		at := slices.IndexFunc(p.service.Instances, func(g analysis.Group) bool { return g.Name == i.Name })
		if at < 0 {
			continue
		}
		g := p.service.Instances[at]
		kind := fmt.Sprint(i.Workers)
		for _, d := range p.cell.Layout.Devices {
			if d.UUID == i.Device {
				kind += fmt.Sprintf(" %s %d %d", d.Model, d.SMs, d.MemoryBytes)
			}
		}
		one := seat{name: i.Name, due: float64(g.Due), took: math.NaN(), low: math.NaN(), high: math.NaN(), served: math.NaN(), flight: value(g.InFlight)}
		if x, ok := of(g.Served.Mean); ok {
			one.served, one.took = x, x
		}
		if median, _ := tails(g.Served); median != nil && median.Low != nil && median.High != nil {
			one.low, one.high = *median.Low, *median.High
		}
		if w := p.waitingOf(i.Name); w != nil && w.Inference.Level == analysis.FromRequests && !w.Inference.Inferred {
			if x, ok := of(w.Inference.Value); ok {
				one.took, one.own = x, true
			}
		}
		kinds[kind] = append(kinds[kind], one)
	}
	var most []seat
	for _, list := range kinds {
		if len(list) > len(most) || len(list) == len(most) && len(list) > 0 && list[0].name < most[0].name {
			most = list
		}
	}
	if len(most) < 2 {
		return nil
	}
	slices.SortFunc(most, func(a, b seat) int { return strings.Compare(a.name, b.name) })
	return most
}

// meanDue is the fair share of requests.
func meanDue(list []seat) float64 {
	var sum float64
	for _, s := range list {
		sum += s.due
	}
	return sum / float64(len(list))
}

// slowest gives the instance at which requests take longest, and the median time of the
// others.
func slowest(list []seat) (worst seat, others float64, rest []seat) {
	worst = list[0]
	for _, s := range list {
		if s.took > worst.took || !known(worst.took) {
			worst = s
		}
	}
	var times []float64
	for _, s := range list {
		if s.name != worst.name && known(s.took) {
			times, rest = append(times, s.took), append(rest, s)
		}
	}
	if len(times) == 0 || !known(worst.took) {
		return worst, math.NaN(), nil
	}
	slices.Sort(times)
	return worst, (times[(len(times)-1)/2] + times[len(times)/2]) / 2, rest
}

var slowWorker = rule{
	name: "slow-worker", class: outOfCapacity, needs: "two instances or more on equal devices, with answers of each",
	explains: []string{"slow-preprocessing", "capacity-reached", "queueing"}, // one instance's stage is that instance's
	judge: func(v view) outcome {
		type sight struct {
			p     place
			times float64
		}
		by := map[string][]sight{}
		judged := 0
		surely := map[string]int{}
		var names []string
		for _, p := range v.ofServer() {
			list := seatsOf(p)
			if list == nil {
				continue
			}
			worst, others, rest := slowest(list)
			if !known(others) || others <= 0 {
				continue
			}
			judged++
			if worst.took < slowerTimes*others || worst.due > evenShare*meanDue(list) {
				continue
			}
			name := worst.name
			if by[name] == nil {
				names = append(names, name)
			}
			by[name] = append(by[name], sight{p, worst.took / others})
			if !slices.ContainsFunc(rest, func(s seat) bool { return !(worst.low > slowerSurely*s.high) }) {
				surely[name]++
			}
		}
		if judged == 0 {
			return unjudged("the service has no two instances on equal devices that both answered")
		}
		slices.Sort(names)
		best := ""
		for _, name := range names {
			if best == "" || len(by[name]) > len(by[best]) {
				best = name
			}
		}
		// The slowest of equals is another from step to step.
		if best == "" || 2*len(by[best]) <= judged && judged > 1 {
			return outcome{}
		}
		var list []place
		var times []float64
		for _, s := range by[best] {
			list, times = append(list, s.p), append(times, s.times)
		}
		s := over(times)
		confidence := weak
		if s.above(slowerTimes) == strong || surely[best] > 0 {
			confidence = strong
		}
		because := []string{
			fmt.Sprintf("a request took %s times as long at %s as at the median of its equals, in %d of %s", s.text(""), best, len(list), units.Plural(judged, "step")),
			"it had no more than its share of the requests",
		}
		return next(finding(confidence, best+" is slower than its equals at an equal share of the load", because, list),
			"look at that instance's device (clock, errors, another process on it), its NUMA node and its log; start it again; route less to it until then",
			"start it again on another device: if it is as fast as the others there, it was the device")
	},
}

var routingImbalance = rule{
	name: "routing-imbalance", class: outOfCapacity, needs: "two instances or more on equal devices, and what was sent to each",
	explains: []string{"capacity-reached", "queueing"},
	judge: func(v view) outcome {
		judged := 0
		var seen []place
		var ratios []float64
		sure := 0
		because := ""
		for _, p := range v.ofServer() {
			list := seatsOf(p)
			if list == nil || meanDue(list) <= 0 {
				continue
			}
			judged++
			mean := meanDue(list)
			crowd, least := list[0], list[0]
			for _, s := range list {
				if s.due > crowd.due {
					crowd = s
				}
				if s.due < least.due {
					least = s
				}
			}
			// A fair draw of n requests gives each a count whose variance is about its mean.
			z := (crowd.due - mean) / math.Sqrt(mean)
			// Where those that get less are the slow ones, the router does its work.
			if crowd.due < crowdedTimes*mean || z < 2 || known(least.served) && known(crowd.served) && least.served > slowerTimes*crowd.served {
				continue
			}
			if z >= crowdedZ {
				sure++
			}
			seen, ratios = append(seen, p), append(ratios, crowd.due/mean)
			because = fmt.Sprintf("in %s %s got %s requests and %s %s; there were %s in flight at the one and %s at the other, and a request took %s and %s",
				stepName(p), crowd.name, number(crowd.due), least.name, number(least.due), units.Measure(crowd.flight), units.Measure(least.flight), seconds(crowd.served), seconds(least.served))
		}
		switch {
		case judged == 0:
			return unjudged("the service has no two instances on equal devices")
		case len(seen) == 0 || 2*len(seen) <= judged && judged > 1:
			return outcome{}
		}
		confidence := weak
		if sure > 0 {
			confidence = strong
		}
		s := over(ratios)
		return next(finding(confidence, "requests are spread unevenly over equal instances: some are crowded while others have room",
			[]string{"the most crowded instance got " + s.text("") + " times its share", because}, seen),
			"one queue for all, or route to the least outstanding; check pinning and sticky sessions",
			"change the routing only, at the same load: shares are even and the tail is shorter")
	},
}
