package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/evabench/evabench/internal/doctor"
)

// TestDoctorAsksForEveryPort: of all instances, and all that one of them has.
func TestDoctorAsksForEveryPort(t *testing.T) {
	for _, c := range []struct {
		launcher string
		want     []int
	}{
		{`{kind: process, argv: [worker, "{port}"], port: 8000, instances: 4}`, []int{8000, 8001, 8002, 8003}},
		{`{kind: process, argv: [worker, "{port}", "{port+2}"], port: 8000, instances: 2}`, []int{8000, 8001, 8002, 8003, 8004, 8005}},
		{`{kind: process, argv: [worker, "{port}"], port: 8000, scrapes: {vllm: port+1}}`, []int{8000, 8001}},
		{`{kind: process, argv: [worker, "{port}"], instances: 4}`, nil},
		{`{kind: docker, image: x, argv: ["{port+1}"], port: 8000, instances: 2}`, []int{8000, 8001, 8002, 8003}},
	} {
		file := filepath.Join(t.TempDir(), "x.yaml")
		text := `version: 1
name: x
services:
  chat:
    role: agent
    launcher: ` + c.launcher + `
    endpoint: openai-chat
    models: {m: {}}
    workload: {kind: agent, model: m, images: {width: 64, height: 64, kilobytes: 3}}
    load: {arrivals: closed, levels: [4]}
matrix:
  layout: ["off"]
`
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var m doctor.Machine
		o := doctorOptions{scenario: file}
		if err := o.needs(&m); err != nil {
			t.Errorf("%s: %v", c.launcher, err)
			continue
		}
		var got []int
		for _, p := range m.Needs.Ports {
			got = append(got, p.Number)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s takes ports %v, want %v", c.launcher, got, c.want)
		}
	}
}
