package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
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

func TestTorchServeContract(t *testing.T) {
	c, _ := start(t, Options{})
	i, err := c.launch(t.Context(), visionRequest("vision-0", 2))
	if err != nil {
		t.Fatal(err)
	}
	frame := jpegFrame(t, 64, 48, 1)
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	file, err := parts.CreateFormFile("data", "frame.jpg")
	if err != nil {
		t.Fatal(err)
	}
	file.Write(frame)
	parts.Close()
	for _, test := range []struct {
		path, contentType string
		body              []byte
		status            int
		want              string
	}{
		{"/predictions/rt-detrv2", "image/jpeg", frame, 200, `[{"label":`},
		{"/predictions/rt-detrv2/1.0", "application/octet-stream", frame, 200, `[{"label":`},
		{"/predictions/rt-detrv2", parts.FormDataContentType(), form.Bytes(), 200, `[{"label":`},
		{"/predictions/rt-detrv2", "application/x-www-form-urlencoded", frame, 500, "ErrorDataDecoderException"},
		{"/predictions/rt-detrv2", "image/jpeg", frame[:20], 503, `"type":"InternalServerException","message":"Prediction failed"`},
		{"/predictions/yolo", "image/jpeg", frame, 404, "ModelNotFoundException"},
		{"/nothing", "image/jpeg", frame, 404, "ResourceNotFoundException"},
		{"/predictions/rt-detrv2", "image/jpeg", make([]byte, torchServeBody+1), 413, ""},
	} {
		resp, body := post(t, i.URL+test.path, test.contentType, test.body)
		if resp.StatusCode != test.status || !strings.Contains(body, test.want) {
			t.Errorf("%s as %s: %s %s, want %d …%s…", test.path, test.contentType, resp.Status, body, test.status, test.want)
		}
		if _, named := resp.Header["Content-Type"]; named && test.status == 200 {
			t.Errorf("%s: a list has content type %q, TorchServe names none", test.path, resp.Header["Content-Type"])
		}
	}
	_, first := post(t, i.URL+"/predictions/rt-detrv2", "image/jpeg", frame)
	_, again := post(t, i.URL+"/predictions/rt-detrv2", "image/jpeg", frame)
	_, other := post(t, i.URL+"/predictions/rt-detrv2", "image/jpeg", jpegFrame(t, 64, 48, 2))
	if first != again || first == other {
		t.Errorf("boxes of a frame: %s, again %s, of another %s", first, again, other)
	}
	if got := fetch(t, i.URL+"/ping"); got != `{"status":"Healthy"}` {
		t.Errorf("ping: %s", got)
	}
	resp, _ := post(t, i.Scrapes[0].URL+"/models/rt-detrv2", "text/plain", nil)
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST of a model: %s", resp.Status)
	}
	var list []torchDescription
	if err := json.Unmarshal([]byte(fetch(t, i.Scrapes[0].URL+"/models/rt-detrv2")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || len(list[0].Workers) != 2 || list[0].Workers[1].Status != "READY" ||
		list[0].Queue != (torchQueue{RemainingCapacity: 100}) || list[0].BatchSize != 1 {
		t.Errorf("model: %+v", list)
	}
	if got := fetch(t, i.Scrapes[0].URL+"/models"); !strings.Contains(got, `"modelName":"rt-detrv2"`) {
		t.Errorf("models: %s", got)
	}
}

// In virtual time, without sockets: 1 worker, 2 places in the queue, 5 at once.
func TestTorchServeQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDriver()
		go d.run(t.Context())
		cfg := model.DetectorConfig{Workers: 1, Queue: 2, Job: model.Job{Work: 1, Parallel: 100}} // 10 ms
		m := &torchModel{name: "m", workers: 1, queue: 2}
		ts := &torchServe{driver: d, host: "h", gone: make(chan struct{}), models: []*torchModel{m}}
		d.do(func(w *model.World) {
			m.detector = model.NewDetector(w, w.AddDevice(turns(100)), model.Client{Share: 1}, cfg)
		})
		frame := jpegFrame(t, 16, 16, 1)
		codes := make(chan string)
		begin := time.Now()
		for range 5 {
			go func() {
				r := httptest.NewRequest("POST", "/predictions/m", bytes.NewReader(frame))
				r.Header.Set("Content-Type", "image/jpeg")
				w := httptest.NewRecorder()
				ts.inference().ServeHTTP(w, r)
				codes <- fmt.Sprint(w.Code, " ", time.Since(begin), " ", strings.Contains(w.Body.String(), "ServiceUnavailableException"))
			}()
			synctest.Wait()
		}
		var got []string
		for range 5 {
			got = append(got, <-codes)
		}
		// The last two are refused at once; the others end every 10 ms.
		want := "[503 0s true 503 0s true 200 10ms false 200 20ms false 200 30ms false]"
		if fmt.Sprint(got) != want {
			t.Errorf("got %v, want %s", got, want)
		}
		w := httptest.NewRecorder()
		ts.metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		// Waits 0 + 10 + 20 ms; latencies 10 + 20 + 30 ms; all five count as requests.
		for _, line := range []string{
			`ts_inference_requests_total{model_name="m",model_version="default",hostname="h",} 5`,
			`ts_queue_latency_microseconds{model_name="m",model_version="default",hostname="h",} 30000`,
			`ts_inference_latency_microseconds{model_name="m",model_version="default",hostname="h",} 60000`,
		} {
			if !strings.Contains(w.Body.String(), line+"\n") {
				t.Errorf("metrics lack %q:\n%s", line, w.Body)
			}
		}
	})
}
