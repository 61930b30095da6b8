// Package gate decides whether a run's figures meet requirements that somebody wrote
// down, such as "vision.p95<=300ms", and whether they are worse than those of a baseline.
//
// It is pure. What is not known does not meet a requirement, and says why.
package gate

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Requirement asks something of one figure of one service, or of all services. Its
// text is
//
//	[CONFIG:]SERVICE.METRIC[@STEP] [OP NUMBER[ ]UNIT]
//
// such as "vision.p95<=300ms", "off-mps:agent.ttft.p90@1 < 2 s", "vision.capacity>=20"
// and "agent.valid".
type Requirement struct {
	Text    string `json:"text"`              // as it was written, without the spaces around it
	Config  string `json:"config,omitempty"`  // empty: every configuration
	Service string `json:"service,omitempty"` // empty: every service, of valid and slo only
	// Metric is one of the Metric constants, and Quantile, of times, the share below, in
	// (0, 1); 0 asks for the mean.
	Metric   string  `json:"metric"`
	Quantile float64 `json:"quantile,omitempty"`
	// Step is the name or the index of one step; empty: every step of levels.
	Step string `json:"step,omitempty"`
	// Op is "<", "<=", ">" or ">="; empty of valid and slo. Limit is in the base unit
	// Unit: "s", "1/s", "ratio", "1"; of capacities in LoadUnit if it was written, which is
	// then that of the service's load, "req/s", "cameras" or "users".
	Op       string  `json:"op,omitempty"`
	Limit    float64 `json:"limit"`
	Unit     string  `json:"unit,omitempty"`
	LoadUnit string  `json:"load_unit,omitempty"`

	column int // of Service in Text, in characters from 0
	at     int // of Step
}

// The metrics.
const (
	MetricLatency     = "latency"      // from when a request was due to its end
	MetricTTFT        = "ttft"         // to the first token
	MetricTPOT        = "tpot"         // per token after the first
	MetricSession     = "session"      // of whole sessions
	MetricThroughput  = "throughput"   // requests completed in the window ÷ window
	MetricErrors      = "errors"       // share of due arrivals that did not end ok
	MetricQueue       = "queue"        // mean number of requests that wait at the servers
	MetricTokens      = "tokens/s"     // output tokens
	MetricCapacity    = "capacity"     // of the search
	MetricCapacityLow = "capacity.low" // the lower end of its 95 % interval
	MetricSigned      = "signed"       // the load at which a confirmation met everything
	MetricValid       = "valid"        // the step measures the server: its verdict is valid
	MetricSLO         = "slo"          // every objective of the scenario is met
)

// A Fault says what is wrong with the text of a requirement.
type Fault struct {
	Text   string // the whole requirement
	Column int    // where the fault begins, in characters from 0
	What   string // what is wrong
	Hint   string // what would be right; may be empty
}

// Error tells the fault in one line.
func (f *Fault) Error() string { return fmt.Sprintf("requirement %q: %s", f.Text, f.What) }

// Show tells it in lines: what, where, and what would be right.
func (f *Fault) Show() string {
	text := f.Error() + "\n    " + f.Text + "\n    " + strings.Repeat(" ", f.Column) + "^"
	if f.Hint != "" {
		text += "\n  " + f.Hint
	}
	return text
}

// A metric is what a requirement may ask of a service.
type metric struct {
	word  string
	time  bool // takes a percentile or "mean"
	bare  bool // takes no comparison
	more  bool // more is better
	cell  bool // of a whole cell, not of its steps
	unit  string
	units []written
}

// written is a unit as people write it: one of it is 10^exponent ÷ over base units.
type written struct {
	name     string
	exponent int
	over     float64
}

// base turns a number's text into base units: the double nearest to it where over is 1.
func (u written) base(text string) float64 {
	v, err := strconv.ParseFloat(text+"e"+strconv.Itoa(u.exponent), 64)
	if err != nil {
		return math.Inf(1) // too large for a double
	}
	return v / u.over
}

var (
	spans = []written{{"s", 0, 1}, {"ms", -3, 1}, {"us", -6, 1}, {"min", 0, 1. / 60}}
	rates = []written{{"req/s", 0, 1}, {"req/min", 0, 60}, {"req/h", 0, 3600}}
	// loads are those of a capacity, which is in the unit of the service's load.
	loads = []written{{"", 0, 1}, {"req/s", 0, 1}, {"cameras", 0, 1}, {"users", 0, 1}}
)

