package torchserve

import (
	"io"
	"net/http"
	"testing"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/endpointtest"
	"github.com/evabench/evabench/loadgen/internal/boxes"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/results"
)

func TestConformance(t *testing.T) {
	endpointtest.Run(t, endpointtest.Subject{
		New: func(transport httpx.Transport, dial httpx.DialFunc) (loadgen.Dialer, error) {
			c := Default
			c.Transport = transport
			c.Check = boxes.Check{MaxBoxes: new(1), IoU: 0.9}
			return New(c, dial)
		},
		Request: &loadgen.Request{Class: "c", Model: "rt-detrv2", Image: []byte("\xff\xd8 jpeg")},
		Told:    endpointtest.HeaderTimes(),
		Good: func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.URL.Path != "/predictions/rt-detrv2" || r.Header.Get("Content-Type") != "image/jpeg" ||
				string(body) != "\xff\xd8 jpeg" || r.ContentLength != int64(len(body)) {
				http.Error(w, "not the request", http.StatusBadRequest)
				return
			}
			// TorchServe sends lists without a content type.
			w.Header()["Content-Type"] = nil
			_, _ = io.WriteString(w, `[{"label":"person","score":0.9,"box":[1,2,3,4]}]`)
		},
		Refusals: map[string]endpointtest.Refusal{
			"queue full": {Status: 503, Body: `{"code":503,"type":"ServiceUnavailableException","message":"Model \"m\" has no worker to serve inference request."}`, Want: results.Shed},
			// As 0.12.0 tells it of a worker that was killed by signal 9.
			"worker died":     {Status: 507, Body: "{\n  \"code\": 507,\n  \"type\": \"InternalServerException\",\n  \"message\": \"Worker died.\"\n}\n", Want: results.HTTP5xx},
			"handler broke":   {Status: 503, Body: `{"code":503,"type":"InternalServerException","message":"Prediction failed"}`, Want: results.HTTP5xx},
			"out of memory":   {Status: 503, Body: `{"code":503,"type":"InternalServerException","message":"CUDA out of memory"}`, Want: results.OOM},
			"unknown model":   {Status: 404, Body: `{"code":404,"type":"ModelNotFoundException","message":"Model not found: m"}`, Want: results.HTTP4xx},
			"200, it broke":   {Status: 200, Body: `{"code":503,"type":"InternalServerException","message":"Prediction failed"}`, Want: results.HTTP5xx},
			"200, no memory":  {Status: 200, Body: `{"error":"CUDA out of memory"}`, Want: results.OOM},
			"a number":        {Status: 200, Body: `12`, Want: results.Malformed},
			"half an object":  {Status: 200, Body: `{"a":`, Want: results.Malformed},
			"no detections":   {Status: 200, Body: `[]`, Want: results.OK},
			"an empty object": {Status: 200, Body: ` {} `, Want: results.WrongAnswer}, // held to boxes
			"two detections":  {Status: 200, Body: `[{"box":[0,0,1,1]},{"box":[1,1,2,2]}]`, Want: results.WrongAnswer},
		},
	})
}

// Without a check any JSON object or list is an answer that tells no error.
func TestNoCheck(t *testing.T) {
	j := &judge{}
	for text, want := range map[string]results.Outcome{
		"[]": 0, `[{"box":"none"}]`: 0, "12": results.Malformed, `{"error":"broke"}`: results.HTTP5xx,
	} {
		var a loadgen.Answer
		j.Body(uint64(0), []byte(text), &a)
		if a.Outcome != want || (want == 0) != (a.Detail == "") {
			t.Errorf("%q: %+v, want %v", text, a, want)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	for name, c := range map[string]Config{
		"no content type": {}, "bad content type": {ContentType: "a\nb"}, "bad check": {ContentType: "a", Check: boxes.Check{IoU: 2}},
		"no path": {ContentType: "a", Check: boxes.Check{IoU: 0.5}}, "no path, no check": {ContentType: "a", Boxes: boxes.Where{Form: "xyxy"}},
	} {
		if _, err := New(c, nil); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestPrepareRefuses(t *testing.T) {
	d, err := New(Default, nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.Dial("http://localhost:1")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, r := range []loadgen.Request{
		{Model: "m"}, {Image: []byte("x")}, {Model: "m", Image: []byte("x"), Labels: []string{"cat"}},
	} {
		if _, err := e.Prepare(&r); err == nil {
			t.Errorf("Prepare accepted %+v", r)
		}
	}
}
