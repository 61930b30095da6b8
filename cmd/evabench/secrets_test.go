package main

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/trust/trusttest"
	"github.com/evabench/evabench/results"
)

// secretScenario reaches a server that asks for certificates and a key in every way
// that there is (requests of each kind of endpoint, pages, questions, dcgm's page), and starts
// a server and a command that are passed a secret of their own.
const secretScenario = `version: 1
name: secret
server: {backend: {kind: sim, server: pro6000x1}, gpus: ["0"]}
services:
  eyes:
    role: vision
    launcher:
      kind: external
      instances: [{url: "URL"}]
      identity: [{page: /v1/models, has: detector}]
      pages: {tls: TLS, api_key_env: AGENT_KEY}
      adapt: {argv: [sh, -c, "echo the secret is $WORKER_SECRET"], pass_env: [WORKER_SECRET]}
      restore: {argv: ["true"]}
    endpoint: {kind: detect-http, api_key_file: FILE, transport: {tls: TLS}}
    models: {detector: {}}
    workload: IMAGES
    scrape: [{kind: prometheus, tls: TLS, api_key_env: AGENT_KEY, series: [{name: q, unit: "1", type: gauge, by: who}]}]
    load: {arrivals: poisson, levels: [40]}
  torch:
    role: vision
    launcher: {kind: external, instances: [{url: "URL"}]}
    endpoint: {kind: torchserve, ACCESS, transport: {tls: TLS}}
    models: {detector: {}}
    workload: IMAGES
    scrape: [{kind: torchserve, tls: TLS, ACCESS}]
    load: {arrivals: poisson, levels: [20]}
  triton:
    role: vision
    launcher: {kind: external, instances: [{url: "URL"}]}
    endpoint: {kind: kserve-v2, ACCESS, transport: {tls: TLS}}
    models: {detector: {}}
    workload: IMAGES
    scrape: [{kind: triton, tls: TLS, ACCESS}]
    load: {arrivals: poisson, levels: [20]}
  mind:
    role: agent
    launcher: {kind: external, instances: [{url: "URL"}]}
    endpoint: {kind: openai-chat, stream: false, ACCESS, transport: {tls: TLS}}
    models: {detector: {}}
    workload: {kind: agent, model: detector, stages: [inspect], inspect: 1, images: {width: 64, height: 64, kilobytes: 3, count: 2}}
    scrape: [{kind: vllm, tls: TLS, ACCESS}]
    load: {arrivals: poisson, levels: [20]}
  own:
    role: vision
    launcher: {kind: process, argv: [worker, serve, "{port}"], pass_env: [WORKER_SECRET], instances: 1, stop: {grace: 1s}}
    endpoint: detect-http
    models: {detector: {}}
    workload: IMAGES
    load: {arrivals: poisson, levels: [20]}
steps: {warmup: 200ms, window: 1s}
collect: {every: 100ms, dcgm: "URL/metrics", dcgm_access: {tls: TLS, api_key_file: FILE}}
matrix: {layout: ["off"]}
`

// workerSecret is passed to the server that is started.
const workerSecret = "wk-planted-5c1d-do-not-tell"

// echoing is a detector that tells what it was asked with wherever it can: in
// refusals, on its metrics page, in the answers to questions. It detects once the
// children that are to be looked at were seen. Places are where it was asked.
func echoing(refused *atomic.Int64, places *sync.Map, seen <-chan struct{}) http.Handler {
	var asked atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		places.Store(r.URL.Path, true)
		who := cmp.Or(r.Header.Get("Authorization"), r.Header.Get(trusttest.KeyHeader))
		switch {
		case r.URL.Path == "/metrics":
			fmt.Fprintf(w, "# TYPE q gauge\nq{who=%q} 1\n", who)
		case r.URL.Path == "/v1/models":
			fmt.Fprintf(w, `{"models": ["detector"], "asked_by": %q}`, who)
		default:
			select {
			case <-seen:
			case <-r.Context().Done():
			}
			if n := asked.Add(1); n > 20 && n%5 == 0 {
				refused.Add(1)
				http.Error(w, "no, "+who+"; key "+strings.TrimPrefix(who, "Bearer "), http.StatusInternalServerError)
				return
			}
			_, _ = io.WriteString(w, goodAnswer(r.URL.Path))
		}
	})
}

