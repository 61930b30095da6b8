package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/sim/model"
)

// jpegFrame makes a frame whose content follows from n.
func jpegFrame(t *testing.T, width, height, n int) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, width, height))
	for i := range width {
		m.SetGray(i, (i*n)%height, color.Gray{Y: uint8(i * (n + 1))})
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func post(t *testing.T, url, contentType string, body []byte) (*http.Response, string) {
	t.Helper()
	resp, err := http.Post(url, contentType, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(answer)
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get(Header) != "pro6000x1" {
		t.Errorf("%s: %s is %q", url, Header, resp.Header.Get(Header))
	}
	return string(body)
}

// multipartForm is a body with one file.
func multipartForm(t *testing.T, field string, content []byte) (contentType string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	parts := multipart.NewWriter(&b)
	file, err := parts.CreateFormFile(field, "frame.jpg")
	if err != nil {
		t.Fatal(err)
	}
	file.Write(content)
	parts.Close()
	return parts.FormDataContentType(), b.Bytes()
}

func TestTorchServePredictions(t *testing.T) {
	c, _ := start(t, Options{})
	i, err := c.launch(t.Context(), visionRequest("vision-0", 2))
	if err != nil {
		t.Fatal(err)
	}
	frame := jpegFrame(t, 64, 48, 1)
	multi, multiBody := multipartForm(t, "data", frame)
	other, otherBody := multipartForm(t, "picture", frame)
	const path, form = "/predictions/rt-detrv2", "application/x-www-form-urlencoded"
	for _, test := range []struct {
		method, path, contentType string
		body                      []byte
		status                    int
		want                      string
	}{
		{"POST", path, "image/jpeg", frame, 200, `[{"label":`},
		{"PUT", path, "image/jpeg", frame, 200, `[{"label":`},
		{"POST", path, "", frame, 200, `[{"label":`},
		{"POST", path + "/1.0", "application/octet-stream", frame, 200, `[{"label":`},
		{"POST", path, multi, multiBody, 200, `[{"label":`},
		{"POST", path, other, otherBody, 503, `"InternalServerException"`}, // the handler reads "data" or "body"
		{"POST", path, multi, frame, 500, "ErrorDataDecoderException"},
		{"POST", path, form, []byte("data=%zz"), 500, "ErrorDataDecoderException"},
		{"POST", path, form + "; charset=utf-8", []byte("data=a\rb"), 500, "ErrorDataDecoderException"},
		{"POST", path, form, []byte("data=a%20b"), 503, `"InternalServerException"`},
		{"POST", path, form, []byte("data=" + url.QueryEscape(string(frame)) + "&top=1"), 200, `[{"label":`},
		{"POST", path, "image/jpeg", frame[:20], 503, `"message": "Prediction failed"`},
		{"POST", "/predictions/yolo", "image/jpeg", frame, 404, "ModelNotFoundException"},
		{"POST", path + "/2.0", "image/jpeg", frame, 404, "ModelVersionNotFoundException"},
		{"POST", "/nothing", "image/jpeg", frame, 404, "ResourceNotFoundException"},
	} {
		r, err := http.NewRequest(test.method, i.URL+test.path, bytes.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		if test.contentType != "" {
			r.Header.Set("Content-Type", test.contentType)
		}
		resp, body := send(t, r)
		if resp.StatusCode != test.status || !strings.Contains(body, test.want) {
			t.Errorf("%s %s as %s: %s %s, want %d …%s…", test.method, test.path, test.contentType, resp.Status, body, test.status, test.want)
		}
		if _, named := resp.Header["Content-Type"]; named && test.status == 200 {
			t.Errorf("%s: a list has content type %q, TorchServe names none", test.path, resp.Header["Content-Type"])
		}
		if resp.Close != (test.status >= 400) {
			t.Errorf("%s: status %d, connection closed %v; TorchServe closes after an error", test.path, test.status, resp.Close)
		}
	}
	_, first := post(t, i.URL+path, "image/jpeg", frame)
	_, again := post(t, i.URL+path, "image/jpeg", frame)
	_, different := post(t, i.URL+path, "image/jpeg", jpegFrame(t, 64, 48, 2))
	if first != again || first == different || !json.Valid([]byte(first)) {
		t.Errorf("boxes of a frame: %s, again %s, of another %s", first, again, different)
	}
	if got := fetch(t, i.URL+"/ping"); got != "{\n  \"status\": \"Healthy\"\n}\n" {
		t.Errorf("ping: %q", got)
	}
}

func send(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(answer)
}

// virtualTorchServe is a TorchServe in virtual time, of models that take 10 ms
// of a GPU for a frame.
func virtualTorchServe(t *testing.T, o torchServeOptions, workers int, names ...string) *torchServe {
	d := newDriver()
	go d.run(t.Context())
	ts := &torchServe{driver: d, options: o, host: "h", gone: make(chan struct{})}
	d.do(func(w *model.World) {
		host, gpu := model.NewHost(w, 64), w.AddDevice(testGPU)
		for _, name := range names {
			cfg := model.DetectorConfig{Workers: workers, Job: model.Job{Work: 1, Parallel: 100}}
			o.apply(&cfg)
			ts.models = append(ts.models, &torchModel{
				name: name, minWorkers: workers, maxWorkers: workers,
				detector: model.NewDetector(w, host, gpu, model.Client{Share: 1}, cfg),
			})
		}
	})
	return ts
}

var testGPU = model.DeviceConfig{SMs: 100, Bandwidth: 1e15, Quantum: 2 * time.Millisecond}

// call sends a request to a handler without a socket.
func call(h http.Handler, method, path, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func options(edit func(*torchServeOptions)) torchServeOptions {
	o := defaultTorchServe()
	edit(&o)
	return o
}

func TestTorchServeBodyLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := virtualTorchServe(t, defaultTorchServe(), 1, "m")
		for size, want := range map[int]int{6_553_500: 503, 6_553_501: 413} { // 503: zeros are no image
			if w := call(ts.inference(), "POST", "/predictions/m", "image/jpeg", strings.Repeat("\x00", size)); w.Code != want {
				t.Errorf("%d bytes: %d, want %d", size, w.Code, want)
			}
		}
		got := checkPage(t, ts.metrics(), map[string]float64{"Requests5XX{Level=Host}": 1})
		if n, counted := got["Requests4XX{Level=Host}"]; counted {
			t.Errorf("%v answers of 4XX, though netty's own are not counted", n)
		}
	})
}

func TestTorchServeRequestID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := virtualTorchServe(t, defaultTorchServe(), 1, "m")
		seen := make(map[string]bool)
		for range 2 {
			r := httptest.NewRequest("POST", "/predictions/m", bytes.NewReader(jpegFrame(t, 8, 8, 1)))
			r.Header.Set("X-Request-Id", "mine")
			w := httptest.NewRecorder()
			ts.inference().ServeHTTP(w, r)
			id := w.Header().Get("x-request-id")
			if len(id) != 36 || id[14] != '4' || seen[id] {
				t.Errorf("request id %q, want a UUID of the server's own", id)
			}
			seen[id] = true
		}
	})
}

