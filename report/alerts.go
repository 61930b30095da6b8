package report

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// Alerts are rules for Prometheus at the boundaries that were measured. No text in
// them holds control characters, and none is a template.
type Alerts struct {
	Comments []string
	Groups   []AlertGroup
}

// An AlertGroup has the rules of one service in one configuration.
type AlertGroup struct {
	Name     string
	Comments []string // among them each rule that is left out, and why
	Rules    []AlertRule

	cell, service string
}

// An AlertRule is one rule. Expr is PromQL.
type AlertRule struct {
	Alert, Expr         string
	For                 time.Duration
	Labels, Annotations []Pair
}

// A Pair is a name and a value.
type Pair struct{ Name, Value string }

// signedOf picks for each configuration the search to rely on: of its replicates that
// with the least allowed load, or the first if none allows any.
func signedOf(list []searched) []searched {
	var picked []searched
	for _, c := range list {
		i := slices.IndexFunc(picked, func(o searched) bool { return o.cell.Cell.Config.Name == c.cell.Cell.Config.Name })
		if i < 0 {
			picked = append(picked, c)
			continue
		}
		has, load := picked[i].capacity.Signed, c.capacity.Signed
		if load.Known() && (!has.Known() || *load.Number < *has.Number) {
			picked[i] = c
		}
	}
	return picked
}

// alertsOf makes the rules of every configuration.
func alertsOf(s *analysis.Summary, list []searched) *Alerts {
	a := &Alerts{Comments: []string{
		"Alert rules for Prometheus at the boundaries that evabench measured.",
		"Run: " + s.Environment.Scenario + ", started " + s.Environment.Started.UTC().Format(time.RFC3339) + ".",
	}}
	if text := banner(s); text != "" {
		a.Comments = append(a.Comments, text+" Do not put these rules on a real server.")
	}
	if len(list) == 0 {
		a.Comments = append(a.Comments, "No rules: the run searched for no capacity.")
	} else {
		a.Comments = append(a.Comments,
			"Load the groups of the configuration that is deployed, and no others.",
			"They expect that Prometheus scrapes the servers of a service in a job of the service's name; where yours has another, change job. EvabenchNoMetrics tells if it finds none.",
			"Of a configuration's replicates, the one with the least allowed load stands here.")
	}
	for _, c := range signedOf(list) {
		for _, l := range c.capacity.Loads {
			a.Groups = append(a.Groups, c.alertGroup(l))
		}
	}
	a.clean()
	return a
}

// clean makes all texts safe: to print, and in annotations, which Prometheus expands
// as templates. Two groups of one name would be refused: the later has a number.
func (a *Alerts) clean() {
	printableAll(a.Comments)
	seen := map[string]int{}
	for i := range a.Groups {
		g := &a.Groups[i]
		printable(&g.Name)
		if seen[g.Name]++; seen[g.Name] > 1 {
			g.Name += fmt.Sprintf(" (%d)", seen[g.Name])
		}
		printableAll(g.Comments)
		for _, r := range g.Rules {
			for _, pairs := range [][]Pair{r.Labels, r.Annotations} {
				for k := range pairs {
					printable(&pairs[k].Value)
					pairs[k].Value = strings.ReplaceAll(pairs[k].Value, "{{", `{{"{{"}}`)
				}
			}
		}
	}
}

// A ruler makes the rules of one service in one configuration.
type ruler struct {
	searched
	load    analysis.CapacityLoad
	engine  *engine
	service *analysis.Service // in the confirmation
	group   *AlertGroup
}

func (c searched) alertGroup(l analysis.CapacityLoad) AlertGroup {
	g := AlertGroup{Name: "evabench " + c.cell.Cell.Config.Name + " " + l.Service, cell: c.cell.Cell.Folder, service: l.Service}
	r := ruler{searched: c, load: l, group: &g, service: serviceIn(c.confirmation(false), l.Service)}
	var why string
	r.engine, why = c.engineOf(l.Service)
	switch {
	case r.service == nil:
		g.Comments = append(g.Comments, "No rules: no load of this configuration was confirmed. "+c.state())
	case r.engine == nil:
		g.Comments = append(g.Comments, "No rules: "+why+".")
	default:
		g.Comments = append(g.Comments, c.sustains(l))
		r.rate()
		r.queue()
		for _, v := range r.service.SLO {
			r.clause(v)
		}
		r.add("EvabenchNoMetrics", "warning", "absent("+r.selector(r.engine.alive)+")", 10*time.Minute,
			"Prometheus has no metrics of "+l.Service+": no other rule of this group can fire.")
	}
	return g
}

