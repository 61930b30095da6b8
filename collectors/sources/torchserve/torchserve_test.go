package torchserve

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sourcetest"
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/results"
)

// The forms are those of docs/management_api.md of pytorch/serve at commit
// 0ca0c634 (0.12); names and values are made up.
const (
	models = `{
  "models": [
    {"modelName": "RT-DETRV2", "modelUrl": "rt-detrv2.mar"},
    {"modelName": "Owl v2/large", "modelUrl": "owl.mar"}
  ]
}`
	rtdetr = `[
  {
    "modelName": "RT-DETRV2",
    "modelVersion": "1.0",
    "modelUrl": "rt-detrv2.mar",
    "engine": "Torch",
    "runtime": "python",
    "minWorkers": 2,
    "maxWorkers": 2,
    "batchSize": 2,
    "maxBatchDelay": 150,
    "workers": [
      {"id": "9000", "startTime": "2026-11-20T13:44:53.034Z", "status": "READY", "gpu": true, "memoryUsage": 89247744},
      {"id": "9001", "startTime": "2026-11-20T13:44:53.034Z", "status": "UNLOADING", "gpu": true, "memoryUsage": 0}
    ],
    "jobQueueStatus": {"remainingCapacity": 86, "pendingRequests": 14}
  }
]`
	owl = `[{"modelName": "Owl v2/large", "modelVersion": "1.0", "workers": [], "jobQueueStatus": {"remainingCapacity": 100, "pendingRequests": 0}}]`
)

func build(t *testing.T) collectors.Source {
	t.Helper()
	s, err := kind.Set[collectors.Source]{Kind}.Build(kind.Spec{Name: "torchserve"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve answers as the management API does; answers are by escaped path.
func serve(answers map[string]string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := answers[r.URL.EscapedPath()]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			text = `{"code": 404, "type": "ModelNotFoundException", "message": "Model not found"}`
		}
		_, _ = io.WriteString(w, text)
	})
}

func TestConformance(t *testing.T) {
	sourcetest.Page(t, build(t), serve(map[string]string{
		"/models": models, "/models/RT-DETRV2": rtdetr, "/models/Owl%20v2%2Flarge": owl,
	}))
}

func TestAnswers(t *testing.T) {
	both := map[string]float64{
		"torchserve:pending_requests[RT-DETRV2]": 14, "torchserve:remaining_capacity[RT-DETRV2]": 86,
		"torchserve:workers_ready[RT-DETRV2]": 1, "torchserve:workers[RT-DETRV2]": 2,
		"torchserve:pending_requests[Owl v2/large]": 0, "torchserve:remaining_capacity[Owl v2/large]": 100,
		"torchserve:workers_ready[Owl v2/large]": 0, "torchserve:workers[Owl v2/large]": 0,
	}
	without := func(part string) map[string]float64 {
		some := maps.Clone(both)
		maps.DeleteFunc(some, func(name string, _ float64) bool { return strings.Contains(name, part) })
		return some
	}
	for _, c := range []struct {
		name, models, rtdetr, fault string
		want                        map[string]float64
	}{
		{"whole", models, rtdetr, "", both},
		{"one model gone", models, "", "status 404", without("RT-DETRV2")},
		{"truncated", models, rtdetr[:len(rtdetr)/2], "unexpected end", without("RT-DETRV2")},
		{"two versions", models, strings.TrimSuffix(rtdetr, "]") + "," + strings.TrimPrefix(rtdetr, "["), "default version", without("RT-DETRV2")},
		{"another model", models, owl, "default version", without("RT-DETRV2")},
		{"no job queue", models, strings.ReplaceAll(rtdetr, "jobQueueStatus", "queue"), "no job queue", func() map[string]float64 {
			some := without("_requests[RT")
			delete(some, "torchserve:remaining_capacity[RT-DETRV2]")
			return some
		}()},
		{"no models", `{"models": []}`, rtdetr, "no evidence", map[string]float64{}},
	} {
		answers := map[string]string{"/models": c.models, "/models/Owl%20v2%2Flarge": owl}
		if c.rtdetr != "" {
			answers["/models/RT-DETRV2"] = c.rtdetr
		}
		server := httptest.NewServer(serve(answers))
		reader, err := build(t).Collector(collectors.Target{Subject: results.Subject{Kind: results.SubjectEndpoint, ID: "v"}, URL: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		readings, err := reader.Read(t.Context())
		if got := sourcetest.Values(readings); !maps.Equal(got, c.want) {
			t.Errorf("%s: got %v\nwant %v", c.name, got, c.want)
		}
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.fault)
		}
		_ = reader.(io.Closer).Close()
		server.Close()
	}
}

