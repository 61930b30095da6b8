package detecthttp

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/endpointtest"
	"github.com/evabench/evabench/loadgen/internal/boxes"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/results"
)

const image = "\xff\xd8 jpeg"

var request = &loadgen.Request{Class: "c", Model: "owl/v2", Image: []byte(image), Labels: []string{"cat", `a "dog" & co`}}

// A shape is a configuration and what its server must see.
type shape struct {
	set      func(*Config)
	target   string // path and query
	bodyless bool
	check    func(r *http.Request, body []byte) error
}

func same(name, got, want string) error {
	if got != want {
		return fmt.Errorf("%s is %q, want %q", name, got, want)
	}
	return nil
}

var shapes = map[string]shape{
	"raw, labels joined in the query": {
		func(c *Config) { c.Labels.Query = "q"; c.Path = "/detect?m={model}" },
		"/detect?m=owl%2Fv2&q=cat%2Ca+%22dog%22+%26+co", false,
		func(r *http.Request, body []byte) error {
			return same("body and type", string(body)+r.Header.Get("Content-Type"), image+"image/jpeg")
		},
	},
	"raw, a parameter for each label": {
		func(c *Config) { c.Labels = Labels{Query: "q"} },
		"/predict/owl%2Fv2?q=cat&q=a+%22dog%22+%26+co", false,
		func(r *http.Request, body []byte) error { return same("body", string(body), image) },
	},
	"multipart": {
		func(c *Config) {
			c.Form, c.FileField, c.FileName, c.ContentType = multiform, "upload", "frame.jpg", "image/x"
			c.FormFields, c.Labels = map[string]string{"model": "m={model}", "conf": "0.5"}, Labels{Field: "label"}
		},
		"/predict/owl%2Fv2", false,
		func(r *http.Request, body []byte) error {
			r.Body = io.NopCloser(bytes.NewReader(body))
			if err := r.ParseMultipartForm(1 << 20); err != nil {
				return err
			}
			file, header, err := r.FormFile("upload")
			if err != nil {
				return err
			}
			text, _ := io.ReadAll(file)
			got := fmt.Sprint(r.MultipartForm.Value, header.Filename, header.Header.Get("Content-Type"), string(text))
			return same("form", got, fmt.Sprint(map[string][]string{"conf": {"0.5"}, "label": request.Labels, "model": {"m=owl/v2"}}, "frame.jpg", "image/x", image))
		},
	},
	"base64 in JSON": {
		func(c *Config) {
			c.Form, c.Method = base64JSON, "PUT"
			c.Headers = map[string]string{"X-Site": "lab"}
			c.Body = map[string]any{
				"image": "data:image/jpeg;base64,{image}", "list": "{labels}", "text": "find {labels} with {model}", "n": 0.5, "<{model}>": []any{true, nil},
			}
		},
		"/predict/owl%2Fv2", false,
		func(r *http.Request, body []byte) error {
			want := `{"<owl/v2>":[true,null],"image":"data:image/jpeg;base64,` + base64.StdEncoding.EncodeToString([]byte(image)) +
				`","list":["cat","a \"dog\" & co"],"n":0.5,"text":"find cat,a \"dog\" & co with owl/v2"}`
			return same("request", r.Method+r.Header.Get("X-Site")+r.Header.Get("Content-Type")+string(body), "PUTlabapplication/json"+want)
		},
	},
	"no body": {
		func(c *Config) { c.Form, c.Method, c.Path, c.Labels.Query = none, "GET", "/health", "l" },
		"/health?l=cat%2Ca+%22dog%22+%26+co", true,
		func(r *http.Request, body []byte) error { return same("body", r.Method+string(body), "GET") },
	},
}