// 1 worker, 2 places in the queue, 5 at once.
func TestTorchServeQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := virtualTorchServe(t, options(func(o *torchServeOptions) { o.queue = 2 }), 1, "m")
		frame := string(jpegFrame(t, 16, 16, 1))
		codes := make(chan string)
		begin := time.Now()
		for range 5 {
			go func() {
				w := call(ts.inference(), "POST", "/predictions/m", "image/jpeg", frame)
				codes <- fmt.Sprint(w.Code, " ", time.Since(begin), " ", strings.Contains(w.Body.String(), "ServiceUnavailableException"))
			}()
			synctest.Wait()
		}
		var got []string
		for range 2 {
			got = append(got, <-codes)
		}
		if queue := describe(t, ts).Queue; queue != (torchQueue{RemainingCapacity: 0, PendingRequests: 2}) {
			t.Errorf("with a full queue: %+v", queue)
		}
		got = append(got, <-codes) // the second begins
		if queue := describe(t, ts).Queue; queue != (torchQueue{RemainingCapacity: 1, PendingRequests: 1}) {
			t.Errorf("after one answer: %+v", queue)
		}
		for range 2 {
			got = append(got, <-codes)
		}
		// The last two are refused at once; the others end every 10 ms.
		want := "[503 0s true 503 0s true 200 10ms false 200 20ms false 200 30ms false]"
		if fmt.Sprint(got) != want {
			t.Errorf("got %v, want %s", got, want)
		}
		// Waits 0 + 10 + 20 ms; latencies 10 + 20 + 30 ms, waits with them; all
		// five count as requests. The gauges are of the last one.
		checkPage(t, ts.metrics(), map[string]float64{
			"ts_inference_requests_total{model_name=m,model_version=default}":       5,
			"ts_queue_latency_microseconds{model_name=m,model_version=default}":     30000,
			"ts_inference_latency_microseconds{model_name=m,model_version=default}": 60000,
			"QueueTime{Level=Host}":                   20,
			"PredictionTime{Level=Model,ModelName=m}": 10, "HandlerTime{Level=Model,ModelName=m}": 10,
			"Requests2XX{Level=Host}": 3 + 2, "Requests5XX{Level=Host}": 2, // two of management
		})
	})
}