// Models are read page by page, as a TorchServe gives them: 100 at most, whatever
// is asked for, and after a full last page an empty one.
func TestPages(t *testing.T) {
	for _, c := range []struct {
		models, read int
		fault        string
	}{
		{99, 99, ""}, {100, 100, ""}, {101, 101, ""}, {999, 999, ""}, {1000, 1000, ""}, {1001, 1000, "more than 1000"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if name, ok := strings.CutPrefix(r.URL.Path, "/models/"); ok {
				fmt.Fprintf(w, `[{"modelName": %q, "jobQueueStatus": {"remainingCapacity": 90, "pendingRequests": 10}}]`, name)
				return
			}
			limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
			from, _ := strconv.Atoi(r.URL.Query().Get("next_page_token"))
			to := min(from+min(limit, 100), c.models)
			var list modelList
			if from+min(limit, 100) <= c.models {
				list.NextPageToken = strconv.Itoa(to)
			}
			for i := from; i < to; i++ {
				list.Models = append(list.Models, struct {
					ModelName string `json:"modelName"`
				}{fmt.Sprintf("m%03d", i)})
			}
			_ = json.NewEncoder(w).Encode(list)
		}))
		reader, err := build(t).Collector(collectors.Target{Subject: results.Subject{Kind: results.SubjectEndpoint, ID: "v"}, URL: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		readings, err := reader.Read(t.Context())
		if got := len(sourcetest.Values(readings)); got != 2*c.read {
			t.Errorf("%d models: %d series, want 2 of each of %d", c.models, got, c.read)
		}
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%d models: got %v, want %q", c.models, err, c.fault)
		}
		_ = reader.(io.Closer).Close()
		server.Close()
	}
}

// A full queue as a real TorchServe 0.12 tells it: 16 jobs wait, nothing more is taken.
func TestRecorded(t *testing.T) {
	text := func(name string) string {
		body, err := os.ReadFile("testdata/recorded-" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	server := httptest.NewServer(serve(map[string]string{"/models": text("models"), "/models/detector": text("full")}))
	defer server.Close()
	reader, err := build(t).Collector(collectors.Target{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.(io.Closer).Close()
	readings, err := reader.Read(t.Context())
	want := map[string]float64{
		"torchserve:pending_requests[detector]": 16, "torchserve:remaining_capacity[detector]": 0,
		"torchserve:workers_ready[detector]": 1, "torchserve:workers[detector]": 1,
	}
	if got := sourcetest.Values(readings); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	t.Log("pages: 2 recorded, 0 transcribed")
}

// An answer is refused or tells finite numbers of the model that was asked for.
func FuzzDescribe(f *testing.F) {
	f.Add([]byte(rtdetr))
	f.Add([]byte(owl))
	f.Add([]byte(`[{"modelName":"RT-DETRV2","jobQueueStatus":{"pendingRequests":1e308}}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		readings, err := describe(body, results.Subject{Detail: "RT-DETRV2"})
		told := sourcetest.Values(readings)
		if _, pending := told[SeriesPending+"[RT-DETRV2]"]; pending == (err != nil) {
			t.Errorf("got %v and %v", told, err)
		}
		for name, value := range told {
			if math.IsNaN(value) || math.IsInf(value, 0) || !strings.HasSuffix(name, "[RT-DETRV2]") {
				t.Errorf("%s: %v", name, value)
			}
		}
	})
}
