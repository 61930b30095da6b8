package propose

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/leaks"
	"github.com/evabench/evabench/internal/listening"
)

// TestMain gives servers of this process an hour to answer: a machine that stands still
// is no fault of theirs.
func TestMain(m *testing.M) {
	asker.Timeout = time.Hour
	leaks.Main(m)
}

func socket(port, pid int, args ...string) listening.Socket {
	return listening.Socket{Address: netip.MustParseAddrPort(fmt.Sprintf("0.0.0.0:%d", port)), PID: pid, Args: args}
}

// TestFromProcesses reads command lines as the servers' own manuals write them.
func TestFromProcesses(t *testing.T) {
	sockets := []listening.Socket{
		socket(22, 1, "sshd"),
		socket(443, 0), // another user's
		socket(5555, 12, "/venv/bin/python3", "/venv/bin/vllm", "serve", "Qwen/Qwen3-VL-8B-Instruct", "--port=8001"),
		socket(8001, 12, "/venv/bin/python3", "/venv/bin/vllm", "serve", "Qwen/Qwen3-VL-8B-Instruct", "--port=8001"),
		socket(8002, 13, "python", "-m", "vllm.entrypoints.openai.api_server", "--model", "m", "--served-model-name", "short", "--port", "8002"),
		socket(7070, 14, "java", "-Xmx1g", "-cp", ".:x.jar", "a", "b", "c", "d", "e", "f", "g", "org.pytorch.serve.ModelServer", "--python", "p"),
		socket(8080, 14, "java", "-Xmx1g", "-cp", ".:x.jar", "a", "b", "c", "d", "e", "f", "g", "org.pytorch.serve.ModelServer", "--python", "p"),
		socket(8081, 14, "java", "-Xmx1g", "-cp", ".:x.jar", "a", "b", "c", "d", "e", "f", "g", "org.pytorch.serve.ModelServer", "--python", "p"),
		socket(30000, 15, "python3", "-m", "sglang.launch_server", "--model-path", "org/vlm", "--host", "0.0.0.0"),
		socket(8083, 16, "/usr/local/bin/llama-server", "-m", "x.gguf", "--alias", "tiny", "--port", "8083"),
		socket(8090, 17, "tritonserver", "--http-port=8090"),
		socket(9999, 18, "grep", "-r", "vllm"),
		socket(9998, 19, "vim", "vllm", "serve.md"),
	}
	var got []string
	for _, s := range FromProcesses(sockets) {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", s.Kind, s.URL, strings.Join(s.Models, "+"), s.Page)))
	}
	want := []string{
		"vllm http://127.0.0.1:8001 Qwen/Qwen3-VL-8B-Instruct",
		"vllm http://127.0.0.1:8002 short",
		"torchserve http://127.0.0.1:8080  http://127.0.0.1:8081",
		"sglang http://127.0.0.1:30000 org/vlm",
		"llama-server http://127.0.0.1:8083 tiny",
		"triton http://127.0.0.1:8090",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// answering serves pages and counts what was asked.
func answering(t *testing.T, pages map[string]string) (base string, asked *[]string) {
	t.Helper()
	asked = new([]string)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		*asked = append(*asked, q.Method+" "+q.URL.Path)
		text, ok := pages[q.URL.Path]
		if !ok {
			http.NotFound(w, q)
			return
		}
		fmt.Fprint(w, text)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func TestAsk(t *testing.T) {
	check := func(pages map[string]string, kind string, models ...string) {
		t.Helper()
		base, asked := answering(t, pages)
		s, err := Ask(t.Context(), base+"/", "")
		if err != nil || s.Kind != kind || !slices.Equal(s.Models, models) || s.URL != base || !s.Asked {
			t.Errorf("%v: got %+v, %v, want %s of %v", pages, s, err, kind, models)
		}
		for _, a := range *asked {
			if !strings.HasPrefix(a, "GET ") {
				t.Errorf("it was asked %q", a)
			}
		}
	}
	check(map[string]string{"/v1/models": `{"data":[{"id":"a","owned_by":"vllm"},{"id":"lora","owned_by":"vllm"}]}`}, vllm, "a")
	check(map[string]string{"/v1/models": `{"data":[{"id":"a","owned_by":"sglang"}]}`}, sglang, "a")
	check(map[string]string{"/v1/models": `{"data":[{"id":"a.gguf","owned_by":"llamacpp"}]}`}, llamaServer, "a.gguf")
	check(map[string]string{"/v1/models": `{"data":[{"id":"a","owned_by":"me"}]}`}, openai, "a")
	check(map[string]string{"/v1/models": `{"data":[]}`}, openai)
	check(map[string]string{"/ping": `{"status":"Partial Healthy"}`}, torchserve)
	check(map[string]string{"/v2": `{"name":"triton","version":"2.60"}`}, triton)

	for _, pages := range []map[string]string{
		nil, {"/ping": "pong"}, {"/v1/models": "<html>"}, {"/v1/models": `{"models":[]}`}, {"/v2": `{"name":"x"}`},
		{"/v1/models": `{"data":"` + strings.Repeat("x", mostBytes) + `"}`},
	} {
		base, _ := answering(t, pages)
		if s, err := Ask(t.Context(), base, ""); err == nil || !strings.Contains(err.Error(), "no server that evabench knows") {
			t.Errorf("%.60v: got %+v, %v", pages, s, err)
		}
	}
	for _, bad := range []string{"", "host:8000", "ftp://h", "http://", "http://me:secret@h"} {
		if _, err := Ask(t.Context(), bad, ""); bad != "" && (err == nil || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	// A server that leads elsewhere is not followed.
	base, asked := answering(t, map[string]string{"/v1/models": `{"data":[{"id":"a"}]}`})
	away := httptest.NewServer(http.RedirectHandler(base+"/v1/models", http.StatusFound))
	t.Cleanup(away.Close)
	if s, err := Ask(t.Context(), away.URL, ""); err == nil || len(*asked) > 0 {
		t.Errorf("followed to %v: %+v, %v", *asked, s, err)
	}
}

// TestProbe asks those that are known and those that only listen; a known one that
// does not answer stays as it was, another is left out, and nobody is asked twice.
func TestProbe(t *testing.T) {
	chat, asked := answering(t, map[string]string{"/v1/models": `{"data":[{"id":"a","owned_by":"vllm"}]}`})
	mute, _ := answering(t, nil)
	at := func(base string) netip.AddrPort {
		u, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		return netip.MustParseAddrPort(u.Host)
	}
	dead := Server{URL: "http://127.0.0.1:1", Kind: sglang, Models: []string{"m"}, Seen: "pid 9"}
	known := []Server{{URL: chat, Kind: vllm, Seen: "pid 7"}, dead}
	all, err := Probe(t.Context(), known, []netip.AddrPort{at(chat), at(mute)})
	if err != nil || len(all) != 2 {
		t.Fatalf("got %+v, %v", all, err)
	}
	if all[0].Seen != "pid 7, /v1/models answers" || !slices.Equal(all[0].Models, []string{"a"}) {
		t.Errorf("the one that answers: %+v", all[0])
	}
	if all[1].URL != dead.URL || all[1].Asked || !slices.Equal(all[1].Models, dead.Models) {
		t.Errorf("the one that does not: %+v", all[1])
	}
	if len(*asked) != 1 {
		t.Errorf("it was asked %v", *asked)
	}
	if all, err := Probe(t.Context(), nil, []netip.AddrPort{at(mute)}); err != nil || len(all) != 0 {
		t.Errorf("unknown servers: %v, %v", all, err)
	}
}
