package identity

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The answers of real servers, cut: GET /v1/models of vLLM, and GET /models/NAME
// of TorchServe's management page.
const (
	vllmModels = `{"object":"list","data":[{"id":"qwen3-vl-8b","object":"model","created":1732180000,"owned_by":"vllm",` +
		`"root":"Qwen/Qwen3-VL-8B-Instruct","parent":null,"max_model_len":32768}]}`
	torchServeModel = `[
  {
    "modelName": "rt-detrv2",
    "modelVersion": "1.0",
    "minWorkers": 2,
    "maxWorkers": 2,
    "batchSize": 1,
    "loadedAtStartup": true,
    "workers": [{"id": "9000", "status": "READY", "gpu": false}, {"id": "9001", "status": "READY", "gpu": false}],
    "jobQueueStatus": {"remainingCapacity": 100, "pendingRequests": 0}
  }
]`
)

func server(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/v1/models":
			fmt.Fprint(w, vllmModels)
		case "/models/rt-detrv2":
			fmt.Fprint(w, torchServeModel)
		case "/long":
			fmt.Fprint(w, strings.Repeat("x", maxAnswer+1))
		case "/moved":
			http.Redirect(w, q, "/v1/models", http.StatusFound)
		case "/two":
			fmt.Fprint(w, "{} {}")
		default:
			http.Error(w, "no such page", http.StatusNotFound)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestAsk(t *testing.T) {
	base := server(t)
	check := func(q Question, want string) {
		t.Helper()
		if err := q.Check(); err != nil {
			t.Errorf("%+v: Check() = %v", q, err)
		}
		_, err := Ask(t.Context(), Server{Base: base}, []Question{q})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%+v: got %v, want %q", q, err, want)
		}
	}
	check(Question{Page: "/v1/models", Has: "qwen3-vl-8b"}, "")
	check(Question{Page: base + "/v1/models", Has: "qwen3-vl-8b"}, "")
	check(Question{Page: "/v1/models", JSON: "data[0].id", Equals: "qwen3-vl-8b"}, "")
	check(Question{Page: "/v1/models", JSON: `$.data[0]["max_model_len"]`, Equals: "32768.0"}, "")
	check(Question{Page: "/v1/models", JSON: "$.data[0].parent", Equals: "null"}, "")
	check(Question{Page: "/models/rt-detrv2", JSON: "$[0].minWorkers", Equals: "2"}, "")
	check(Question{Page: "/models/rt-detrv2", JSON: "$[0].workers", Has: `"status":"READY"`}, "")
	check(Question{Page: "/models/rt-detrv2", JSON: "$[0].loadedAtStartup", Equals: "true"}, "")

	check(Question{Page: "/v1/models", Has: "llava"}, `/v1/models must hold "llava"; the answer was "{\"object\"`)
	check(Question{Page: "/models/rt-detrv2", JSON: "$[0].minWorkers", Equals: "4"}, `/models/rt-detrv2 $[0].minWorkers must be "4" and is "2"`)
	check(Question{Page: "/models/rt-detrv2", JSON: "$[0].modelVersion", Equals: "1"}, "") // both are numbers
	check(Question{Page: "/models/rt-detrv2", JSON: "$[1].minWorkers", Equals: "4"}, "it has no $[1]; the answer was")
	check(Question{Page: "/models/rt-detrv2", JSON: "$[0].minworkers", Equals: "4"}, `it has no $[0]["minworkers"]`)
	check(Question{Page: "/models/rt-detrv2", JSON: "$.minWorkers", Equals: "4"}, `it has no $["minWorkers"]`)
	check(Question{Page: "/models/owl", Has: "x"}, `/models/owl: it answers 404 Not Found: "no such page`)
	check(Question{Page: "/long", Has: "x"}, "longer than 4 MiB")
	check(Question{Page: "/two", JSON: "a", Equals: "x"}, "more than one JSON value")
	check(Question{Page: "/moved", Has: "qwen3-vl-8b"}, `/moved: it answers 302 Found and points to "/v1/models", which is not followed`)
	check(Question{Page: "http://127.0.0.1:1/x", Has: "x"}, "refused")

	_, err := Ask(t.Context(), Server{Base: base}, []Question{{Page: "/v1/models", Has: "a-1"}, {Page: "/v1/models", Has: "qwen"}, {Page: "/none", Has: "a-2"}})
	if err == nil || strings.Count(err.Error(), "identity:") != 2 {
		t.Errorf("two of three are wrong: %v", err)
	}
}

