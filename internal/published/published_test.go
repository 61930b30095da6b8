package published

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// lines are the guide's tables, as they were printed, and the sentence on MPS.
func lines(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("testdata/guide-tables.txt")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// Every row, heading, change and sentence is the guide's, letter by letter, and none of
// its measurements is missing.
func TestVerbatim(t *testing.T) {
	guide := lines(t)
	all := Read()
	left := slices.Clone(guide)
	has := func(cells []string) {
		t.Helper()
		line := "| " + strings.Join(cells, " | ") + " |"
		if !slices.Contains(guide, line) {
			t.Errorf("the guide has no line %q", line)
		}
		left = slices.DeleteFunc(left, func(l string) bool { return l == line })
	}
	rows := 0
	for _, table := range all.Tables {
		has(table.Columns)
		for _, r := range table.Rows {
			has(r.Cells)
			rows++
		}
		for _, cells := range append(table.Change.Rows, table.Change.Columns) {
			if cells != nil {
				has(cells)
			}
		}
		if s := table.Sentence; s != "" && !slices.Contains(guide, s) {
			t.Errorf("the guide does not say %q", s)
		}
	}
	has(all.Placement.Columns)
	for _, cells := range all.Placement.Rows {
		has(cells)
	}
	if rows != 6 {
		t.Errorf("%d rows of measurements, and the guide has 6", rows)
	}
	for _, line := range left { // what is left over is no measurement
		if strings.HasPrefix(line, "| X |") || strings.HasPrefix(line, "| O |") || strings.Contains(line, "%") && strings.HasPrefix(line, "|") {
			t.Errorf("the tables lack %q", line)
		}
	}
}

// The numbers beside the texts are those of the texts.
func TestNumbersAreTheTexts(t *testing.T) {
	var raw struct {
		Tables []struct {
			ID   string `json:"id"`
			Rows []struct {
				Cells     []string `json:"cells"`
				MIG, MPS  bool
				Responses float64            `json:"vlm_responses"`
				Latency   float64            `json:"vlm_latency_seconds"`
				Vision    float64            `json:"vision_rps"`
				Agent     float64            `json:"agent_rpm"`
				Requests  float64            `json:"total_requests"`
				Total     float64            `json:"total_rps"`
				Models    map[string]float64 `json:"models_rps"`
			} `json:"rows"`
		} `json:"tables"`
	}
	if err := json.Unmarshal(EVA, &raw); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, table := range raw.Tables {
		for _, r := range table.Rows {
			want := []float64{r.Responses, r.Latency, r.Vision, r.Agent}
			if table.ID == "6" {
				want = []float64{r.Requests, r.Total, r.Models["rt-detrv2"], r.Models["owl-v2"], r.Models["omdet"], r.Models["llmdet"]}
			}
			for i, cell := range r.Cells[2:] {
				text := strings.ReplaceAll(strings.Fields(cell)[0], ",", "")
				if got, err := strconv.ParseFloat(text, 64); err != nil || got != want[i] {
					t.Errorf("table %s: %q stands for %v, want %v", table.ID, cell, got, want[i])
				}
				seen++
			}
			for i, on := range []bool{r.MIG, r.MPS} {
				if (r.Cells[i] == "O") != on {
					t.Errorf("table %s: %q for %v", table.ID, r.Cells[i], on)
				}
			}
		}
	}
	if seen != 4*4+2*6 {
		t.Errorf("%d numbers were looked at", seen)
	}
}

func TestCell(t *testing.T) {
	table := Read().Tables[1]
	if got, ok := table.Cell(1, "VLM Latency"); got != "32.10 s" || !ok {
		t.Errorf("got %q, %v", got, ok)
	}
	if got, ok := table.Cell(2, "VLM Latency"); ok {
		t.Errorf("there is no third row, and it has %q", got)
	}
	if got, ok := table.Cell(0, "no such"); ok {
		t.Errorf("there is no such column, and it has %q", got)
	}
}
