package formats

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/evabench/evabench/report"
)

// alerts writes rules as the YAML file that Prometheus loads (rule_files). Every text
// is a quoted one of JSON, which YAML reads as it is, so that none is anything else.
func alerts(a *report.Alerts) (string, error) {
	var b strings.Builder
	comments(&b, "", a.Comments)
	if len(a.Groups) == 0 {
		b.WriteString("groups: []\n")
		return b.String(), nil
	}
	b.WriteString("groups:\n")
	for _, g := range a.Groups {
		name, err := quoted(g.Name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "\n  - name: %s\n", name)
		comments(&b, "    ", g.Comments)
		if len(g.Rules) == 0 {
			b.WriteString("    rules: []\n")
			continue
		}
		b.WriteString("    rules:\n")
		for _, r := range g.Rules {
			if err := rule(&b, r); err != nil {
				return "", err
			}
		}
	}
	return b.String(), nil
}

func rule(b *strings.Builder, r report.AlertRule) error {
	expr, err := quoted(r.Expr)
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "      - alert: %s\n        expr: %s\n        for: %ds\n", r.Alert, expr, int64(r.For.Seconds()))
	for _, of := range []struct {
		name  string
		pairs []report.Pair
	}{{"labels", r.Labels}, {"annotations", r.Annotations}} {
		fmt.Fprintf(b, "        %s:\n", of.name)
		for _, p := range of.pairs {
			text, err := quoted(p.Value)
			if err != nil {
				return err
			}
			fmt.Fprintf(b, "          %s: %s\n", p.Name, text)
		}
	}
	return nil
}

// quoted is a text in JSON's quotes.
func quoted(text string) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// comments writes texts as comments of at most about a hundred columns.
func comments(b *strings.Builder, indent string, texts []string) {
	for _, text := range texts {
		for _, line := range wrapped(text, DefaultWidth-len(indent)-2) {
			fmt.Fprintf(b, "%s# %s\n", indent, line)
		}
	}
}
