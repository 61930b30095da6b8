package formats

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"text/template"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"pgregory.net/rapid"

	"github.com/evabench/evabench/analysis"
	"github.com/evabench/evabench/report"
)

// ruleFile is the file that Prometheus loads, with the keys that evabench uses:
// prometheus.io/docs/prometheus/latest/configuration/alerting_rules.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr, For    string
			Labels, Annotations map[string]string
		}
	}
}

func rulesOf(t rapid.TB, made []byte) ruleFile {
	t.Helper()
	var f ruleFile
	if err := yaml.UnmarshalWithOptions(made, &f, yaml.Strict()); err != nil {
		t.Fatalf("the rules are no YAML of Prometheus: %v\n%s", err, made)
	}
	return f
}

// metrics of the made-up run's engines, as the pages in collectors/sources have them.
var metrics = regexp.MustCompile(`^(ts_inference_requests_total|vllm:(num_requests_(waiting|running)|request_success_total|(e2e_request_latency|time_to_first_token)_seconds_bucket))$`)

// Prometheus' own parser takes every expression, and each is one that compares, of
// metrics that the engine has, in the service's job.
func TestAlertsAreWhatPrometheusReads(t *testing.T) {
	f := rulesOf(t, written(t, "alerts", read(t, "capacity.json")))
	rules, seen := 0, map[string]bool{}
	for _, g := range f.Groups {
		if seen[g.Name] {
			t.Errorf("two groups %q", g.Name)
		}
		seen[g.Name] = true
		inGroup := map[string]bool{}
		for _, r := range g.Rules {
			rules++
			if key := r.Alert + r.Labels["clause"]; inGroup[key] {
				t.Errorf("%s: two rules %s", g.Name, key)
			} else {
				inGroup[key] = true
			}
			e, err := parser.ParseExpr(r.Expr)
			if err != nil {
				t.Errorf("%s: %s: %v", g.Name, r.Expr, err)
				continue
			}
			if e.Type() != parser.ValueTypeVector {
				t.Errorf("%s: %s is a %s", g.Name, r.Expr, e.Type())
			}
			for _, selectors := range parser.ExtractSelectors(e) {
				checkSelector(t, r.Expr, selectors, r.Labels["service"])
			}
			if r.Labels["simulated"] != "true" || !strings.HasPrefix(r.Annotations["summary"], "SIMULATED") {
				t.Errorf("%s does not say that it was simulated", r.Alert)
			}
		}
	}
	// Of ten configurations with two services each, three have a confirmed load.
	if len(f.Groups) != 20 || rules == 0 {
		t.Errorf("%d groups with %d rules", len(f.Groups), rules)
	}
}

func checkSelector(t *testing.T, expr string, selectors []*labels.Matcher, service string) {
	t.Helper()
	named, job := false, false
	for _, m := range selectors {
		switch {
		case m.Name == labels.MetricName && m.Type == labels.MatchRegexp:
			named = m.Matches("ts_queue_latency_microseconds") && m.Matches("ts_queue_latency_microseconds_total") && !m.Matches("QueueTime")
		case m.Name == labels.MetricName:
			named = metrics.MatchString(m.Value)
		case m.Name == "job":
			job = m.Matches(service)
		}
	}
	if !named || !job {
		t.Errorf("%s: a selector of an unknown metric, or of all jobs: %v", expr, selectors)
	}
}

// The thresholds are those of the run: 90 req/s were allowed, of which 89.82/s came to
// an end; up to 98.2 req/s that makes 98.0036/s.
func TestAlertsStandAtTheBoundary(t *testing.T) {
	f := rulesOf(t, written(t, "alerts", read(t, "capacity.json")))
	want := map[string]string{
		"EvabenchLoadAboveAllowed/vision": "> 89.82", "EvabenchLoadAboveCapacity/vision": "> 98.0036", "EvabenchQueueAboveMeasured/vision": "> 7",
		"EvabenchLoadAboveAllowed/agent": "> 0.4", "EvabenchQueueAboveLimit/agent": "> 2", "EvabenchErrors/agent": "> 0.01",
	}
	for _, g := range f.Groups[:2] {
		for _, r := range g.Rules {
			key := r.Alert + "/" + r.Labels["service"]
			if end, ok := want[key]; ok {
				delete(want, key)
				if !strings.HasSuffix(r.Expr, end) {
					t.Errorf("%s: %s does not end in %q", key, r.Expr, end)
				}
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("no rules %v", want)
	}
}

// A run without a search has no rules, and says so; Prometheus loads the file.
func TestNoAlertsWithoutCapacity(t *testing.T) {
	made := written(t, "alerts", madeUp(t))
	if f := rulesOf(t, made); len(f.Groups) > 0 || !bytes.Contains(made, []byte("No rules: the run searched for no capacity")) {
		t.Errorf("%s", made)
	}
}

// Names from outside stay texts: of YAML, of PromQL, of regular expressions and of
// the templates that annotations are.
func TestHostileNamesInAlerts(t *testing.T) {
	for _, text := range texts {
		checkAlerts(t, text)
	}
	rapid.Check(t, func(t *rapid.T) {
		checkAlerts(t, rapid.OneOf(rapid.String(), rapid.StringMatching(`[{}"'|#:\\.$-]{0,12}`)).Draw(t, "text"))
	})
}

func checkAlerts(t rapid.TB, text string) {
	t.Helper()
	s := read(t, "capacity.json")
	s.Cells = s.Cells[:1]
	rename(&s.Cells[0], text)
	var b bytes.Buffer
	if err := Write("alerts", &b, report.Build(s)); err != nil {
		t.Fatalf("%q: %v", short(text), err)
	}
	f := rulesOf(t, b.Bytes())
	if len(f.Groups) != 2 || len(f.Groups[0].Rules) == 0 {
		t.Fatalf("%q: %d groups", short(text), len(f.Groups))
	}
	for _, r := range f.Groups[0].Rules {
		e, err := parser.ParseExpr(r.Expr)
		if err != nil {
			t.Fatalf("%q: %s: %v", short(text), r.Expr, err)
		}
		for _, m := range parser.ExtractSelectors(e)[0] {
			if m.Name == "job" && m.Value != strings.ToValidUTF8(text, "\ufffd") {
				t.Errorf("the job of %q is %q", short(text), short(m.Value))
			}
			if m.Name == "model_name" && !m.Matches(strings.ToValidUTF8(text, "\ufffd")) {
				t.Errorf("%s does not match %q", m, short(text))
			}
		}
		for _, texts := range []map[string]string{r.Labels, r.Annotations} {
			for name, text := range texts {
				if _, err := template.New("").Parse(text); err != nil {
					t.Errorf("%s: %v in %q", name, err, short(text))
				}
			}
		}
		var shown bytes.Buffer
		if err := template.Must(template.New("").Parse(r.Labels["service"])).Execute(&shown, nil); err != nil || strings.Contains(text, "{{") && !strings.Contains(shown.String(), "{{") {
			t.Errorf("service %q is shown as %q (%v)", short(text), short(shown.String()), err)
		}
	}
}

// rename gives vision, its models and its configuration another name.
func rename(c *analysis.Cell, text string) {
	c.Cell.Config.Name, c.Capacity.Raised, c.Capacity.Loads[0].Service = text, text, text
	for i := range c.Cell.Instances {
		if c.Cell.Instances[i].Service == "vision" {
			c.Cell.Instances[i].Service = text
		}
	}
	for i := range c.Steps {
		v := &c.Steps[i].Services[0]
		v.Name, v.Models[0].Name = text, text
	}
}
