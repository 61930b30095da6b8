package gated

import (
	"encoding/xml"
	"fmt"
	"io"

	"github.com/evabench/evabench/analysis/gate"
	"github.com/evabench/evabench/internal/units"
)

// The elements of JUnit's XML, with what both schemas that are in use (Jenkins'
// junit-10.xsd and Windy Road's for Ant) ask for.
type (
	suites struct {
		XMLName xml.Name `xml:"testsuites"`
		Suites  []suite  `xml:"testsuite"`
	}
	suite struct {
		Name       string     `xml:"name,attr"`
		Package    string     `xml:"package,attr"`
		ID         int        `xml:"id,attr"`
		Timestamp  string     `xml:"timestamp,attr"` // of the run's begin, UTC, without a zone
		Hostname   string     `xml:"hostname,attr"`
		Tests      int        `xml:"tests,attr"`
		Failures   int        `xml:"failures,attr"`
		Errors     int        `xml:"errors,attr"`
		Time       string     `xml:"time,attr"`
		Properties []property `xml:"properties>property"`
		Cases      []testcase `xml:"testcase"`
		Out        string     `xml:"system-out"`
		Err        string     `xml:"system-err"`
	}
	property struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	testcase struct {
		Name      string   `xml:"name,attr"`
		ClassName string   `xml:"classname,attr"`
		Time      string   `xml:"time,attr"` // judging takes none
		Error     *failure `xml:"error"`     // it could not be judged
		Failure   *failure `xml:"failure"`   // it was, and did not hold
	}
	failure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes the outcome as JUnit XML: a suite of the requirements, with a test case
// for each, and one of the baseline's figures if there is a baseline, or of the one error that
// nothing could be compared with it. What is only warned of passes, and stands in the
// suite's output.
func (o Outcome) JUnit(w io.Writer) error {
	e := o.Summary.Environment
	about := []property{{"scenario", printable(e.Scenario)}, {"scenario_sha256", e.ScenarioSHA256}, {"evabench", printable(e.Evabench)}}
	if e.Simulated != "" {
		about = append(about, property{"simulated", printable(e.Simulated)})
	}
	begin := func(name string) suite {
		return suite{
			Name: name, Package: "evabench", Timestamp: e.Started.UTC().Format("2006-01-02T15:04:05"),
			Hostname: printable(e.Host.Name), Time: "0", Properties: about,
		}
	}
	all := suites{}
	if len(o.Results) > 0 {
		s := begin("requirements")
		for _, r := range o.Results {
			s.add(o.requirementCase(r))
		}
		all.Suites = append(all.Suites, s)
	}
	if o.Against != nil {
		s := begin("baseline")
		s.ID = len(all.Suites)
		s.Properties = append(s.Properties[:len(s.Properties):len(s.Properties)],
			property{"baseline", printable(o.Against.Runs[0].Name)}, property{"max_regression", units.Format(o.Most, units.Ratio)})
		for _, r := range o.Regressions {
			s.add(o.regressionCase(r))
			if r.Warn {
				s.Out += printable("warning: "+regressionName(r)+": "+regressionSays(r)) + "\n"
			}
		}
		all.Suites = append(all.Suites, s)
	}
	if o.Unjudged != "" {
		s := begin("baseline")
		s.ID = len(all.Suites)
		s.add(testcase{
			Name: "baseline", ClassName: "evabench." + printable(e.Scenario) + ".baseline", Time: "0",
			Error: &failure{Message: printable(o.Unjudged), Type: "no-valid-measurement", Text: printable(o.Unjudged) + "\n"},
		})
		all.Suites = append(all.Suites, s)
	}
	if e.Simulated != "" {
		for i := range all.Suites {
			all.Suites[i].Out = "SIMULATED: none of the numbers was measured on a GPU.\n" + all.Suites[i].Out
		}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *suite) add(c testcase) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Error != nil {
		s.Errors++
	}
}

func (o Outcome) requirementCase(r gate.Result) testcase {
	c := testcase{Name: printable(r.Requirement.Text), ClassName: "evabench." + printable(o.Summary.Environment.Scenario), Time: "0"}
	if r.Met {
		return c
	}
	c.Failure = &failure{Message: printable(says(r)), Type: "not-met"}
	for _, p := range r.Points {
		if p.Met {
			continue
		}
		one := r
		one.Points, one.Worst = []gate.Point{p}, 0
		c.Failure.Text += printable(says(one)) + "\n"
	}
	if p := r.Points[r.Worst]; !p.Value.Known() && !p.Value.Inapplicable && !p.Beyond {
		c.Failure.Type = "not-known"
	}
	return c
}

func (o Outcome) regressionCase(r gate.Regression) testcase {
	c := testcase{Name: printable(regressionName(r)), ClassName: "evabench." + printable(o.Summary.Environment.Scenario) + ".baseline", Time: "0"}
	if !r.Met {
		c.Failure = &failure{Message: printable(regressionSays(r)), Type: "regression", Text: printable(regressionSays(r)) + "\n"}
	}
	return c
}