func TestConformance(t *testing.T) {
	t.Setenv("EVABENCH_TEST_KEY", "sesame")
	for name, s := range shapes {
		config := Default
		config.Check = boxes.Check{MinBoxes: new(1), IoU: 0.9}
		config.APIKeyEnv = "EVABENCH_TEST_KEY"
		s.set(&config)
		t.Run(name, func(t *testing.T) {
			endpointtest.Run(t, endpointtest.Subject{
				New: func(transport httpx.Transport, dial httpx.DialFunc) (loadgen.Dialer, error) {
					config := config
					config.Transport = transport
					return New(config, dial)
				},
				Request: request, Bodyless: s.bodyless, Told: endpointtest.HeaderTimes(),
				Good: func(w http.ResponseWriter, r *http.Request) {
					body, _ := io.ReadAll(r.Body)
					err := s.check(r, body)
					if err == nil {
						err = same("target", r.URL.RequestURI()+r.Header.Get("Authorization"), s.target+"Bearer sesame")
					}
					if err != nil {
						http.Error(w, err.Error(), http.StatusBadRequest)
						return
					}
					_, _ = io.WriteString(w, `{"predictions":[{"box":[1,2,3,4],"label":"cat","score":0.9}]}`)
				},
				Refusals: map[string]endpointtest.Refusal{
					"queue full":        {Status: 503, Body: `{"detail":"Queue is full"}`, Want: results.Shed},
					"no worker":         {Status: 503, Body: `{"code":503,"type":"ServiceUnavailableException","message":"Model \"m\" has no worker"}`, Want: results.Shed},
					"broke":             {Status: 503, Body: `{"detail":"upstream is gone"}`, Want: results.HTTP5xx},
					"a page":            {Status: 503, Body: "<html><body>Request Queue (nginx)</body></html>", Want: results.HTTP5xx},
					"200 with a fault":  {Status: 200, Body: `{"predictions":[{"box":[1,2,3,4],"label":"cat"}],"error":{"message":"broke"}}`, Want: results.HTTP5xx},
					"200, no memory":    {Status: 200, Body: `{"code":507,"type":"x","message":"CUDA out of memory"}`, Want: results.OOM},
					"half an object":    {Status: 200, Body: `{"predictions":`, Want: results.Malformed},
					"another form":      {Status: 200, Body: `[]`, Want: results.WrongAnswer},
					"no boxes":          {Status: 200, Body: `{"predictions":[]}`, Want: results.WrongAnswer},
					"a fault as a text": {Status: 200, Body: `"broke"`, Want: results.Malformed},
				},
			})
		})
	}
}

