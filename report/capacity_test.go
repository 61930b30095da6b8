package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/results"
)

// rowsOf gives the texts of a table of a Document.
func rowsOf(t *testing.T, d *Document, id string) [][]string {
	t.Helper()
	for _, s := range d.Sections {
		for _, table := range s.Tables {
			if table.ID != id {
				continue
			}
			var rows [][]string
			for _, row := range table.Rows {
				var texts []string
				for _, c := range row {
					texts = append(texts, c.Text)
				}
				rows = append(rows, texts)
			}
			return rows
		}
	}
	t.Fatalf("no table %q", id)
	return nil
}

func TestCapacityStandsInFront(t *testing.T) {
	d := Build(madeSearches())
	var titles []string
	for _, s := range d.Sections[:4] {
		titles = append(titles, s.Title)
	}
	if want := []string{"Capacity", "Capacity table", "Checklist", "How the capacity was found"}; !slices.Equal(titles, want) {
		t.Errorf("the first sections are %v, want %v", titles, want)
	}
	if d := Build(madeUp(t)); d.Sections[0].Title != "Comparison" || len(d.Alerts.Groups) > 0 {
		t.Errorf("without a search the report begins with %q", d.Sections[0].Title)
	}
}

// The documents' sentence has the load, its SLA, what was held and how sure it is.
func TestSentence(t *testing.T) {
	notes := Build(madeSearches()).Sections[0].Notes
	want := "001-c0-r1: Service vision sustains 90 req/s (Poisson arrivals) at p95 < 300 ms and p99 < 500 ms and owl-v2: p95 < 400 ms, with no errors and no queue that grows; " +
		"its capacity is 96 req/s, 95 % interval 94.10 to 98.20; confirmed for 600.0 s and with heavy payloads for 600.0 s; beside it: agent at 4 users."
	if notes[0] != want {
		t.Errorf("the sentence is\n%s\nwant\n%s", notes[0], want)
	}
	for _, note := range notes {
		if strings.HasPrefix(note, "002") || strings.HasPrefix(note, "003") {
			t.Errorf("a configuration of which no load is confirmed sustains something: %s", note)
		}
	}
}

// Each way in which a search can end says what is known and what to do next; none but
// those that confirmed one has a load in the documents' table.
func TestStates(t *testing.T) {
	d := Build(madeSearches())
	state := map[string]string{}
	for _, row := range rowsOf(t, d, "capacity") {
		if row[1] != "agent" {
			state[row[0][:3]+row[1]] = row[len(row)-1]
		}
	}
	for cell, want := range map[string]string{
		"001vision": "found", "002vision": "no load is allowed; at 90.00: agent: a queue grew. Next: confirm at a lower load",
		"003vision": "Never met: not met at 10 req/s. Next: begin lower", "004vision": "Always met: met at 200 req/s. Next: allow more load",
		"005vision": "Cliff: met at 80 req/s, not met at 81 req/s. Next: sign no more", "006vision": "Non-monotone: met at 80 req/s, not met at 60 req/s. Next:",
		"007vision": "rose from 210 ms to 290 ms over three probes. Next: warm up for longer", "008vision": "the budget was spent. Next: run it again with a larger budget",
		"009vision": "our own lag at 90 req/s. Next: run evabench on a machine of its own", "010(all)": "found",
	} {
		if !strings.Contains(state[cell], want) {
			t.Errorf("%s: %q does not say %q", cell, state[cell], want)
		}
	}
	var allowed []string
	for _, row := range rowsOf(t, d, "capacity-table") {
		allowed = append(allowed, row[0][:3]+" "+row[1]+" "+row[5])
	}
	if want := []string{"001 vision 90 req/s", "001 agent 4 users", "004 vision 200 req/s", "004 agent 4 users", "010 vision 90 req/s", "010 agent 6 users"}; !slices.Equal(allowed, want) {
		t.Errorf("allowed are %v, want %v", allowed, want)
	}
}

