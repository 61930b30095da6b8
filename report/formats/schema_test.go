package formats

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/evabench/evabench/analysis"
)

var schemaFile = filepath.FromSlash("../../docs/schema/summary.schema.json")

// The schema in docs is that of the program's types, and says what every key is.
func TestSchemaIsUpToDate(t *testing.T) {
	want, err := json.MarshalIndent(summarySchema(t, false), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not up to date; write it with go test ./report/formats -run UpToDate -update, and consider whether results.SchemaVersion has to rise", schemaFile)
	}
}

// compiled is a schema, ready to judge.
func compiled(t *testing.T, schema any) *jsonschema.Schema {
	t.Helper()
	text, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("summary", parsed); err != nil {
		t.Fatal(err)
	}
	made, err := c.Compile("summary")
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// Whatever is written is as the schema says, and has no key that it does not know; with
// and without what can be missing.
func TestSummariesFollowTheSchema(t *testing.T) {
	schema := compiled(t, summarySchema(t, true))
	full := read(t, "sweep.json")
	full.Complete()
	list := map[string]*analysis.Summary{"empty": {Schema: full.Schema}, "complete": full}
	list["empty"].Environment.Schema = full.Schema
	for _, name := range []string{"summary.json", "open.json", "sweep.json", "queue.json", "failover.json", "activity.json", "capacity.json"} {
		list[name] = read(t, name)
		list[name].Schema, list[name].Environment.Schema = full.Schema, full.Schema // package report makes its own
	}
	for name, s := range list {
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(written(t, "json", s)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A summary that is not as the schema says is told from one that is.
func TestSchemaRefuses(t *testing.T) {
	open, closed := compiled(t, summarySchema(t, false)), compiled(t, summarySchema(t, true))
	text := string(written(t, "json", madeUp(t)))
	for _, c := range []struct {
		from, to   string
		open, also bool // which refuse it
	}{
		{`"schema": `, `"schema": 1`, true, true},
		{`"status": "done"`, `"status": 1`, true, true},
		{`"cells": [`, `"cell": [`, true, true},
		{`"mig": "`, `"more": 1, "mig": "`, false, true},
		{`"outcome": "ok"`, `"outcome": "okay"`, true, true},
		{`"started": "`, `"started": "x`, true, true},
	} {
		broken := strings.Replace(text, c.from, c.to, 1)
		if broken == text {
			t.Errorf("there is no %s", c.from)
		}
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(broken))
		if err != nil {
			t.Fatal(err)
		}
		if got := open.Validate(value) != nil; got != c.open {
			t.Errorf("%s: refused: %v", c.to, got)
		}
		if got := closed.Validate(value) != nil; got != c.also {
			t.Errorf("%s: refused by the closed schema: %v", c.to, got)
		}
	}
}