// goodAnswer is what a server of the kind that has a path says.
func goodAnswer(path string) string {
	const box = `[{"label": "person", "score": 0.9, "box": [0, 0, 1, 1]}]`
	switch {
	case strings.HasPrefix(path, "/predictions/"):
		return box
	case strings.HasPrefix(path, "/v2/"):
		return `{"model_name": "detector", "outputs": [{"name": "boxes", "datatype": "FP32", "shape": [1, 4], "data": [0, 0, 1, 1]}]}`
	case strings.HasPrefix(path, "/v1/chat/"):
		return `{"object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": "one person"}, "finish_reason": "stop"}],
			"usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}`
	default:
		return `{"predictions": ` + box + `}`
	}
}

// TestPlantedKey plants keys in every kind of place where a scenario can name one, and looks
// for them in all that evabench leaves and says, and in its children.
func TestPlantedKey(t *testing.T) {
	a := trusttest.New(t)
	var refused atomic.Int64
	seen := make(chan struct{})
	var places sync.Map
	server := a.Server(t, echoing(&refused, &places, seen))
	secure := fmt.Sprintf("{ca_file: %s, server_name: %s, cert_file: %s, key_file: %s}", a.TLS.CAFile, a.TLS.ServerName, a.TLS.CertFile, a.TLS.KeyFile)
	dir := t.TempDir()
	scenario := strings.NewReplacer("URL", server.URL, "TLS", secure, "FILE", a.KeyFile,
		"ACCESS", "api_key_env: AGENT_KEY, api_key_header: "+trusttest.KeyHeader,
		"IMAGES", "{kind: vision, images: {width: 64, height: 64, kilobytes: 3, count: 2}, classes: [{model: detector}]}").Replace(secretScenario)
	if err := os.WriteFile(dir+"/secret.yaml", []byte(scenario), 0o600); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "AGENT_KEY="+trusttest.Key, "WORKER_SECRET="+workerSecret, "TMPDIR="+t.TempDir())
	live := freeAddress(t)
	peeks := peek(t, live)
	said := watched(t, dir, env, seen, "sweep", "secret.yaml", "--yes", "--out", "run", "--no-selftest", "--state-dir", filepath.Join(dir, "state"),
		"--live", live, "--json-events", "events.jsonl")
	clean(t, "what sweep said", said)
	if n := peeks(); n == 0 {
		t.Error("the live page was never there")
	}

	run, err := results.Read(dir + "/run")
	if err != nil {
		t.Fatal(err)
	}
	hidden, details := looked(t, run)
	if refused.Load() == 0 || hidden == 0 || details == 0 {
		t.Errorf("the server refused %d requests; %d steps and %d observations tell of it with [key]: the test has shown nothing\n%s", refused.Load(), hidden, details, said)
	}
	for _, place := range []string{"/metrics", "/v1/models", "/v1/chat/completions", "/predictions/detector", "/v2/models/detector/infer"} {
		if _, asked := places.Load(place); !asked {
			t.Errorf("%s was never asked", place)
		}
	}
	if told, err := os.ReadFile(dir + "/run/cells/000-off-ts-r1/logs/eyes-adapt.log"); string(told) != "the secret is [WORKER_SECRET]\n" {
		t.Errorf("the command says %q, %v", told, err)
	}
	for _, format := range []string{"terminal", "markdown", "json", "csv", "html", "vllm-bench"} {
		clean(t, "report --format "+format, watched(t, dir, env, nil, "report", "run", "--format", format))
	}
	for _, args := range []string{"compare run run", "compare run run --format json", "gate run --require eyes.errors<=100% --junit gate.xml"} {
		clean(t, args, watched(t, dir, env, nil, strings.Fields(args)...))
	}
	wholeTree(t, dir)
}

// freeAddress is one on loopback at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// peek looks at the live page again and again, where it is there. What it gives ends that, and
// tells how often it was.
func peek(t *testing.T, at string) (end func() int) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ended, n := make(chan struct{}), 0
	var looking sync.WaitGroup
	looking.Go(func() {
		for again := time.NewTicker(20 * time.Millisecond); ; {
			for _, part := range []string{"", "state.json", "metrics"} {
				r, err := client.Get("http://" + at + "/" + part)
				if err != nil {
					continue // not yet, or not any more
				}
				text, _ := io.ReadAll(r.Body)
				r.Body.Close()
				clean(t, "the live page's /"+part, string(text))
				n++
			}
			select {
			case <-ended:
				again.Stop()
				return
			case <-again.C:
			}
		}
	})
	return func() int { close(ended); looking.Wait(); return n }
}