var metrics = []metric{
	{word: MetricLatency, time: true, unit: "s", units: spans},
	{word: MetricTTFT, time: true, unit: "s", units: spans},
	{word: MetricTPOT, time: true, unit: "s", units: spans},
	{word: MetricSession, time: true, unit: "s", units: spans},
	{word: MetricThroughput, more: true, unit: "1/s", units: rates},
	{word: MetricErrors, unit: "ratio", units: []written{{"%", -2, 1}}},
	{word: MetricQueue, unit: "1", units: []written{{"", 0, 1}}},
	{word: MetricTokens, more: true, unit: "1/s", units: []written{{"", 0, 1}}},
	{word: MetricCapacity, more: true, cell: true, units: loads},
	{word: MetricCapacityLow, more: true, cell: true, units: loads},
	{word: MetricSigned, more: true, cell: true, units: loads},
	{word: MetricValid, bare: true},
	{word: MetricSLO, bare: true},
}

const form = "write SERVICE.METRIC, a comparison and a limit, such as vision.p95<=300ms, agent.ttft.p90<2s, vision.errors<=1%, vision.capacity>=20"

// Parse reads a requirement. The error is a *[Fault].
func Parse(text string) (Requirement, error) {
	p := parser{text: strings.Trim(text, " ")}
	r, err := p.requirement()
	if err != nil {
		return Requirement{}, err
	}
	return r, nil
}

type parser struct{ text string }

// fault makes one at a byte of the text.
func (p parser) fault(at int, what, hint string) error {
	return &Fault{Text: p.text, Column: len([]rune(p.text[:min(at, len(p.text))])), What: what, Hint: hint}
}

func (p parser) requirement() (Requirement, error) {
	r := Requirement{Text: p.text}
	if p.text == "" {
		return r, p.fault(0, "it is empty", form)
	}
	end := strings.IndexAny(p.text, "<>")
	name := p.text
	if end >= 0 {
		name = p.text[:end]
	}
	from := 0
	if at := strings.IndexByte(name, ':'); at >= 0 {
		r.Config, from = strings.Trim(name[:at], " "), at+1
		if r.Config == "" {
			return r, p.fault(0, "no configuration stands before the colon", "leave the colon out for every configuration")
		}
		for from < len(name) && name[from] == ' ' {
			from++
		}
	}
	subject := name[from:]
	if at := strings.IndexByte(subject, '@'); at >= 0 {
		r.Step, r.at = strings.Trim(subject[at+1:], " "), from+at+1
		if r.Step == "" {
			return r, p.fault(r.at, "no step stands behind the @", "write the step's name or index, such as @0, or leave the @ out for every step")
		}
		subject = subject[:at]
	}
	r.column = from
	is, err := p.subject(&r, from, strings.TrimRight(subject, " "))
	if err != nil {
		return r, err
	}
	if is.cell && r.Step != "" {
		return r, p.fault(r.at, is.word+" is of a whole search, not of a step", "leave @"+r.Step+" out")
	}
	r.Metric, r.Unit = is.word, is.unit
	switch {
	case is.bare && end >= 0:
		return r, p.fault(end, is.word+" takes no comparison", "write "+strings.TrimRight(name, " "))
	case is.bare:
		return r, nil
	case end < 0:
		return r, p.fault(len(p.text), "there is no comparison", "write "+p.text+example(is))
	}
	return r, p.comparison(&r, is, end)
}

// example is how a comparison goes on, for hints.
func example(is metric) string {
	if is.more {
		return ">=20" + is.units[0].name
	}
	if is.time {
		return "<=300ms"
	}
	return "<=1" + is.units[0].name
}

