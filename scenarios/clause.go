package scenarios

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/results"
)

// A ClauseError says what is wrong with the text of an SLO clause.
type ClauseError struct {
	Clause string // the whole text
	Column int    // where the fault begins, in characters from 1
	Text   string // what is wrong
	Hint   string // what would be right; may be empty
}

// Error gives the clause and the fault on one line.
func (e *ClauseError) Error() string { return fmt.Sprintf("SLO %q: %s", e.Clause, e.Text) }

const (
	limits     = "p95 < 300 ms, ttft p90 < 5 s, errors <= 0 %, queue <= 4, tokens/s >= 100"
	clauseForm = "write " + limits + `, or any of them after "class: "`
)

// rates are what people call the load that is met.
var rates = []string{"throughput", "rps", "qps", "req/s", "requests/s", "requests", "rate", "rpm", "req/min", "fps"}

var clausePattern = regexp.MustCompile(
	`^(?:([A-Za-z0-9][A-Za-z0-9._:/-]*) *: +)?` + // class
		`((?:latency +|ttft +)?p(?:[0-9]{1,2}(?:\.[0-9]{1,6})?)|[a-z][a-z_/]*)` + // metric, with its percentile
		` *(<=|>=|<|>|=+) *` +
		`([0-9]{1,18}(?:\.[0-9]{1,30})?)` +
		` *([^ ]*)$`)

// maxLimit and 1/maxLimit bound a limit other than 0, in base units.
const maxLimit = 1e9

// A measure is what a metric is: its written names, its units with the power
// of ten or factor to the base unit, and whether more is better.
type measure struct {
	word, metric, unit string
	quantile, more     bool
	units              []written
}

// written is a unit as people write it: one of it is factor × 10^exponent base units.
type written struct {
	name     string
	exponent int
	factor   float64
}

var spans = []written{{"s", 0, 1}, {"ms", -3, 1}, {"us", -6, 1}, {"min", 0, 60}}

var measures = []measure{
	{"latency", "latency", "s", true, false, spans},
	{"ttft", "ttft", "s", true, false, spans},
	{"errors", "errors", "ratio", false, false, []written{{"%", -2, 1}}},
	{"queue", "queue", "1", false, false, []written{{"", 0, 1}}},
	{"tokens/s", "tokens_per_second", "1/s", false, true, []written{{"", 0, 1}}},
}

// ParseClause reads one SLO clause. Its Limit is in the base unit and its Text
// is the text without the spaces around it. The error is a *[ClauseError].
func ParseClause(text string) (results.Clause, error) {
	var c results.Clause
	c.Text = strings.Trim(text, " ")
	shift := len(text) - len(strings.TrimLeft(text, " "))
	fault := func(offset int, text, hint string) (results.Clause, error) {
		return results.Clause{}, &ClauseError{c.Text, offset + shift + 1, text, hint}
	}
	m := clausePattern.FindStringSubmatchIndex(c.Text)
	if m == nil {
		return fault(0, fmt.Sprintf("%q is no SLO clause", cut(c.Text)), clauseForm)
	}
	part := func(i int) string {
		if m[2*i] < 0 {
			return ""
		}
		return c.Text[m[2*i]:m[2*i+1]]
	}
	c.Class = part(1)
	word, quantile := splitMetric(part(2))
	i := slices.IndexFunc(measures, func(m measure) bool { return m.word == word })
	if i < 0 {
		hint := kind.Known(word, words())
		if slices.Contains(rates, word) {
			hint = "take it out: answers a second are what evabench finds, at the loads of levels or of a search; what can be limited, for example: " + limits
		}
		return fault(m[4], fmt.Sprintf("unknown metric %q", cut(word)), hint)
	}
	is := measures[i]
	c.Metric, c.Unit, c.Op = is.metric, is.unit, part(3)
	switch {
	case is.quantile && quantile == "":
		return fault(m[4], word+" needs a percentile", "write "+strings.TrimPrefix(word+" p95", "latency "))
	case is.quantile:
		// "95" and the exponent make the double nearest to 0.95; a division need not.
		c.Quantile, _ = strconv.ParseFloat(quantile+"e-2", 64)
		if !(c.Quantile > 0 && c.Quantile < 1) {
			return fault(m[4], fmt.Sprintf("p%s is no percentile between 0 and 100", quantile), "")
		}
	}
	if good := is.ops(); !slices.Contains(good, c.Op) {
		return fault(m[6], fmt.Sprintf("%s takes %s, not %s", word, strings.Join(good, " or "), c.Op), "write "+c.Text[:m[6]]+good[0]+c.Text[m[7]:])
	}
	unit, ok := is.find(part(5))
	if !ok {
		return fault(m[10], is.wrongUnit(part(5), quantile), is.fitting(c.Text[:m[9]]))
	}
	c.Limit = unit.base(part(4))
	if c.Limit > maxLimit || c.Limit > 0 && c.Limit < 1/maxLimit {
		return fault(m[8], fmt.Sprintf("no limit is as large or small as %s", cut(part(4))), "")
	}
	if is.metric == "errors" && c.Limit > 1 {
		return fault(m[8], "a share of errors is at most 100 %", "")
	}
	if c.Op == "<" && c.Limit == 0 && !is.quantile {
		return fault(m[6], "nothing is less than 0: no load can meet it", "write "+c.Text[:m[6]]+"<="+c.Text[m[7]:]+" for none at all")
	}
	if is.quantile && c.Limit <= 0 {
		return fault(m[8], "a limit on time is above 0", "such as "+is.name(quantile)+" < 300 ms")
	}
	return c, nil
}