// An idle server with batch size 2 reports the whole delay as queue time.
func TestTorchServeBatchDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := virtualTorchServe(t, options(func(o *torchServeOptions) { o.batch, o.delay = 2, 150 }), 2, "m")
		frame := string(jpegFrame(t, 16, 16, 1))
		for range 3 {
			begin := time.Now()
			w := call(ts.inference(), "POST", "/predictions/m", "image/jpeg", frame)
			if w.Code != 200 || time.Since(begin) != 160*time.Millisecond {
				t.Errorf("%d after %v, want 150 ms of delay and 10 of work", w.Code, time.Since(begin))
			}
		}
		checkPage(t, ts.metrics(), map[string]float64{
			"ts_queue_latency_microseconds{model_name=m,model_version=default}": 450000, "QueueTime{Level=Host}": 150,
		})
		done := make(chan struct{})
		begin := time.Now()
		for range 2 {
			go func() {
				call(ts.inference(), "POST", "/predictions/m", "image/jpeg", frame)
				done <- struct{}{}
			}()
		}
		<-done
		<-done
		// One of the two workers takes both, at once for the batch is full.
		if took := time.Since(begin); took != 20*time.Millisecond {
			t.Errorf("two at once took %v, want 20 ms of work and no delay", took)
		}
		if d := describe(t, ts); d.BatchSize != 2 || d.MaxBatchDelay != 150 {
			t.Errorf("described as %+v", d)
		}
	})
}

// A client that goes does not take its job with it.
func TestTorchServeAbandonedJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := virtualTorchServe(t, defaultTorchServe(), 1, "m")
		frame := jpegFrame(t, 16, 16, 1)
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan struct{})
		for range 3 {
			go func() {
				r := httptest.NewRequest("POST", "/predictions/m", bytes.NewReader(frame)).WithContext(ctx)
				ts.inference().ServeHTTP(httptest.NewRecorder(), r)
				left <- struct{}{}
			}()
		}
		synctest.Wait()
		cancel()
		for range 3 {
			<-left
		}
		begin := time.Now()
		w := call(ts.inference(), "POST", "/predictions/m", "image/jpeg", string(frame))
		if w.Code != 200 || time.Since(begin) != 40*time.Millisecond {
			t.Errorf("%d after %v, want its turn after three abandoned jobs of 10 ms", w.Code, time.Since(begin))
		}
		checkPage(t, ts.metrics(), map[string]float64{
			"ts_inference_latency_microseconds{model_name=m,model_version=default}": 100000, "Requests2XX{Level=Host}": 4,
		})
	})
}