// leftOut tells of a rule that is not there.
func (r *ruler) leftOut(what, why string) {
	r.group.Comments = append(r.group.Comments, "Left out: "+what+": "+why+".")
}

func (r *ruler) add(name, severity, expr string, hold time.Duration, summary string, more ...Pair) {
	labels := append(more, Pair{"configuration", r.cell.Cell.Config.Name}, Pair{"service", r.load.Service}, Pair{"severity", severity})
	origin := fmt.Sprintf("Measured by evabench, %s, cell %s of %s: %s", r.summary.Environment.Scenario, r.cell.Cell.Folder,
		r.summary.Environment.Started.UTC().Format(time.DateOnly), r.sustains(r.load))
	if r.summary.Environment.Simulated != "" {
		labels = append(labels, Pair{"simulated", "true"})
		summary = "SIMULATED: " + summary
		origin = banner(r.summary) + " " + origin
	}
	r.group.Rules = append(r.group.Rules, AlertRule{
		Alert: name, Expr: expr, For: hold, Labels: labels,
		Annotations: []Pair{{"description", origin}, {"summary", summary}},
	})
}

// selector is a metric of the service's servers, with further matchers.
func (r *ruler) selector(metric string, more ...string) string {
	matchers := []string{"job=" + promQuoted(r.load.Service)}
	if r.engine.model != "" && len(r.service.Models) > 0 {
		var names []string
		for _, m := range r.service.Models {
			names = append(names, regexp.QuoteMeta(m.Name))
		}
		matchers = append(matchers, r.engine.model+"=~"+promQuoted(strings.Join(names, "|")))
	}
	for _, m := range more {
		if m != "" {
			matchers = append(matchers, m)
		}
	}
	return metric + "{" + strings.Join(matchers, ",") + "}"
}

// promQuoted is a text as PromQL has it, which reads Go's escapes and refuses U+FFFD
// itself.
func promQuoted(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if strings.ContainsRune(text, unicode.ReplacementChar) {
		return strconv.QuoteToASCII(text)
	}
	return strconv.Quote(text)
}

