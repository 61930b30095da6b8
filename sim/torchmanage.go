package sim

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/evabench/evabench/sim/model"
)

// part is the "data" part of a multipart body, or its first one.
func part(body []byte, boundary string) ([]byte, error) {
	var first []byte
	for r := multipart.NewReader(bytes.NewReader(body), boundary); ; {
		p, err := r.NextPart()
		if err == io.EOF && first != nil {
			return first, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read multipart body: %w", err)
		}
		data, err := io.ReadAll(p)
		if err != nil {
			return nil, fmt.Errorf("read multipart body: %w", err)
		}
		if p.FormName() == "data" {
			return data, nil
		}
		if first == nil {
			first = data
		}
	}
}

// management is the handler of the management address. It only tells; models
// and workers are those of the configuration.
func (t *torchServe) management() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /models", func(w http.ResponseWriter, _ *http.Request) {
		list := make([]map[string]string, len(t.models))
		for i, m := range t.models {
			list[i] = map[string]string{"modelName": m.name, "modelUrl": m.name + ".mar"}
		}
		writeJSON(w, http.StatusOK, map[string]any{"models": list})
	})
	mux.HandleFunc("GET /models/{model}", func(w http.ResponseWriter, r *http.Request) {
		m := t.find(r.PathValue("model"))
		if m == nil {
			t.fault(w, http.StatusNotFound, "ModelNotFoundException", "Model not found: %s", r.PathValue("model"))
			return
		}
		var pending int
		if t.driver.do(func(*model.World) { pending = m.detector.Pending() }) != nil {
			panic(http.ErrAbortHandler)
		}
		writeJSON(w, http.StatusOK, []torchDescription{m.describe(pending)})
	})
	mux.HandleFunc("/models", t.notAllowed)
	mux.HandleFunc("/models/{model}", t.notAllowed)
	mux.HandleFunc("/", t.notFound)
	return mux
}

func (t *torchServe) notAllowed(w http.ResponseWriter, _ *http.Request) {
	t.fault(w, http.StatusMethodNotAllowed, "MethodNotAllowedException", "Requested method is not allowed, please refer to API document.")
}

type torchDescription struct {
	ModelName       string        `json:"modelName"`
	ModelVersion    string        `json:"modelVersion"`
	ModelURL        string        `json:"modelUrl"`
	Runtime         string        `json:"runtime"`
	MinWorkers      int           `json:"minWorkers"`
	MaxWorkers      int           `json:"maxWorkers"`
	BatchSize       int           `json:"batchSize"`
	MaxBatchDelay   int           `json:"maxBatchDelay"`
	LoadedAtStartup bool          `json:"loadedAtStartup"`
	Workers         []torchWorker `json:"workers"`
	Queue           torchQueue    `json:"jobQueueStatus"`
}

type torchWorker struct {
	ID          string `json:"id"`
	StartTime   string `json:"startTime"`
	Status      string `json:"status"`
	MemoryUsage uint64 `json:"memoryUsage"`
	GPU         bool   `json:"gpu"`
}

type torchQueue struct {
	RemainingCapacity int `json:"remainingCapacity"`
	PendingRequests   int `json:"pendingRequests"`
}

func (m *torchModel) describe(pending int) torchDescription {
	d := torchDescription{
		ModelName: m.name, ModelVersion: "1.0", ModelURL: m.name + ".mar", Runtime: "python",
		MinWorkers: m.workers, MaxWorkers: m.workers, BatchSize: 1, MaxBatchDelay: 100, LoadedAtStartup: true,
		Queue: torchQueue{RemainingCapacity: m.queue - pending, PendingRequests: pending},
	}
	for i := range m.workers {
		d.Workers = append(d.Workers, torchWorker{
			ID: strconv.Itoa(9000 + i), StartTime: m.started.UTC().Format(time.RFC3339), Status: "READY",
			MemoryUsage: m.memoryBytesPerWorker, GPU: true,
		})
	}
	return d
}

// metrics is the handler of the metrics address (metrics_mode=prometheus).
func (t *torchServe) metrics() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		var page strings.Builder
		if t.driver.do(func(*model.World) { t.page(&page) }) != nil {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		io.WriteString(w, page.String())
	})
	mux.HandleFunc("/", t.notFound)
	return mux
}

func (t *torchServe) page(w io.Writer) {
	for _, c := range []struct {
		name, help string
		value      func(*torchModel) float64
	}{
		{"ts_inference_requests_total", "Torchserve prometheus counter metric with unit: Count",
			func(m *torchModel) float64 { return float64(m.requests) }},
		{"ts_queue_latency_microseconds", "Torchserve prometheus counter metric with unit: Microseconds",
			func(m *torchModel) float64 { return float64(m.queued) / 1e3 }},
		{"ts_inference_latency_microseconds", "Torchserve prometheus counter metric with unit: Microseconds",
			func(m *torchModel) float64 { return float64(m.inferred) / 1e3 }},
	} {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s counter\n", c.name, c.help, c.name)
		for _, m := range t.models {
			if m.requests > 0 { // TorchServe shows a series from its first event
				fmt.Fprintf(w, "%s{model_name=%q,model_version=\"default\",hostname=%q,} %v\n", c.name, m.name, t.host, c.value(m))
			}
		}
	}
}