// 90 req/s are half more than the target of 60, the capacity of 96 lies 6.7 % above
// them, and 101.5/s are 13.0 % more than the 89.82/s of the confirmation.
func TestHeadroom(t *testing.T) {
	rows := rowsOf(t, Build(madeSearches()), "capacity-table")
	const want = "+50.0 % against the target of 60 req/s; revisit before it passes 90 req/s; capacity +6.7 %; lower end of its interval +4.6 %; saturation at 101.5 req/s (+13.0 %)"
	if got := rows[0][8]; got != want {
		t.Errorf("headroom %q, want %q", got, want)
	}
	s := madeSearches()
	s.Environment.Services = nil
	if got := rowsOf(t, Build(s), "capacity-table")[0][8]; !strings.HasPrefix(got, "the target was not recorded") {
		t.Errorf("without a target: %q", got)
	}
}

// pointsOf gives the checklist's of one configuration, by point.
func pointsOf(t *testing.T, s *analysis.Summary) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, row := range rowsOf(t, Build(s), "checklist") {
		if row[0] == "found" {
			got[row[2]] = row[3] + ": " + row[4]
		}
	}
	if len(got) < 20 {
		t.Fatalf("only %d points", len(got))
	}
	return got
}

const spikePoint = "one service at three times its load leaves its neighbours' SLA whole"

// What the run did not show is not answered with yes, and what it did is.
func TestChecklist(t *testing.T) {
	got := pointsOf(t, madeSearches())
	for point, want := range map[string]string{
		"response times": "yes: vision: p95 < 300 ms", "client timeouts, as in this run": "not shown: vision: 10.00 s; agent: not recorded",
		"model sizes against the memory of devices": "yes: 4g.48gb (47 GiB): 2 x 3 GiB", "peaks under load": "yes: gpu0/gi1: 9 GiB of 24 GiB",
		"queue wait time": "not shown: vision: mean 12.00 ms; agent: mean unknown", "CPU use": "not shown:",
		"rules at the measured boundary are written": "yes: vision: EvabenchLoadAboveAllowed", "the rules are loaded and reach somebody": "not shown",
		"at what load the queue grows": "yes: that of vision grew from 105 req/s of vision; saturation at 101.5 req/s", "where the tail breaks the SLA": "yes: vision: p95 < 300 ms not met from 94 req/s of vision",
		"where memory runs out": "not shown: it did not in any of 5 steps", "first actions": "not shown: proposed, not tried: vision: p99 < 500 ms fails first", spikePoint: "not shown",
	} {
		if !strings.HasPrefix(got[point], want) {
			t.Errorf("%s: %q, want %q", point, got[point], want)
		}
	}
}

// A step with three times the allowed load of one service and the others at theirs
// answers the realism check; a little less does not.
func TestSpike(t *testing.T) {
	for _, c := range []struct {
		load   float64
		result string
		want   string
	}{
		{270, analysis.Met, "yes"}, {269, analysis.Met, "not shown"}, {270, analysis.NotMet, "no: "}, {270, analysis.Unknown, "not shown"},
	} {
		s := madeSearches()
		step := &s.Cells[0].Steps[1]
		step.Services[0].Level.Value = c.load
		for i := range step.Services[1].SLO {
			step.Services[1].SLO[i].Result = analysis.Met
		}
		step.Services[1].SLO[0].Result = c.result
		step.Services[1].Verdict.Is = analysis.Valid
		if got := pointsOf(t, s)[spikePoint]; !strings.HasPrefix(got, c.want) {
			t.Errorf("at %v with a neighbour's clause %s: %q, want %q", c.load, c.result, got, c.want)
		}
	}
}