// watched runs evabench and looks, as long as it runs, at every process below it:
// no argument of any holds a key, and no environment but that of those which are
// meant to have it. Where it is to have a worker and a supervisor, shown is closed when
// both were looked at.
func watched(t *testing.T, dir string, env []string, shown chan<- struct{}, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("evabench")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, args...)
	var said bytes.Buffer
	c.Dir, c.Env, c.Stdout, c.Stderr = dir, env, &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	seen := map[string]bool{} // the names of children
	var watching sync.WaitGroup
	watching.Go(func() {
		again := time.NewTicker(20 * time.Millisecond)
		defer again.Stop()
		for {
			for _, pid := range below(c.Process.Pid) {
				line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // it may have ended
				clean(t, "the arguments of a process", string(line))
				if pid == c.Process.Pid {
					continue
				}
				// A child shares its parent's memory until it executes its program.
				if own, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", c.Process.Pid)); bytes.Equal(line, own) {
					continue
				}
				variables, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
				text := string(variables)
				if argv := strings.Split(string(line), "\x00"); argv[0] != "" && len(argv) > 1 {
					seen[filepath.Base(argv[0])+" "+argv[1]] = true
					if argv[1] == "serve" || argv[1] == "linger" || argv[1] == "-c" { // the worker and adapt, which are passed it
						text = strings.ReplaceAll(text, workerSecret, "")
					}
				}
				clean(t, fmt.Sprintf("the environment of %q", line), text)
			}
			if shown != nil && seen["worker serve"] && seen["evabench supervise-process"] {
				close(shown)
				shown = nil
			}
			select {
			case <-ended:
				return
			case <-again.C:
			}
		}
	})
	err = c.Wait()
	close(ended)
	watching.Wait()
	if code := c.ProcessState.ExitCode(); code != exitDone && code != exitNoValid {
		t.Fatalf("evabench %v: %v\n%s", args, err, said.String())
	}
	if shown != nil {
		t.Errorf("of children, only %v were seen", seen)
	}
	return said.String()
}

// below gives a process and its descendants.
func below(root int) []int {
	parents := map[int]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		text, _ := os.ReadFile(file) // it may have ended
		_, after, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(after)
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && len(fields) > 1 {
			parents[pid], _ = strconv.Atoi(fields[1])
		}
	}
	all := []int{root}
	for i := 0; i < len(all); i++ {
		for pid, parent := range parents {
			if parent == all[i] && !slices.Contains(all, pid) {
				all = append(all, pid)
			}
		}
	}
	return all
}

// clean asks that no planted key stands in a text, nor the most of one.
func clean(t *testing.T, where, text string) {
	t.Helper()
	for _, key := range []string{trusttest.Key, workerSecret} {
		if at := strings.Index(text, key[:len(key)-12]); at >= 0 {
			t.Errorf("%s holds a key: … %q …", where, text[max(0, at-40):min(len(text), at+40)])
		}
	}
}

// looked reads the columns, which are packed and so hold no text to look for, and
// counts where a key was hidden.
func looked(t *testing.T, run *results.Run) (steps, observations int) {
	for _, cell := range run.Cells {
		for o, err := range cell.Observations() {
			if err != nil {
				t.Fatal(err)
			}
			clean(t, "an observation", fmt.Sprintf("%+v", o))
			if strings.Contains(o.Subject.Detail, "[key]") {
				observations++
			}
		}
		for _, step := range cell.Steps {
			for s, err := range step.Samples() {
				if err != nil {
					t.Fatal(err)
				}
				clean(t, "a sample", fmt.Sprintf("%+v", s))
			}
			text, err := json.Marshal(step.Step)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "no, Bearer [key]; key [key]") {
				steps++
			}
		}
	}
	return steps, observations
}

// wholeTree looks through every file, and asks that nobody else can read what the run
// left.
func wholeTree(t *testing.T, dir string) {
	files := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if rest, inside := strings.CutPrefix(path, filepath.Join(dir, "run")); inside && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("run%s can be opened by others: %v", rest, info.Mode())
		}
		if e.IsDir() {
			return nil
		}
		files++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		clean(t, path, string(text))
		if filepath.Ext(path) != ".xlsx" {
			return nil
		}
		book, err := zip.OpenReader(path)
		if err != nil {
			return err
		}
		defer book.Close()
		for _, part := range book.File {
			r, err := part.Open()
			if err != nil {
				return err
			}
			text, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			clean(t, path+" "+part.Name, string(text))
		}
		return nil
	})
	if err != nil || files < 10 {
		t.Errorf("%d files were looked at: %v", files, err)
	}
}