// splitMetric takes "ttft p90" apart; a lone percentile is latency's.
func splitMetric(text string) (word, quantile string) {
	if f := strings.Fields(text); len(f) == 2 {
		return f[0], f[1][1:]
	}
	if len(text) > 1 && text[0] == 'p' && text[1] >= '0' && text[1] <= '9' {
		return "latency", text[1:]
	}
	return text, ""
}

// FormatClause writes a clause in base words and units, so that [ParseClause]
// reads the same clause, apart from its Text.
func FormatClause(c results.Clause) string {
	var b strings.Builder
	if c.Class != "" {
		b.WriteString(c.Class + ": ")
	}
	limit := strconv.FormatFloat(c.Limit, 'f', -1, 64)
	for _, m := range measures {
		if m.metric != c.Metric {
			continue
		}
		switch {
		case m.quantile && m.metric != "latency":
			b.WriteString(m.word + " p" + hundredfold(c.Quantile))
		case m.quantile:
			b.WriteString("p" + hundredfold(c.Quantile))
		default:
			b.WriteString(m.word)
		}
		if c.Unit == "ratio" {
			limit = hundredfold(c.Limit)
		}
		b.WriteString(strings.TrimRight(" "+c.Op+" "+limit+" "+m.units[0].name, " "))
	}
	return b.String()
}

// hundredfold writes 100 v by moving the decimal point, without rounding.
func hundredfold(v float64) string {
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(v, 'f', -1, 64), ".")
	for len(fraction) < 2 {
		fraction += "0"
	}
	whole = strings.TrimLeft(whole+fraction[:2], "0")
	if whole == "" {
		whole = "0"
	}
	if rest := fraction[2:]; rest != "" {
		whole += "." + rest
	}
	return whole
}

func words() []string {
	all := make([]string, len(measures))
	for i, m := range measures {
		all[i] = m.word
	}
	return all
}

func (m measure) ops() []string {
	if m.more {
		return []string{">", ">="}
	}
	return []string{"<", "<="}
}

func (m measure) find(name string) (written, bool) {
	for _, u := range m.units {
		if u.name == name {
			return u, true
		}
	}
	return written{}, false
}

// name is how a clause begins.
func (m measure) name(quantile string) string {
	if quantile == "" {
		return m.word
	}
	return strings.TrimPrefix(m.word+" p"+quantile, "latency ")
}

func (m measure) wrongUnit(unit, quantile string) string {
	what := m.name(quantile)
	switch {
	case unit == "":
		return what + " needs a unit"
	case m.units[0].name == "":
		return fmt.Sprintf("%s takes no unit, not %q", what, cut(unit))
	default:
		return fmt.Sprintf("%q is the wrong unit for %s", cut(unit), what)
	}
}

// fitting shows how to go on after a clause's number.
func (m measure) fitting(begun string) string {
	if len(m.units) == 1 {
		return strings.TrimRight("write "+begun+" "+m.units[0].name, " ")
	}
	var names []string
	for _, u := range m.units {
		names = append(names, u.name)
	}
	return "write " + begun + " ms; units that fit: " + strings.Join(names, ", ")
}

// base turns a written number into base units; the pattern has bounded it.
func (u written) base(text string) float64 {
	v, err := strconv.ParseFloat(text+"e"+strconv.Itoa(u.exponent), 64)
	if err != nil {
		return math.NaN()
	}
	return v * u.factor
}