// The words of full queues count where a fault is told, not anywhere.
func TestSheds(t *testing.T) {
	for text, want := range map[string]bool{
		`{"detail":"Queue is full"}`: true, `{"message":"admission refused"}`: true, `{"error":"QUEUE"}`: true, `{"type":"QueueFull"}`: true,
		`{"error":{"type":"x","message":"queue is full"}}`: true, `{"code":503,"type":"ServiceUnavailableException","message":"no worker"}`: true,
		`{"detail":"down","queue_url":"http://queue/"}`: false, `{"detail":["queue"]}`: false, `{"queue":1,"error":"broke"}`: false,
		`{"error":{"queue":"x","message":"broke"}}`: false, `["queue"]`: false, `"queue full"`: true, `{"detail":"\u0071ueue full"}`: true,
		"Queue is full\n": true, "queue\nat worker.go:12": false, "<html>queue</html>": false, strings.Repeat("x", 300) + " queue": false,
		"": false, "upstream is gone": false, `{"detail":"queue`: true, // a short line that is no JSON
	} {
		if got := sheds([]byte(text)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// What is not JSON is an answer where any is.
func TestAnyAnswer(t *testing.T) {
	for answer, want := range map[string]results.Outcome{anyAnswer: 0, jsonAnswer: results.Malformed} {
		j := &judge{dialer: &dialer{config: Config{Answer: answer}}}
		for _, text := range []string{"", "OK\n"} {
			var a loadgen.Answer
			if j.Body(uint64(0), []byte(text), &a); a.Outcome != want {
				t.Errorf("%q as %s: %+v", text, answer, a)
			}
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	t.Setenv("EVABENCH_TEST_NO_KEY", "")
	if _, err := New(Default, nil); err != nil {
		t.Fatal(err)
	}
	for part, set := range map[string]func(*Config){
		`form "gif"`:                           func(c *Config) { c.Form = "gif" },
		`answer "xml"`:                         func(c *Config) { c.Answer = "xml" },
		"check looks for boxes":                func(c *Config) { c.Answer, c.Check.MinBoxes = anyAnswer, new(1) },
		"iou is 2":                             func(c *Config) { c.Check.IoU = 2 },
		"goes through no list":                 func(c *Config) { c.Check.IoU, c.Boxes.Path = 0.5, "box" },
		"path \"/{image}\" holds {image}":      func(c *Config) { c.Path = "/{image}" },
		"request line":                         func(c *Config) { c.Path = "predict" },
		"content_type is empty":                func(c *Config) { c.ContentType = "" },
		"file_field or file_name is empty":     func(c *Config) { c.Form, c.FileName = multiform, "" },
		"form_fields and labels.field":         func(c *Config) { c.Labels.Field = "l" },
		"only {model} is known there":          func(c *Config) { c.Form, c.FormFields = multiform, map[string]string{"a": "{modle}"} },
		"body is for the form":                 func(c *Config) { c.Body = "{image}" },
		"needs one with {image}":               func(c *Config) { c.Form = base64JSON },
		"no place for the image":               func(c *Config) { c.Form, c.Body = base64JSON, map[string]any{"a": "b"} },
		"it holds {img}":                       func(c *Config) { c.Form, c.Body = base64JSON, map[string]any{"a": "{image}", "b": "{img}"} },
		"a member's name":                      func(c *Config) { c.Form, c.Body = base64JSON, map[string]any{"a": "{image}", "{labels}": 1} },
		"unsupported type":                     func(c *Config) { c.Form, c.Body = base64JSON, map[string]any{"a": "{image}", "b": make(chan int)} },
		"is not set":                           func(c *Config) { c.APIKeyEnv = "EVABENCH_TEST_NO_KEY" },
		"\"content-type\" is for content_type": func(c *Config) { c.Headers = map[string]string{"content-type": "x"} },
		"\"Authorization\" is for a secret":    func(c *Config) { c.Headers = map[string]string{"Authorization": "x"} },
		"\"x-api-key\" is for a secret":        func(c *Config) { c.Headers = map[string]string{"x-api-key": "x"} },
		"\"User-Agent\" is the program's own":  func(c *Config) { c.Headers = map[string]string{"User-Agent": "x"} },
		"content_type is for the forms":        func(c *Config) { c.Form, c.ContentType = none, "image/png" },
		"content_type is for the forms raw":    func(c *Config) { c.Form, c.Body, c.ContentType = base64JSON, "{image}", "image/png" },
		"file_field and file_name are":         func(c *Config) { c.FileField = "upload" },
		"file_field and file_name are for":     func(c *Config) { c.Form, c.FileName = none, "x.jpg" },
		"boxes: form \"yolo\"":                 func(c *Config) { c.Boxes.Form = "yolo" },
		"behind its *":                         func(c *Config) { c.Boxes.Path = "[].*.x" },
		"tolerance does nothing without iou":   func(c *Config) { c.Check.MinBoxes, c.Check.Tolerance = new(1), 0.5 },
		"the client's own":                     func(c *Config) { c.Headers = map[string]string{"Host": "x"} },
	} {
		c := Default
		set(&c)
		if _, err := New(c, nil); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("want an error with %q, got %v", part, err)
		}
	}
}

func TestPrepareRefuses(t *testing.T) {
	for part, c := range map[string]struct {
		set func(*Config)
		r   loadgen.Request
	}{
		"no image":            {func(*Config) {}, loadgen.Request{Model: "m"}},
		"no model":            {func(*Config) {}, loadgen.Request{Image: []byte("x")}},
		"no place for labels": {func(*Config) {}, loadgen.Request{Model: "m", Image: []byte("x"), Labels: []string{"cat"}}},
		"has no model":        {func(c *Config) { c.Path, c.Form, c.Body = "/", base64JSON, "{image}{model}" }, loadgen.Request{Image: []byte("x")}},
	} {
		config := Default
		c.set(&config)
		d, err := New(config, nil)
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

// A form whose image holds the boundary gets another one.
func TestBoundary(t *testing.T) {
	config := Default
	config.Form = multiform
	d := &dialer{config: config}
	r := &loadgen.Request{Image: []byte("a\r\n--evabench-form-0f5ad6c4e29b--\r\nb")}
	body, contentType, err := d.multipart(r)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	h.Header.Set("Content-Type", contentType)
	file, _, err := h.FormFile(config.FileField)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(file); !bytes.Equal(got, r.Image) {
		t.Errorf("the image came as %q", got)
	}
}

// A body is JSON whatever model and labels hold, and they come out as they were.
func FuzzTemplate(f *testing.F) {
	f.Add("m", "cat", []byte("x"))
	f.Add(`"{image}`, "\x00\\{labels}", []byte{})
	f.Fuzz(func(t *testing.T, model, label string, image []byte) {
		made, err := newTemplate(map[string]any{"i": "{image}", "m": "<{model}>", "l": "{labels}", "j": "{labels}!"})
		if err != nil {
			t.Fatal(err)
		}
		body := made.fill(&loadgen.Request{Model: model, Labels: []string{label, "b"}, Image: image}, "+")
		var got struct {
			I    []byte
			M, J string
			L    []string
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		if !bytes.Equal(got.I, image) {
			t.Fatalf("%q: image %q", body, got.I)
		}
		if utf8.ValidString(model) && got.M != "<"+model+">" {
			t.Fatalf("%q: model %q", body, got.M)
		}
		if utf8.ValidString(label) && (len(got.L) != 2 || got.L[0] != label || got.J != label+"+b!") {
			t.Fatalf("%q: labels %q, %q", body, got.L, got.J)
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
