package results

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestFailoverInWords(t *testing.T) {
	f := Failover{Service: "agent", Instance: 1, How: "kill", At: time.Minute}
	if got := f.String(); got != "agent-1 killed after 1m0s" {
		t.Error(got)
	}
	if f.How = "fault"; f.String() != "agent-1 faulted after 1m0s" {
		t.Error(f.String())
	}
}

// That nobody can tell of memory is not that none ran out, and a step without a
// failover has no trace of one.
func TestUnknownMemoryIsNotNone(t *testing.T) {
	for _, c := range []struct {
		step Step
		want bool
	}{{Step{}, false}, {Step{OutOfMemory: map[string]int64{}}, true}, {Step{OutOfMemory: map[string]int64{"a": 1}}, true}} {
		text, err := json.Marshal(c.step)
		if err != nil {
			t.Fatal(err)
		}
		var back Step
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if (back.OutOfMemory != nil) != c.want || len(back.OutOfMemory) != len(c.step.OutOfMemory) {
			t.Errorf("%v is read back as %v", c.step.OutOfMemory, back.OutOfMemory)
		}
		if strings.Contains(string(text), "failover") || strings.Contains(string(text), "events") {
			t.Errorf("%s", text)
		}
	}
}
