package sim

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/mps"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
)

// start runs a server within the test and gives its control client and line.
func start(t *testing.T, o Options) (controlClient, Ready) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	read, write := io.Pipe()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	o.Stdout, o.Token = write, "secret"
	ended := make(chan error, 1)
	go func() {
		err := Serve(ctx, "pro6000x1", o)
		write.CloseWithError(err)
		ended <- err
	}()
	line, err := bufio.NewReader(read).ReadBytes('\n')
	if err != nil {
		cancel()
		t.Fatalf("server: %v", err)
	}
	var ready Ready
	if err := json.Unmarshal(line, &ready); err != nil {
		t.Fatal(err)
	}
	client := newControlClient(ready.Control, o.Token)
	t.Cleanup(func() {
		client.close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return client, ready
}

func visionRequest(name string, workers int) startRequest {
	return startRequest{Service: "vision", Role: results.RoleVision, Name: name,
		Models: []services.Model{{Name: "rt-detrv2", Workers: workers}}}
}

func agentRequest(name string) startRequest {
	return startRequest{Service: "agent", Role: results.RoleAgent, Name: name,
		Models: []services.Model{{Name: "qwen3-vl-8b", Workers: 1}}}
}

func TestControlNeedsToken(t *testing.T) {
	_, ready := start(t, Options{})
	resp, err := http.Get(ready.Control + "/counts")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized || resp.Header.Get(Header) != "pro6000x1" {
		t.Errorf("without a token: %s, %s %q", resp.Status, Header, resp.Header.Get(Header))
	}
}

func TestLaunchRefusals(t *testing.T) {
	c, _ := start(t, Options{})
	with := func(r startRequest, edit func(*startRequest)) startRequest { edit(&r); return r }
	for _, test := range []struct {
		name string
		r    startRequest
		want string
	}{
		{"no device", with(visionRequest("a", 1), func(r *startRequest) { r.Device = "GPU-none" }), "no CUDA device GPU-none"},
		{"model", with(visionRequest("a", 1), func(r *startRequest) { r.Models[0].Name = "yolo" }), `unknown model "yolo"; known: `},
		{"agent model", with(agentRequest("a"), func(r *startRequest) { r.Models[0].Name = "gpt" }), "qwen3-vl-8b"},
		{"workers", visionRequest("a", 0), "at least 1"},
		{"role", with(visionRequest("a", 1), func(r *startRequest) { r.Role = "x" }), "neither vision nor agent"},
		{"parameter", with(agentRequest("a"), func(r *startRequest) { r.Params = map[string]string{"max_seqs": "1"} }), "max_num_seqs"},
		{"value", with(agentRequest("a"), func(r *startRequest) { r.Params = map[string]string{"max_num_seqs": "0"} }), "at least 1"},
		// 106 workers of 0.9 GiB are 95.4 of the card's 96 GiB; the 107th is too much.
		{"memory", visionRequest("a", 107), "out of memory"},
		// 0.1 of 96 GiB are 9.6 GiB, less than weights and activations.
		{"cache", with(agentRequest("a"), func(r *startRequest) { r.Params = map[string]string{"gpu_memory_utilization": "0.1"} }), "no available memory for the cache blocks"},
		{"percentage", with(visionRequest("a", 1), func(r *startRequest) {
			r.Env = map[string]string{mps.PipeVariable: "/nowhere", mps.PercentVariable: "101"}
		}), mps.PercentVariable},
		{"other device", with(visionRequest("a", 1), func(r *startRequest) { r.Env = map[string]string{mps.DeviceVariable: "GPU-other"} }), mps.DeviceVariable},
	} {
		_, err := c.launch(t.Context(), test.r)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want …%s…", test.name, err, test.want)
		}
	}
	// Nothing of the refused ones is left: just as many as fit still fit.
	if _, err := c.launch(t.Context(), visionRequest("a", 106)); err != nil {
		t.Error(err)
	}
	if _, err := c.launch(t.Context(), visionRequest("b", 1)); err == nil || !strings.Contains(err.Error(), "out of memory") {
		t.Errorf("one worker more than fits: %v", err)
	}
	if err := c.stop(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if err := c.stop(t.Context(), "a"); err == nil {
		t.Error("a stopped instance could be stopped")
	}
	if _, err := c.launch(t.Context(), visionRequest("b", 106)); err != nil {
		t.Errorf("after the first has ended: %v", err)
	}
}

func TestServeRefusals(t *testing.T) {
	for _, test := range []struct {
		server string
		o      Options
		want   string
	}{
		{"nosuch", Options{}, "known: h100x1, pro5000x1, pro5000x3, pro6000x1"},
		{"pro6000x1", Options{Control: "0.0.0.0:0"}, "loopback"},
		{"pro6000x1", Options{DCGM: "10.0.0.1:80"}, "loopback"},
	} {
		test.o.Dir = t.TempDir()
		if err := Serve(t.Context(), test.server, test.o); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want …%s…", test.server, err, test.want)
		}
	}
	// The cards of one server are not another's.
	dir := t.TempDir()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Serve(ended, "pro5000x3", Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	if err := Serve(ended, "pro6000x1", Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "holds the cards") {
		t.Errorf("foreign cards: %v", err)
	}
}

func TestCheckAddress(t *testing.T) {
	for addr, good := range map[string]bool{
		"": true, "127.0.0.1:0": true, "127.8.9.1:65535": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true,
		"127.0.0.1:65536": false, "127.0.0.1": false, "127.0.0.1:": false, ":80": false, "localhost:80": false,
		"0.0.0.0:0": false, "[::]:80": false, "10.0.0.1:80": false, "128.0.0.1:80": false,
	} {
		if err := CheckAddress(addr); (err == nil) != good || !good && !strings.Contains(err.Error(), "use 127.0.0.1:PORT") {
			t.Errorf("CheckAddress(%q) is %v, good %v", addr, err, good)
		}
	}
}

// What is simulated says so in each of its answers, with how fast its time passes.
func TestEveryAnswerIsMarked(t *testing.T) {
	for scale, want := range map[float64]string{0: "1", 1: "1", 2.5: "2.5", 1000: "1000"} {
		client, ready := start(t, Options{Instances: true, Scale: scale})
		urls := []string{ready.DCGM, ready.Control + "/counts", ready.Instances[0].URL + "/ping", ready.Instances[1].URL + "/nothing-here"}
		for _, url := range append(urls, ready.Instances[0].Scrapes[0].URL) {
			resp, err := client.http.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if name, k := resp.Header.Get(Header), resp.Header.Get(ScaleHeader); name != "pro6000x1" || k != want {
				t.Errorf("scale %v, %s: %s %q, %s %q; want %q", scale, url, Header, name, ScaleHeader, k, want)
			}
		}
	}
}

func TestEveryServerStarts(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, s := range Servers() {
		if err := Serve(ended, s.Name, Options{Dir: t.TempDir(), Instances: true, Stdout: io.Discard}); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		if !strings.Contains(s.About, "fitted") && !strings.Contains(s.About, "predictions only") {
			t.Errorf("%s does not say what its numbers rest on: %s", s.Name, s.About)
		}
	}
}