// No point is answered with yes by what nobody agreed on, what was not counted or what
// tells of our own machine.
func TestChecklistIsNotTickedByNothing(t *testing.T) {
	const rates, breaks, grows = "acceptable error rates", "where the tail breaks the SLA", "at what load the queue grows"
	const sizes = "model sizes against the memory of devices"
	whole := func(s *analysis.Summary) { // a step in which vision has three times its load beside a good neighbour
		step := &s.Cells[0].Steps[1]
		step.Services[0].Level.Value = 270
		step.Services[1].Verdict.Is = analysis.Valid
		for i := range step.Services[1].SLO {
			step.Services[1].SLO[i].Result = analysis.Met
		}
	}
	for _, c := range []struct {
		name, point, want string
		change            func(*analysis.Summary)
	}{
		{"an error rate by default", rates, "no: vision: errors <= 0 % (default)", func(*analysis.Summary) {}},
		{"an error rate of every service", rates, "yes: vision: errors <= 1 %", func(s *analysis.Summary) {
			s.Cells[0].Steps[3].Services[0].SLO[3].Clause.Text = "errors <= 1 %"
		}},
		{"a model of unknown need", sizes, "not shown: gpu0 (95 GiB): what 2 x owl-v2 takes is unknown", func(s *analysis.Summary) {
			s.Environment.Memory["found"] = "    gpu0 (95 GiB): what 2 x owl-v2 takes is unknown\n"
		}},
		{"models that do not fit", sizes, "no: gpu0 (95 GiB): owl-v2", func(s *analysis.Summary) {
			s.Environment.Memory["found"] = "    gpu0 (95 GiB): owl-v2 2 x 50 GiB = 100 GiB; together 100 GiB, 5 GiB too much\n"
		}},
		{"nothing was due", "errors", "not shown: vision: 0 of 0", func(s *analysis.Summary) {
			s.Cells[0].Steps[3].Services[0].Total.Due, s.Cells[0].Steps[3].Services[0].Total.OK = 0, 0
		}},
		{"clauses missed by a slow client", breaks, "not shown", func(s *analysis.Summary) {
			for i := range s.Cells[0].Steps {
				s.Cells[0].Steps[i].Services[0].Verdict.Is = analysis.ClientLimited
			}
		}},
		{"one answer that said what the log says", "where memory runs out", "yes: answers said so 1 time, and logs or ends of instances 2 times, in vision 105 req/s, agent 4 users", func(s *analysis.Summary) {
			s.Cells[0].Steps[1].OutOfMemory = map[string]int64{"vision-0": 2}
			s.Cells[0].Steps[1].Services[0].Total.Outcomes = []analysis.Count{{Outcome: results.OOM, N: 1}}
		}},
		{"clocks that the operator set", "where clocks are held down", "yes: nowhere in this run", func(s *analysis.Summary) {
			s.Cells[0].Steps[1].Activity.GPUs = []analysis.GPUActivity{{GPU: "gpu0", Reasons: []analysis.EventReason{
				{Name: "application clocks", Share: known(1, "ratio")}, {Name: "power cap", Share: known(0, "ratio")},
			}}}
		}},
		{"clocks of which only the operator's are known", "where clocks are held down", "not shown", func(s *analysis.Summary) {
			s.Cells[0].Steps[1].Activity.GPUs = []analysis.GPUActivity{{GPU: "gpu0", Reasons: []analysis.EventReason{{Name: "application clocks", Share: known(0, "ratio")}}}}
		}},
		{"heavy payloads that broke it", breaks, "yes: vision: p95 < 300 ms not met from 94 req/s", func(s *analysis.Summary) {
			s.Cells[0].Steps[4].Services[0].SLO[0].Result = analysis.NotMet
		}},
		{"a spike that broke it", breaks, "yes: vision: p95 < 300 ms not met from 94 req/s", func(s *analysis.Summary) {
			s.Cells[0].Steps[0].Purpose, s.Cells[0].Steps[0].Services[0].SLO[0].Result = results.PurposeSpike, analysis.NotMet
		}},
		{"heavy payloads alone that broke it", breaks, "not shown: a step at which a percentile passes its limit: none did but with heavy requests or in a spike", func(s *analysis.Summary) {
			for i := range s.Cells[0].Steps {
				for j := range s.Cells[0].Steps[i].Services {
					for k := range s.Cells[0].Steps[i].Services[j].SLO {
						s.Cells[0].Steps[i].Services[j].SLO[k].Result = analysis.Met
					}
				}
			}
			s.Cells[0].Steps[4].Services[0].SLO[0].Result = analysis.NotMet
		}},
		{"heavy payloads of which a queue grew", grows, "yes: that of vision grew from 105 req/s", func(s *analysis.Summary) {
			s.Cells[0].Steps[4].Services[0].Verdict.Is = analysis.Saturated
		}},
		{"all had three times their loads", spikePoint, "not shown: vision 105 req/s, agent 4 users, steady for 600.0 s and not sudden: vision: p95 < 300 ms: 630.0 ms, at 270 req/s, more than its own allowed load", func(s *analysis.Summary) {
			whole(s)
			agent := &s.Cells[0].Steps[1].Services[1]
			agent.Level.Value, agent.SLO[0].Result = 12, analysis.NotMet
		}},
		{"a neighbour that is asked for nothing", spikePoint, "not shown: ", func(s *analysis.Summary) {
			whole(s)
			s.Cells[0].Steps[1].Services[1].SLO = nil
		}},
		{"a neighbour measured by a slow client", spikePoint, "not shown: ", func(s *analysis.Summary) {
			whole(s)
			s.Cells[0].Steps[1].Services[1].Verdict.Is = analysis.ClientLimited
		}},
		{"a spike that was shown, before one that was not", spikePoint, "yes: vision 105", func(s *analysis.Summary) {
			whole(s)
			later := s.Cells[0].Steps[1]
			later.Services = slices.Clone(later.Services)
			later.Services[1].SLO = slices.Clone(later.Services[1].SLO)
			later.Services[1].SLO[0].Result, later.Name = analysis.Unknown, "later"
			s.Cells[0].Steps = append(s.Cells[0].Steps, later)
		}},
	} {
		s := madeSearches()
		c.change(s)
		if got := pointsOf(t, s)[c.point]; !strings.HasPrefix(got, c.want) || strings.Contains(got, "later") {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// What is not known of a device, which its record has as 0, is not 0: NVML tells no SMs of a
// card that it does not know.
func TestUnknownSizesOfDevices(t *testing.T) {
	s := madeSearches()
	for i := range s.Cells[0].Layout.Devices {
		s.Cells[0].Layout.Devices[i].SMs, s.Cells[0].Layout.Devices[i].MemoryBytes = 0, 0
	}
	for _, d := range []*Document{Build(s), Brief(s)} {
		var texts []string
		for _, row := range rowsOf(t, d, "placement")[:2] {
			texts = append(texts, row...)
		}
		if n := len(texts) - len(slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return text == "unknown" })); n != 4 || slices.Contains(texts, "0") {
			t.Errorf("%d sizes of two devices are unknown in %q, want 4", n, texts)
		}
	}
	if got := rowsOf(t, Build(s), "capacity-table")[0][2]; got != "1g.24gb of NVIDIA RTX PRO 6000, unknown memory, ts" {
		t.Errorf("it runs on %q", got)
	}
	if got := pointsOf(t, s)["peaks under load"]; !strings.HasPrefix(got, "yes: gpu0/gi1: 9 GiB of unknown memory") {
		t.Errorf("peaks: %q", got)
	}
}

// Why requests drift is told also where something is to be said of the backlog, as of each
// closed loop.
func TestSteadinessTellsBothReasons(t *testing.T) {
	s := madeSearches()
	step := &s.Cells[0].Steps[1]
	step.Services[1].Growth = analysis.QueueGrowth{Result: analysis.NotJudged, Why: "its users wait"}
	step.Services[1].Drift = analysis.Drift{Result: analysis.Drifts, Why: "requests took +20 % longer"}
	step.Services[0].Growth = analysis.QueueGrowth{Result: analysis.NotJudged, Why: "empty window"}
	step.Services[0].Drift = analysis.Drift{Result: analysis.NotJudged, Why: "empty window"}
	var got []string
	for _, row := range rowsOf(t, Build(s), "steadiness") {
		got = append(got, row[len(row)-1])
	}
	if want := []string{"empty window", "its users wait; requests took +20 % longer"}; !slices.Equal(got, want) {
		t.Errorf("told are %q, want %q", got, want)
	}
}

// How requests are dealt is told of every service with several instances, whether or not
// its workers are known.
func TestRoutingIsTold(t *testing.T) {
	s := madeSearches()
	other := s.Cells[0].Cell.Instances[1]
	other.Name = "agent-1"
	s.Cells[0].Cell.Instances = append(s.Cells[0].Cell.Instances, other)
	rows := rowsOf(t, Build(s), "capacity-table")
	if vision, agent := rows[0][4], rows[1][4]; strings.Contains(vision, "routing") || !strings.Contains(agent, "routing round-robin") {
		t.Errorf("one instance has %q, two have %q", vision, agent)
	}
}

// The sentence claims no clause that is not known to be met, and no steady queue that
// was not judged.
func TestSustainsClaimsWhatIsKnown(t *testing.T) {
	s := madeSearches()
	for i := range s.Cells[0].Steps {
		v := &s.Cells[0].Steps[i].Services[0]
		v.Growth.Result, v.Growth.Why = analysis.NotJudged, "9 arrivals are too few"
	}
	c := searches(s)[0]
	vision, agent := c.sustains(c.capacity.Loads[0]), c.sustains(c.capacity.Loads[1])
	if want := "growth of queues not judged (9 arrivals are too few)"; !strings.Contains(vision, want) || strings.Contains(vision, "no queue that grows") {
		t.Errorf("%q, want %q", vision, want)
	}
	if want := "ttft p90 < 5 s (NOT KNOWN: need n ≥ 29, have 12)"; !strings.Contains(agent, want) || !strings.Contains(agent, "no queue that grows") {
		t.Errorf("%q, want %q", agent, want)
	}
}

// Nothing of the engine's is asked for that it does not have, and what is left out is
// told.
func TestAlertsTellWhatIsLeftOut(t *testing.T) {
	s := madeSearches()
	s.Cells = s.Cells[:1]
	s.Cells[0].Cell.Instances[0].Scrapes = s.Cells[0].Cell.Instances[0].Scrapes[:1] // the management page only
	s.Cells[0].Cell.Instances[1].Scrapes[0].Kind = "llama-server"
	groups := Build(s).Alerts.Groups
	if len(groups[0].Rules) > 0 || !strings.Contains(groups[0].Comments[0], "torchserve") {
		t.Errorf("vision has %d rules; %q", len(groups[0].Rules), groups[0].Comments)
	}
	var names []string
	for _, r := range groups[1].Rules {
		names = append(names, r.Alert)
		if !strings.Contains(r.Expr, "llamacpp:") {
			t.Errorf("%s: %s", r.Alert, r.Expr)
		}
	}
	if want := []string{"EvabenchLoadAboveAllowed", "EvabenchQueueAboveMeasured", "EvabenchQueueAboveLimit", "EvabenchNoMetrics"}; !slices.Equal(names, want) {
		t.Errorf("rules %v, want %v", names, want)
	}
	left := strings.Join(groups[1].Comments, "\n")
	for _, clause := range []string{"p90 < 20 s", "ttft p90 < 5 s", "errors <= 1 %", "tokens_per_second >= 100"} {
		if !strings.Contains(left, "Left out: "+clause) {
			t.Errorf("nothing says that %q is left out: %s", clause, left)
		}
	}
}

// Of replicates the one with the least allowed load counts.
func TestLeastReplicateCounts(t *testing.T) {
	s := madeSearches()
	s.Cells = []analysis.Cell{s.Cells[1], s.Cells[3], s.Cells[0]}
	for i := range s.Cells {
		s.Cells[i].Cell.Config.Name = "same"
	}
	if picked := signedOf(searches(s)); len(picked) != 1 || picked[0].cell.Cell.Folder != "001-c0-r1" {
		t.Errorf("%d picked, the first is %s", len(picked), picked[0].cell.Cell.Folder)
	}
}

// Each clause's column has the clause's own unit.
func TestClausesHaveTheirUnits(t *testing.T) {
	want := map[string]string{"p99 < 500 ms": "s", "errors <= 1 %": "ratio", "queue <= 2": "1", "tokens_per_second >= 100": "1/s"}
	for _, c := range found(searches(madeSearches())).Tables[0].Columns {
		if unit, ok := want[c.Name]; ok && c.Unit == unit {
			delete(want, c.Name)
		}
	}
	if len(want) > 0 {
		t.Errorf("no columns of %v", want)
	}
}

// The steps of a search stand beside no others: there is no section that compares them,
// and nobody is told that nothing was measured.
func TestSearchHasNoComparison(t *testing.T) {
	s := madeSearches()
	for _, section := range Build(s).Sections {
		if slices.Contains([]string{"Comparison", "MIG x MPS", "Vision models"}, section.Title) {
			t.Errorf("a search's report has the section %q: %q", section.Title, section.Notes)
		}
	}
	for _, section := range Brief(s).Sections {
		if slices.Contains(section.Notes, "No step was measured.") {
			t.Errorf("the short form says %q", section.Notes)
		}
	}
	s.Comparison = sweep(t).Comparison
	if d := Build(s); !slices.ContainsFunc(d.Sections, func(s Section) bool { return s.Title == "Comparison" }) {
		t.Error("levels beside a search are not compared")
	}
}
