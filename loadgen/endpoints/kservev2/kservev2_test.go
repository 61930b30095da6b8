package kservev2

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/endpointtest"
	"github.com/evabench/evabench/loadgen/internal/boxes"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/results"
)

// picture is a JPEG with a red left half and a blue right half.
func picture(t testing.TB) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 64, 32))
	for y := range 32 {
		for x := range 64 {
			m.Set(x, y, color.RGBA{255, 0, 0, 255})
			if x >= 32 {
				m.Set(x, y, color.RGBA{0, 0, 255, 255})
			}
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// parts cuts a request's body into its JSON and the binary data of its inputs.
func parts(length string, body []byte) (inputs []tensor, data [][]byte, rest json.RawMessage, err error) {
	n, err := strconv.Atoi(length)
	if err != nil || n > len(body) {
		return nil, nil, nil, fmt.Errorf("%s %q of %d bytes", headerLength, length, len(body))
	}
	var request struct {
		Inputs     []tensor        `json:"inputs"`
		Outputs    json.RawMessage `json:"outputs"`
		Parameters json.RawMessage `json:"parameters"`
	}
	if err := json.Unmarshal(body[:n], &request); err != nil {
		return nil, nil, nil, err
	}
	tail := body[n:]
	for _, in := range request.Inputs {
		size := int(in.Parameters["binary_data_size"].(float64))
		if size > len(tail) {
			return nil, nil, nil, errors.New("binary data is too short")
		}
		data, tail = append(data, tail[:size]), tail[size:]
	}
	if len(tail) > 0 {
		return nil, nil, nil, fmt.Errorf("%d bytes are left", len(tail))
	}
	return request.Inputs, data, append(request.Outputs, request.Parameters...), nil
}

// A made output of an answer.
type made struct {
	name, datatype string
	shape          []int64
	values         any // written in binary; a []string is a BYTES tensor
}

// answer writes an answer, with its tensors in binary.
func answer(outputs ...made) (body []byte, length int) {
	var tail bytes.Buffer
	var all []tensor
	for _, o := range outputs {
		before := tail.Len()
		if texts, ok := o.values.([]string); ok {
			for _, text := range texts {
				tail.Write(appendBytes(nil, []byte(text)))
			}
		} else if err := binary.Write(&tail, binary.LittleEndian, o.values); err != nil {
			panic(err)
		}
		all = append(all, tensor{o.name, o.datatype, o.shape, map[string]any{"binary_data_size": tail.Len() - before}})
	}
	text, err := json.Marshal(map[string]any{"model_name": "m", "model_version": "1", "outputs": all})
	if err != nil {
		panic(err)
	}
	return append(text, tail.Bytes()...), len(text)
}

var detections = []made{
	{"boxes", "FP32", []int64{1, 2, 4}, []float32{0, 0, 10, 10, 5, 5, 6, 6}},
	{"labels", "BYTES", []int64{1, 2}, []string{"cat", "a dog"}},
	{"scores", "FP32", []int64{1, 2}, []float32{0.9, 0.8}},
}

func refusal(want results.Outcome, outputs ...made) endpointtest.Refusal {
	body, length := answer(outputs...)
	return cut(want, string(body), length)
}

func cut(want results.Outcome, body string, length int) endpointtest.Refusal {
	return endpointtest.Refusal{Status: 200, Body: body, Want: want, Header: http.Header{headerLength: {strconv.Itoa(length)}}}
}

func TestConformance(t *testing.T) {
	t.Setenv("EVABENCH_TEST_KEY", "sesame")
	request := &loadgen.Request{Class: "c", Model: "rt detr", Image: picture(t), Labels: []string{"cat", "a dog"}}
	config := Default
	config.Version, config.LabelsInput, config.APIKeyEnv = "3", "TEXT", "EVABENCH_TEST_KEY"
	config.Outputs = []string{"boxes", "labels", "scores"}
	config.Check = boxes.Check{MinBoxes: new(1), IoU: 0.9}
	good, length := answer(detections...)
	const fault = `{"error":"[request id: <id_unknown>] Exceeds maximum queue size"}`
	endpointtest.Run(t, endpointtest.Subject{
		New: func(transport httpx.Transport, dial httpx.DialFunc) (loadgen.Dialer, error) {
			config := config
			config.Transport = transport
			return New(config, dial)
		},
		Request: request, Told: endpointtest.HeaderTimes(),
		Good: func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			inputs, data, rest, err := parts(r.Header.Get(headerLength), body)
			got := fmt.Sprint(r.Header.Get("Authorization"), r.URL.EscapedPath(), inputs, string(rest), err)
			want := fmt.Sprint("Bearer sesame", "/v2/models/rt%20detr/versions/3/infer", []tensor{
				{"IMAGE", "BYTES", []int64{1}, map[string]any{"binary_data_size": 4 + len(request.Image)}},
				{"TEXT", "BYTES", []int64{1, 2}, map[string]any{"binary_data_size": 4 + 3 + 4 + 5}},
			}, `[{"name":"boxes","parameters":{"binary_data":true}},{"name":"labels","parameters":{"binary_data":true}},`+
				`{"name":"scores","parameters":{"binary_data":true}}]`, nil)
			if got != want || !bytes.Equal(data[0], appendBytes(nil, request.Image)) || string(data[1]) != "\x03\x00\x00\x00cat\x05\x00\x00\x00a dog" {
				http.Error(w, "got "+got, http.StatusBadRequest)
				return
			}
			w.Header().Set(headerLength, strconv.Itoa(length))
			_, _ = w.Write(good)
		},
		Refusals: map[string]endpointtest.Refusal{
			"queue full":        {Status: 503, Body: fault, Want: results.Shed},
			"waited too long":   {Status: 503, Body: `{"error":"Request timeout expired"}`, Want: results.Shed},
			"not ready":         {Status: 503, Body: `{"error":"Request for unknown model: 'm' is not ready"}`, Want: results.HTTP5xx},
			"bad shape":         {Status: 400, Body: `{"error":"unexpected shape for input 'IMAGE'"}`, Want: results.HTTP4xx},
			"200 with a fault":  {Status: 200, Body: `{"error":"broke"}`, Want: results.HTTP5xx},
			"200 without space": {Status: 200, Body: `{"error":"CUDA out of memory"}`, Want: results.OOM},
			"no outputs":        {Status: 200, Body: `{"model_name":"m"}`, Want: results.Malformed},
			"all in JSON": {Status: 200, Want: results.OK, Body: `{"outputs":[{"name":"boxes","datatype":"FP32","shape":[1,2,4],"data":[[[0,0,10,10],[5,5,6,6]]]},` +
				`{"name":"labels","datatype":"BYTES","shape":[1,2],"data":["cat","a dog"]},{"name":"scores","datatype":"FP32","shape":[2],"data":[0.9,1]}]}`},
			"some output missing": refusal(results.WrongAnswer, detections[0], detections[1]),
			"no boxes": refusal(results.WrongAnswer, made{"boxes", "FP32", []int64{1, 0, 4}, []float32{}},
				made{"labels", "BYTES", []int64{0}, []string{}}, made{"scores", "FP32", []int64{0}, []float32{}}),
			"fewer scores":      refusal(results.WrongAnswer, detections[0], detections[1], made{"scores", "FP32", []int64{1}, []float32{1}}),
			"another shape":     refusal(results.Malformed, detections[1], detections[2], made{"boxes", "FP32", []int64{1, 3, 4}, make([]float32, 8)}),
			"half an element":   refusal(results.Malformed, made{"boxes", "FP32", []int64{1}, []uint8{1, 2, 3}}),
			"fewer texts":       refusal(results.Malformed, made{"labels", "BYTES", []int64{3}, []string{"a", "b"}}),
			"unknown type":      refusal(results.Malformed, made{"labels", "TEXT", []int64{1}, []string{"a"}}),
			"data left over":    cut(results.Malformed, string(good)+"x", length),
			"data too short":    cut(results.Malformed, string(good[:len(good)-1]), length),
			"header too long":   cut(results.Malformed, string(good), len(good)+1),
			"header too short":  cut(results.Malformed, string(good), length-1),
			"header is no text": {Status: 200, Body: string(good), Header: http.Header{headerLength: {"-1"}}, Want: results.Malformed},
			"no header":         {Status: 200, Body: string(good), Want: results.Malformed},
			"shape overflows":   refusal(results.Malformed, made{"a", "FP32", []int64{1 << 31, 1 << 31, 4}, []float32{}}),
		},
	})
}

// Pixels are those of the image, in the order and the type that were asked for.
func TestPixels(t *testing.T) {
	red, blue := [3]float64{254, 0, 0}, [3]float64{0, 0, 254} // as JPEG gives them back, within 2
	for _, c := range []struct {
		in   Input
		at   func(channel, x int) int // of the upper row of two pixels
		want int
	}{
		{Input{Datatype: "UINT8", Shape: []int64{1, 3, 1, 2}, Layout: "chw"}, func(c, x int) int { return c*2 + x }, 6},
		{Input{Datatype: "UINT8", Shape: []int64{1, 2, 3}, Layout: "hwc"}, func(c, x int) int { return x*3 + c }, 6},
		{Input{Datatype: "FP32", Shape: []int64{1, 1, 3, 1, 2}, Layout: "chw", Scale: 1. / 255}, func(c, x int) int { return c*2 + x }, 24},
	} {
		c.in.Name = "x"
		config := Default
		config.Input = c.in
		d, err := New(config, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, header, err := d.(*dialer).config.body(&loadgen.Request{Image: picture(t)})
		if err != nil {
			t.Fatal(err)
		}
		_, data, _, err := parts(strconv.Itoa(header), body)
		if err != nil || len(data[0]) != c.want {
			t.Fatalf("%+v: %d bytes, %v; want %d", c.in, len(data[0]), err, c.want)
		}
		for x, pixel := range [2][3]float64{red, blue} {
			for channel, want := range pixel {
				got := 0.0
				if i := c.at(channel, x); c.in.Datatype == "FP32" {
					got = 255 * float64(math.Float32frombits(binary.LittleEndian.Uint32(data[0][4*i:])))
				} else {
					got = float64(data[0][i])
				}
				if math.Abs(got-want) > 3 {
					t.Errorf("%+v: channel %d of pixel %d is %v, want about %v", c.in, channel, x, got, want)
				}
			}
		}
	}
}

func TestGrey(t *testing.T) {
	in := Input{Datatype: "UINT8", Shape: []int64{1, 1, 1}, Layout: "hwc"}
	for _, c := range []color.Color{color.White, color.Black, color.RGBA{255, 0, 0, 255}, color.RGBA{1, 200, 30, 255}} {
		m := image.NewRGBA(image.Rect(3, 3, 4, 4))
		m.Set(3, 3, c)
		want := color.GrayModel.Convert(c).(color.Gray).Y
		if got := in.appendPixels(nil, m); len(got) != 1 || got[0] != want {
			t.Errorf("%v is %v, want %d", c, got, want)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	t.Setenv("EVABENCH_TEST_NO_KEY", "")
	t.Setenv("EVABENCH_TEST_BAD_KEY", "a\nb")
	if _, err := New(Default, nil); err != nil {
		t.Fatal(err)
	}
	for part, set := range map[string]func(*Config){
		"no name":                  func(c *Config) { c.Input.Name = "" },
		"datatype \"FP16\"":        func(c *Config) { c.Input.Datatype = "FP16" },
		"no shape":                 func(c *Config) { c.Input.Shape = nil },
		"more than one image":      func(c *Config) { c.Input.Shape = []int64{2} },
		"no three dimensions":      func(c *Config) { c.Input.Datatype, c.Input.Shape = "FP32", []int64{3, 4} },
		"layout \"nchw\"":          func(c *Config) { c.Input.Datatype, c.Input.Shape, c.Input.Layout = "FP32", []int64{3, 4, 4}, "nchw" },
		"no image of 1 or 3":       func(c *Config) { c.Input.Datatype, c.Input.Shape = "UINT8", []int64{1, 4, 4, 3} },
		"is for more than":         func(c *Config) { c.Input.Datatype, c.Input.Shape = "UINT8", []int64{2, 3, 4, 4} },
		"names of their own":       func(c *Config) { c.Outputs = []string{""} },
		"iou is 2":                 func(c *Config) { c.Check.IoU = 2 },
		"no output is named":       func(c *Config) { c.Check.IoU, c.Boxes.Boxes = 0.5, "" },
		"form \"yolo\"":            func(c *Config) { c.Check.IoU, c.Boxes.Form = 0.5, "yolo" },
		"not among the outputs":    func(c *Config) { c.Check.IoU, c.Outputs = 0.5, []string{"boxes"} },
		"outputs asked for":        func(c *Config) { c.Outputs, c.Boxes.Boxes = []string{"a"}, "b" },
		"boxes: form":              func(c *Config) { c.Boxes.Form = "yolo" },
		"scale is 0":               func(c *Config) { c.Input.Datatype, c.Input.Shape, c.Input.Scale = "FP32", []int64{3, 4, 4}, 0 },
		"scale is NaN":             func(c *Config) { c.Input.Datatype, c.Input.Shape, c.Input.Scale = "FP32", []int64{3, 4, 4}, math.NaN() },
		"scale is for FP32":        func(c *Config) { c.Input.Scale = 2 },
		"is not set":               func(c *Config) { c.APIKeyEnv = "EVABENCH_TEST_NO_KEY" },
		"field \"Authorization\"":  func(c *Config) { c.APIKeyEnv = "EVABENCH_TEST_BAD_KEY" },
		"labels_input need names ": func(c *Config) { c.LabelsInput = "IMAGE" },
	} {
		c := Default
		set(&c)
		if _, err := New(c, nil); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("want an error with %q, got %v", part, err)
		}
	}
}

func TestPrepareRefuses(t *testing.T) {
	pixels := Default
	pixels.Input = Input{Name: "x", Datatype: "UINT8", Shape: []int64{3, 4, 4}, Layout: "chw"}
	for part, c := range map[string]struct {
		config Config
		r      loadgen.Request
	}{
		"no image":         {Default, loadgen.Request{Model: "m"}},
		"no model":         {Default, loadgen.Request{Image: []byte("x")}},
		"labels_input":     {Default, loadgen.Request{Model: "m", Image: []byte("x"), Labels: []string{"cat"}}},
		"decode the image": {pixels, loadgen.Request{Model: "m", Image: []byte("x")}},
	} {
		d, err := New(c.config, nil)
		if err != nil {
			t.Fatal(err)
		}
		e, err := d.Dial("http://localhost:1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Prepare(&c.r); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("want an error with %q, got %v", part, err)
		}
	}
}

// Whatever an answer holds, it is good or one of few faults.
func FuzzAnswer(f *testing.F) {
	good, length := answer(detections...)
	f.Add(good, length, true)
	f.Add([]byte(`{"outputs":[{"name":"boxes","datatype":"FP32","shape":[1,4],"data":[[1,2],[3,4]]}]}`), 0, false)
	f.Add([]byte(`{"outputs":[{"name":"boxes","datatype":"FP32","shape":[4],"data":[[],[1,2,3],[[4]]]}]}`), 0, false)
	f.Add([]byte(`{"outputs":[{"name":"boxes","datatype":"FP32","shape":[0],"data":[[]]},{"name":"boxes","shape":[],"datatype":"BOOL","data":true}]}`), 0, false)
	config := Default
	config.Check = boxes.Check{MinBoxes: new(1), IoU: 0.5}
	config.Boxes = Boxes{Boxes: "boxes", Labels: "labels", Form: "xyxy"}
	d, err := New(config, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, length int, given bool) {
		j := &judge{dialer: d.(*dialer), header: []byte(strconv.Itoa(length)), given: given}
		var a loadgen.Answer
		j.Body(uint64(0), body, &a)
		switch a.Outcome {
		case 0, results.Malformed, results.WrongAnswer, results.HTTP5xx, results.OOM:
		default:
			t.Fatalf("%q: %v", body, a.Outcome)
		}
		if (a.Outcome == 0) != (a.Detail == "") {
			t.Fatalf("%q: %+v", body, a)
		}
		for _, b := range j.found {
			if !(b.X1 <= b.X2) {
				t.Fatalf("%q: box %v", body, b)
			}
		}
	})
}

// The key that is sent is not told where a server says it back.
func TestSecret(t *testing.T) {
	t.Setenv("EVABENCH_TEST_KEY", "sesame")
	config := Default
	config.APIKeyEnv = "EVABENCH_TEST_KEY"
	d, err := New(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.Dial("http://a:1")
	if err != nil {
		t.Fatal(err)
	}
	if got := e.(endpoint).Secret; got != "sesame" {
		t.Errorf("the client keeps %q for itself", got)
	}
}

// What is too long for an error is not looked at for one.
func TestLongErrors(t *testing.T) {
	const begin, end = `{"error":"`, `"}`
	room := maxFault - len(begin) - len(end)
	for size, want := range map[int]bool{room: true, room + 1: false} {
		if told := errorOf([]byte(begin+strings.Repeat("x", size)+end)) != ""; told != want {
			t.Errorf("an error of %d bytes: %v, want %v", size+len(begin)+len(end), told, want)
		}
	}
}
