package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/internal/units"
)

// effectNotes say how the effects of a 2x2 are reckoned.
var effectNotes = []string{
	"Effect = ratio of the means over the replicates that have all its corners, and of these over those that measure the server, if two do, - 1: MIG alone = MIG / neither - 1, MIG with MPS = both / MPS - 1, and so on.",
	"Interaction = (both / MPS) / (MIG / neither) - 1: 0 where MIG does the same with MPS and without.",
	"The published change is that of MIG and MPS together against neither; it is not the effect of either.",
}

// factorials has each 2x2 of MIG and MPS: the four means, each effect and the
// interaction.
func factorials(s *analysis.Summary) Section {
	section := Section{Title: "MIG x MPS", Together: true, Notes: effectNotes}
	for _, c := range s.Comparison {
		for i, f := range c.Factorials {
			section.Tables = append(section.Tables, cornerTable(c, f, i), effectTable(c, f, i))
			if t := effectRanges(c, f, i); len(t.Rows) > 0 {
				section.Tables = append(section.Tables, t)
			}
		}
	}
	if len(section.Tables) == 0 {
		section.Notes = []string{"The configurations form no 2x2 of MIG and MPS: it takes three of the four that differ in these alone."}
	}
	return section
}

// factorialName tells which 2x2 it is.
func factorialName(f analysis.Factorial) string {
	name := fmt.Sprintf("%s or %s, %s or %s", f.Layouts[0], f.Layouts[1], f.Sharings[0], f.Sharings[1])
	if f.Placements[0] != f.Placements[1] {
		name += fmt.Sprintf(", placed %s or %s", f.Placements[0], f.Placements[1])
	}
	if f.Others != "" {
		name += ", " + f.Others
	}
	return name
}

// cornerTable has the means, a row for each corner.
func cornerTable(c analysis.Comparison, f analysis.Factorial, i int) Table {
	t := Table{
		ID: fmt.Sprintf("means-%d-%d", c.Index, i), Title: fmt.Sprintf("%s: means of %s", stepName(c.Step, c.Index), factorialName(f)),
		Columns: []Column{words("Corner"), words("Configuration")},
	}
	rows := [][]Cell{
		{Text("neither"), Text(cmp.Or(f.Configs.Neither, "not measured"))}, {Text("MIG"), Text(cmp.Or(f.Configs.MIG, "not measured"))},
		{Text("MPS"), Text(cmp.Or(f.Configs.MPS, "not measured"))}, {Text("both"), Text(cmp.Or(f.Configs.Both, "not measured"))},
	}
	for _, m := range f.Metrics {
		t.Columns = append(t.Columns, numbers(m.Name, m.Unit))
		for j, v := range []analysis.Value{m.Means.Neither, m.Means.MIG, m.Means.MPS, m.Means.Both} {
			rows[j] = append(rows[j], number(v, m.Unit))
		}
	}
	t.Rows = rows
	return t
}

// An effect is one of a metric's effects, with its name.
type effect struct {
	name string
	analysis.Effect
}

const effectTitle = "Effects of MIG and MPS"

// bothName names the effect that the published tables tell.
const bothName = "MIG+MPS against neither"

const interactionName = "Interaction"

// effectsOf lists a metric's effects, always in one order.
func effectsOf(m analysis.FactorialMetric) []effect {
	return []effect{
		{"MIG alone", m.MIG}, {"MIG with MPS", m.MIGWithMPS},
		{"MPS alone", m.MPS}, {"MPS with MIG", m.MPSWithMIG},
		{bothName, m.Both}, {interactionName, m.Interaction},
	}
}