// subject reads "SERVICE.METRIC", which begins at a byte of the text. A service's name
// may hold dots: the metric is the longest end that is one.
func (p parser) subject(r *Requirement, from int, text string) (metric, error) {
	if is, ok := find(text); ok && is.bare {
		return is, nil
	}
	for at := range len(text) {
		if text[at] != '.' || at == 0 {
			continue
		}
		is, q, what := metricOf(text[at+1:])
		if what != "" {
			return metric{}, p.fault(from+at+1, what, "percentiles are p50 to p99.9, as in p95")
		}
		if is.word != "" {
			r.Service, r.Quantile = text[:at], q
			return is, nil
		}
	}
	if is, _, _ := metricOf(text); is.word != "" {
		return metric{}, p.fault(from, "it names no service", "write the service first, as in vision."+text)
	}
	at := strings.IndexByte(text, '.')
	if at < 0 {
		return metric{}, p.fault(from, fmt.Sprintf("%q names no metric", cut(text)), form)
	}
	hint := "metrics: " + strings.Join(words(), ", ")
	if is, ok := find(text[at+1:]); ok && is.time {
		return metric{}, p.fault(from+at+1+len(is.word), is.word+" needs a percentile or mean", "write "+text+".p95")
	}
	return metric{}, p.fault(from+at+1, fmt.Sprintf("unknown metric %q", cut(text[at+1:])), hint)
}

// metricOf reads "p95", "ttft.p95", "latency.mean", "errors": its metric and share, or
// none. What is wrong with a percentile is told.
func metricOf(text string) (is metric, quantile float64, wrong string) {
	if m, ok := find(text); ok && !m.time {
		return m, 0, ""
	}
	word, rest, has := strings.Cut(text, ".")
	m, ok := find(word)
	if !ok || !m.time || !has {
		m, rest = metrics[0], text // a lone percentile is latency's
		if rest == "mean" {
			return m, 0, ""
		}
	}
	switch {
	case rest == "mean":
		return m, 0, ""
	case len(rest) > 1 && rest[0] == 'p' && rest[1] >= '0' && rest[1] <= '9':
		// "95" and the exponent make the double nearest to 0.95; a division need not.
		q, err := strconv.ParseFloat(rest[1:]+"e-2", 64)
		if err != nil || !(q > 0 && q < 1) {
			return metric{}, 0, fmt.Sprintf("%q is no percentile between 0 and 100", cut(rest))
		}
		return m, q, ""
	}
	return metric{}, 0, ""
}

// comparison reads what stands from the operator on.
func (p parser) comparison(r *Requirement, is metric, at int) error {
	r.Op = p.text[at : at+1]
	rest := at + 1
	if rest < len(p.text) && p.text[rest] == '=' {
		r.Op += "="
		rest++
	}
	if (r.Op[0] == '>') != is.more {
		good, hint := "< or <=", "less of it is better"
		if is.more {
			good, hint = "> or >=", "more of it is better"
		}
		return p.fault(at, fmt.Sprintf("%s takes %s, not %s", is.word, good, r.Op), hint)
	}
	for rest < len(p.text) && p.text[rest] == ' ' {
		rest++
	}
	end := rest
	for end < len(p.text) && (p.text[end] >= '0' && p.text[end] <= '9' || p.text[end] == '.') {
		end++
	}
	if _, err := strconv.ParseFloat(p.text[rest:end], 64); err != nil {
		return p.fault(rest, "there is no number to compare with", "write "+p.text[:rest]+strings.TrimLeft(example(is), "<>="))
	}
	unit := strings.Trim(p.text[end:], " ")
	i := slices.IndexFunc(is.units, func(u written) bool { return u.name == unit })
	if i < 0 {
		var fit []string
		for _, u := range is.units {
			if u.name != "" {
				fit = append(fit, u.name)
			}
		}
		hint := "units that fit: " + strings.Join(fit, ", ")
		if len(fit) == 0 {
			hint = "write the number alone"
		}
		what := fmt.Sprintf("%q is no unit of %s", cut(unit), is.word)
		if unit == "" {
			what = is.word + " needs a unit"
		}
		return p.fault(end, what, hint)
	}
	r.Limit = is.units[i].base(p.text[rest:end])
	if is.cell {
		r.LoadUnit = unit
	}
	if is.unit == "ratio" && r.Limit > 1 {
		return p.fault(rest, "a share is at most 100 %", "")
	}
	if is.time && r.Limit <= 0 {
		return p.fault(rest, "a limit on time is above 0", "")
	}
	return nil
}

func find(word string) (metric, bool) {
	for _, m := range metrics {
		if m.word == word {
			return m, true
		}
	}
	return metric{}, false
}

// words lists the metrics as they are written.
func words() []string {
	list := []string{"p50 to p99.9 of latency"}
	for _, m := range metrics {
		if m.time {
			list = append(list, m.word+".p95", m.word+".mean")
		} else {
			list = append(list, m.word)
		}
	}
	return list
}

// cut shortens what is quoted.
func cut(text string) string {
	if r := []rune(text); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return text
}