// threshold is a number as PromQL has it.
func threshold(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// span is over how long rates are taken: five minutes, or as many as about a hundred
// requests take at the allowed load, at most an hour.
func (r *ruler) span() string {
	minutes := 5.0
	if rate := r.service.Total.Throughput; rate.Known() && *rate.Number > 0 {
		minutes = min(max(minutes, math.Ceil(100 / *rate.Number / 60)), 60)
	}
	return fmt.Sprintf("[%.0fm]", minutes)
}

// rate warns at the allowed load, by the requests (or tokens) a second that the
// confirmation had, and is critical at the upper end of the interval.
func (r *ruler) rate() {
	metric, at, unit := r.engine.requests, r.service.Total.Throughput, units.Requests
	if metric == "" {
		metric, at, unit = r.engine.tokens, r.service.Total.Output.PerSecond, units.Tokens
	}
	switch {
	case metric == "":
		r.leftOut("load", r.engine.name+" counts neither requests nor tokens")
		return
	case !at.Known():
		r.leftOut("load", "its rate at the allowed load is unknown: "+at.Why)
		return
	}
	expr := "sum(rate(" + r.selector(metric) + r.span() + ")) > "
	counted := "requests are counted when they are done, which in overload stays at saturation"
	if r.engine.arriving {
		counted = "requests are counted when they come"
	}
	r.add("EvabenchLoadAboveAllowed", "warning", expr+threshold(*at.Number), 5*time.Minute,
		fmt.Sprintf("The load of %s is above what is allowed: %s were measured at %s; %s.", r.load.Service, units.Format(*at.Number, unit), amount(r.load.Signed, r.load.Unit), counted))
	a := r.capacity
	raised := a.Raised == "" || a.Raised == r.load.Service
	most := analysis.Along(at, a.Signed, a.High)
	switch {
	case !raised:
		r.leftOut("load at the end of the interval", "it was held while "+a.Raised+" was raised")
	case r.service.Level.Arrivals == "closed":
		r.leftOut("load at the end of the interval", "users of a closed loop ask less of a slower server, so that no rate belongs to it")
	case !most.Known():
		r.leftOut("load at the end of the interval", "it is unknown: "+most.Why)
	default:
		r.add("EvabenchLoadAboveCapacity", "critical", expr+threshold(*most.Number), 2*time.Minute,
			fmt.Sprintf("The load of %s is above the upper end of its capacity's 95 %% interval, %s.", r.load.Service, amount(a.High, a.Unit)))
	}
}

// waiting is the mean number of requests that wait at each instance; empty if the
// engine tells nothing that it follows from.
func (r *ruler) waiting() string {
	switch {
	case r.engine.queue != "":
		return "sum by (instance) (avg_over_time(" + r.selector(r.engine.queue) + "[5m]))"
	case r.engine.waited != "":
		name := strconv.Quote(regexp.QuoteMeta(r.engine.waited) + "(_total)?") // versions differ
		return "sum by (instance) (rate(" + r.selector("", "__name__=~"+name) + "[5m])) / " + r.engine.perSecond
	}
	return ""
}

// queue warns of a mean queue longer than the longest of the confirmation.
func (r *ruler) queue() {
	most := r.service.Queue.Max
	waiting := r.waiting()
	switch {
	case waiting == "":
		r.leftOut("queue", r.engine.name+" tells of none")
	case !most.Known():
		r.leftOut("queue above what was measured", "how long it was at the allowed load is unknown: "+most.Why)
	default:
		r.add("EvabenchQueueAboveMeasured", "warning", "max("+waiting+") > "+threshold(max(*most.Number, 1)), 5*time.Minute,
			fmt.Sprintf("The queue at an instance of %s is longer on the mean of 5 minutes than at any moment at the allowed load, where it was at most %s.", r.load.Service, units.Number(*most.Number)))
	}
}

// clause is critical where a clause of the service's SLO is not met.
func (r *ruler) clause(v analysis.ClauseValue) {
	c := v.Clause
	text := clauseText(c.Class, c.Text)
	summary := fmt.Sprintf("%s does not meet %s, by the server's own figures; at the allowed load it was %s.", r.load.Service, text, textOf(v.Value))
	if c.Class != "" {
		r.leftOut(text, r.engine.name+" does not know classes of requests")
		return
	}
	label := Pair{"clause", text} // tells two rules of one name apart
	opposite := map[string]string{"<": ">=", "<=": ">", ">": "<=", ">=": "<"}[c.Op]
	limit := " " + opposite + " " + threshold(c.Limit)
	switch c.Metric {
	case "latency", "ttft":
		histogram := r.engine.latency
		if c.Metric == "ttft" {
			histogram = r.engine.ttft
		}
		if histogram == "" {
			r.leftOut(text, r.engine.name+" tells no histogram of it")
			return
		}
		r.add("EvabenchLatency", "critical", "histogram_quantile("+threshold(c.Quantile)+", sum by (le) (rate("+r.selector(histogram+"_bucket")+r.span()+")))"+limit, 5*time.Minute, summary, label)
	case "queue":
		if waiting := r.waiting(); waiting != "" {
			r.add("EvabenchQueueAboveLimit", "critical", "sum("+waiting+")"+limit, 5*time.Minute, summary, label)
		} else {
			r.leftOut(text, r.engine.name+" tells of no queue")
		}
	case "errors":
		if r.engine.failed == "" {
			r.leftOut(text, r.engine.name+" counts no failures")
			return
		}
		failed := "sum(rate(" + r.selector(r.engine.failed, r.engine.failedBy) + r.span() + "))"
		all := "sum(rate(" + r.selector(r.engine.requests) + r.span() + "))"
		if r.engine.failedBy == "" { // failures are not among the requests
			all = "(" + all + " + " + failed + ")"
		}
		r.add("EvabenchErrors", "critical", failed+" / "+all+limit, 5*time.Minute, summary, label)
	default:
		r.leftOut(text, "a low rate is no fault where little is asked")
	}
}