// effectTable has a row for each figure and a column for each effect.
func effectTable(c analysis.Comparison, f analysis.Factorial, i int) Table {
	t := Table{
		ID: fmt.Sprintf("effects-%d-%d", c.Index, i), Title: effectTitle + ": " + factorialName(f),
		Columns: []Column{words("Figure")}, Notes: replicateNotes(f),
	}
	for _, e := range effectsOf(analysis.FactorialMetric{}) {
		t.Columns = append(t.Columns, ratios(e.name))
	}
	for _, m := range f.Metrics {
		row := []Cell{Text(m.Name)}
		for k, e := range effectsOf(m) {
			cell := effectCell(m, e)
			cell.Reckoned = effectCells(fmt.Sprintf("means-%d-%d", c.Index, i), len(t.Rows)+2)[k]
			row = append(row, cell)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// effectCell tells an effect, and whether it is better; an interaction is neither.
func effectCell(m analysis.FactorialMetric, e effect) Cell {
	if e.name == interactionName {
		return signed(e.Value)
	}
	return effectOf(e.Effect, lessIsBetter(m.Unit))
}

// effectCells say which cells of a column of a table of corners each effect comes from,
// where all corners have the same replicates.
func effectCells(table string, column int) []*Reckoned {
	const neither, mig, mps, both = 0, 1, 2, 3 // rows
	at := func(rows ...int) (cells []CellAt) {
		for _, row := range rows {
			cells = append(cells, CellAt{table, row, column})
		}
		return cells
	}
	ratio := func(times, over []CellAt) *Reckoned { return &Reckoned{1, 1, times, over} }
	return []*Reckoned{
		ratio(at(mig), at(neither)), ratio(at(both), at(mps)), ratio(at(mps), at(neither)), ratio(at(both), at(mig)),
		ratio(at(both), at(neither)), ratio(at(both, neither), at(mps, mig)),
	}
}

// replicateNotes tell how far the effects of a 2x2 can be trusted.
func replicateNotes(f analysis.Factorial) []string {
	var all []span // of the effects that are known, in their order
	var names []string
	whole := span{}
	for _, m := range f.Metrics {
		for _, e := range effectsOf(m) {
			if !e.Value.Known() {
				continue
			}
			i := slices.Index(names, e.name)
			if i < 0 {
				i, names, all = len(names), append(names, e.name), append(all, span{})
			}
			all[i].add(e.N)
			whole.add(e.N)
		}
	}
	const ranges = "intervals are of 95 %, by Student's t on the logs of the ratios within each replicate. One that holds 0 %: no difference shown."
	switch {
	case !whole.any:
		return nil
	case whole.most == 0:
		return []string{"n = 0: no replicate has all corners of an effect, so that nothing is known of chance, and of what changed between replicates."}
	case whole.least == 1 && whole.most == 1:
		return []string{"n = 1: how far an effect varies from run to run is unknown, and no interval is claimed."}
	case whole.least == whole.most:
		return []string{fmt.Sprintf("n = %s; %s", units.Plural(whole.most, "replicate"), ranges)}
	}
	var each []string
	for i, name := range names {
		each = append(each, name+" "+all[i].String())
	}
	notes := []string{fmt.Sprintf("n = %s replicates (%s): those that have all corners of the effect and measure the server, if two do; it is of these alone; %s", whole, strings.Join(each, ", "), ranges)}
	if whole.least == 0 {
		return append(notes, "Where n is 0, no replicate has all corners: the effect is of all means, and nothing is known of chance.")
	}
	if whole.least == 1 {
		return append(notes, "Where n is 1, how far the effect varies from run to run is unknown.")
	}
	return notes
}

// A span is from the least to the most of some counts.
type span struct {
	least, most int
	any         bool
}

func (s *span) add(n int) {
	if !s.any {
		*s = span{n, n, true}
	}
	s.least, s.most = min(s.least, n), max(s.most, n)
}

func (s span) String() string {
	if s.least == s.most {
		return strconv.Itoa(s.least)
	}
	return fmt.Sprintf("%d to %d", s.least, s.most)
}

// effectRanges tells the interval, and the range over replicates, of the effects that
// have one.
func effectRanges(c analysis.Comparison, f analysis.Factorial, i int) Table {
	t := Table{
		ID: fmt.Sprintf("effect-ranges-%d-%d", c.Index, i), Title: "Intervals of the effects: " + factorialName(f),
		Columns: []Column{
			words("Figure"), words("Effect"), numbers("Replicates", "n"), ratios("Effect of means"), ratios("95 % from"), ratios("to"), ratios("Least of a replicate"), ratios("Most"),
		},
	}
	for _, m := range f.Metrics {
		for _, e := range effectsOf(m) {
			if e.N > 1 {
				t.Rows = append(t.Rows, []Cell{Text(m.Name), Text(e.name), count(e.N), effectCell(m, e), signed(e.Low), signed(e.High), signed(e.Min), signed(e.Max)})
			}
		}
	}
	return t
}

// intervalText writes the interval of an effect so briefly that six stand in a line:
// "+6.1..+11.8".
func intervalText(e analysis.Effect) string {
	if !e.Low.Known() || !e.High.Known() {
		return ""
	}
	return bare(*e.Low.Number) + ".." + bare(*e.High.Number)
}

// bracket writes the interval of a relative change: "[+6.1, +11.8]".
func bracket(low, high float64) string { return "[" + bare(low) + ", " + bare(high) + "]" }

// bare writes a relative change in percent, without the sign of percent.
func bare(change float64) string { return strings.TrimSuffix(units.Change(change), " %") }
