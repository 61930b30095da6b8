package sim

import (
	"encoding/json"
	"strings"
	"testing"
)

// The parameters of a start request reach the servers.
func TestLaunchParameters(t *testing.T) {
	c, _ := start(t, Options{})
	vision, agent := visionRequest("vision-0", 1), agentRequest("agent-0")
	vision.Params = map[string]string{"batch_size": "3", "max_batch_delay": "1", "job_queue_size": "7", "metrics_mode": "log"}
	agent.Params = map[string]string{
		"enable_prompt_tokens_details": "true", "enable_request_id_headers": "true", "max_model_len": "300",
	}
	i, err := c.launch(t.Context(), vision)
	if err != nil {
		t.Fatal(err)
	}
	var list []torchDescription
	if err := json.Unmarshal([]byte(fetch(t, i.Scrapes[0].URL+"/models/rt-detrv2")), &list); err != nil {
		t.Fatal(err)
	}
	if d := list[0]; d.BatchSize != 3 || d.MaxBatchDelay != 1 || d.Queue.RemainingCapacity != 7 {
		t.Errorf("described as %+v", d)
	}
	if i, err = c.launch(t.Context(), agent); err != nil {
		t.Fatal(err)
	}
	body := []byte(`{"messages":[{"role":"user","content":"` + strings.Repeat("word", 40) + `"}],"max_tokens":1}`)
	post(t, i.URL+chatPath, "application/json", body)
	resp, answer := post(t, i.URL+chatPath, "application/json", body)
	if !strings.Contains(answer, `"cached_tokens":32`) || resp.Header.Get("X-Request-Id") == "" {
		t.Errorf("%v %s", resp.Header, answer)
	}
	if err := c.stop(t.Context(), "agent-0"); err != nil {
		t.Fatal(err)
	}
	agent.Params["enable_prefix_caching"] = "false"
	if i, err = c.launch(t.Context(), agent); err != nil {
		t.Fatal(err)
	}
	post(t, i.URL+chatPath, "application/json", body)
	if _, answer := post(t, i.URL+chatPath, "application/json", body); strings.Contains(answer, "cached_tokens") {
		t.Errorf("without a prefix cache: %s", answer)
	}
	for name, value := range map[string]string{"metrics_mode": "off", "batch_size": "0", "max_batch_delay": "soon"} {
		vision.Name, vision.Params = "vision-1", map[string]string{name: value}
		if _, err := c.launch(t.Context(), vision); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s %s: %v", name, value, err)
		}
	}
}
