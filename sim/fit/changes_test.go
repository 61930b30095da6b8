package main

import (
	"encoding/json"
	"testing"

	"github.com/evabench/evabench/sim/parameters"
)

// changes gives the paths of the numbers in which two sets differ.
func changes(t *testing.T, a, b parameters.Set) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	var walk func(path string, a, b any)
	walk = func(path string, a, b any) {
		switch a := a.(type) {
		case map[string]any:
			for name := range a {
				walk(path+"."+name, a[name], b.(map[string]any)[name])
			}
		case float64:
			if a != b.(float64) {
				all[path[1:]] = true
			}
		}
	}
	walk("", generic(t, a), generic(t, b))
	return all
}

func generic(t *testing.T, s parameters.Set) (v any) {
	t.Helper()
	data, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(data, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}
