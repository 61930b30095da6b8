package sim

import (
	"strings"
	"testing"
	"testing/synctest"
)

func TestTorchServeMetricsMode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := virtualTorchServe(t, options(func(o *torchServeOptions) { o.metricsMode = "log" }), 1, "m")
		call(ts.inference(), "POST", "/predictions/m", "image/jpeg", string(jpegFrame(t, 16, 16, 1)))
		w := call(ts.metrics(), "GET", "/metrics", "", "")
		if w.Code != 200 || w.Body.Len() != 0 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
			t.Errorf("%d %q %s, want 200 and nothing", w.Code, w.Body, w.Header())
		}
	})
	o := defaultTorchServe()
	o.metricsMode = "off"
	if o.check() == nil {
		t.Error("metrics_mode off was taken")
	}
}

func TestJavaDouble(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0.0", 1: "1.0", 290371.129: "290371.129", 9999999: "9999999.0", 1e7: "1.0E7", 12345678.5: "1.23456785E7", 0.0005: "5.0E-4",
	} {
		if got := javaDouble(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}

// What fails in the worker adds to neither sum and no gauge.
func TestTorchServeSumsAreOfAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := virtualTorchServe(t, defaultTorchServe(), 1, "m")
		const declared = "# TYPE ts_queue_latency_microseconds counter\n"
		if page := call(ts.metrics(), "GET", "/metrics", "", "").Body.String(); !strings.Contains(page, declared) {
			t.Errorf("before the first request: %s", page)
		}
		w := call(ts.inference(), "POST", "/predictions/m/1.0", "image/jpeg", "no image")
		if w.Code != 503 || !strings.Contains(w.Body.String(), `"type": "InternalServerException"`) {
			t.Errorf("corrupt image: %d %s", w.Code, w.Body)
		}
		call(ts.inference(), "POST", "/predictions/x", "image/jpeg", "no image")
		got := checkPage(t, ts.metrics(), map[string]float64{
			"ts_inference_requests_total{model_name=m,model_version=1.0}": 1, "Requests5XX{Level=Host}": 1, "Requests4XX{Level=Host}": 1,
		})
		for name := range got {
			if strings.Contains(name, "latency") || strings.Contains(name, "Time") {
				t.Errorf("%s is on the page before the first answer", name)
			}
		}
		const line = `ts_inference_requests_total{model_name="m",model_version="1.0",hostname="h",} 1.0` + "\n"
		if page := call(ts.metrics(), "GET", "/metrics?name[]=ts_inference_requests_total", "", "").Body.String(); !strings.HasSuffix(page, "counter\n"+line) {
			t.Errorf("one name asked for: %q", page)
		}
	})
}