// A server's version is what questions name and expect nothing of. A server that says
// another one when it is asked again is another server.
func TestKnown(t *testing.T) {
	version := "0.10.2"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		fmt.Fprintf(w, `{"version": %q, "models": ["a", "b"]}`, version)
	}))
	defer s.Close()
	all := []Question{
		{Page: "/version", JSON: "version"}, {Page: "/models", JSON: "models[0]"},
		{Page: "/models", JSON: "models", Has: "b"}, {Page: "/models", JSON: "models[1]", Equals: "b"}, {Page: "/again", JSON: "version"},
	}
	var k Known
	ask := func(want string) {
		t.Helper()
		if err := k.Ask(t.Context(), Server{Base: s.URL}, all); fmt.Sprint(err) != want {
			t.Errorf("Ask() = %v, want %s", err, want)
		}
	}
	if got := k.Version("sha256:1"); got != "sha256:1" {
		t.Errorf("before it is asked its version is %q", got)
	}
	ask("<nil>")
	ask("<nil>")
	if got := k.Version(""); got != "0.10.2, a" {
		t.Errorf("its version is %q", got)
	}
	if got := k.Version("sha256:1"); got != "sha256:1, 0.10.2, a" {
		t.Errorf("its version is %q", got)
	}
	version = "0.11.0"
	ask(`identity: it said "0.10.2, a" before, and says "0.11.0, a": it is another server`)
	version = strings.Repeat("1", maxValue+1)
	if err := k.Ask(t.Context(), Server{Base: s.URL}, all[:1]); err == nil || !strings.Contains(err.Error(), "longer than 200 bytes, which is no version") {
		t.Errorf("a long version: %v", err)
	}
}

func TestCheckRefuses(t *testing.T) {
	check := func(q Question, want string) {
		t.Helper()
		if err := q.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", q, err, want)
		}
	}
	check(Question{Has: "x"}, "page is missing")
	check(Question{Page: "v1/models", Has: "x"}, "neither a path")
	check(Question{Page: "http://me:secret@host/", Has: "x"}, "password")
	check(Question{Page: "/x"}, "nothing is asked")
	check(Question{Page: "/x", Equals: "x"}, "equals needs json")
	for _, bad := range []string{"$a", "a..b", "a[", "a[x]", "a[-1]", `a["b]`, "a]", "[0]b", ".", "a.", "[99999999999]"} {
		check(Question{Page: "/x", JSON: bad, Has: "x"}, "is no path")
	}
}

// TestPathFindsWhatWasPut hides a value at a random path and looks for it.
func TestPathFindsWhatWasPut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.String().Draw(t, "value")
		var whole any = value
		text := ""
		for range rapid.IntRange(0, 5).Draw(t, "depth") {
			if rapid.Bool().Draw(t, "list") {
				n := rapid.IntRange(0, 3).Draw(t, "index")
				list := make([]any, n+1)
				list[n] = whole
				whole, text = list, fmt.Sprintf("[%d]", n)+text
			} else {
				name := rapid.String().Draw(t, "name")
				quoted, err := json.Marshal(name) // as JSON holds it, so that both mean the same name
				if err != nil {
					t.Fatal(err)
				}
				var same string
				if err := json.Unmarshal(quoted, &same); err != nil {
					t.Fatal(err)
				}
				whole, text = map[string]any{same: whole}, "["+strconv.Quote(same)+"]"+text
			}
		}
		data, err := json.Marshal(whole)
		if err != nil {
			t.Fatal(err)
		}
		p, err := parsePath("$" + text)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.find(data)
		if back, _ := json.Marshal(got); err != nil || string(back) != string(want) {
			t.Fatalf("%s in %s: %q, %v, want %q", text, data, got, err, value)
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"", "$", "$[0].minWorkers", `data[0]["i\"d"]`, "a..b", "[", "$.a-b_c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePath(text)
		if err != nil {
			return
		}
		again, err := parsePath(join(p))
		if err != nil || join(again) != join(p) {
			t.Errorf("%q is %s, and that is %s, %v", text, join(p), join(again), err)
		}
	})
}
