//go:build real

package realtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	modelName = "tiny-random-vlm"
	slots     = 2
)

// A llamaServer is a running llama-server and what its log said so far.
type llamaServer struct {
	url     string
	version string
	ended   chan struct{} // closed when the process has ended

	mu          sync.Mutex
	changed     chan struct{} // closed, and made anew, with each line
	tail        []string      // the last lines of the log
	listening   bool
	prompt      map[int]int // tokens of tasks that are not complete
	output      map[int]int
	completions []completion
	cancelled   int
	released    int
}

// A completion is one generation that ended by itself, as the log tells it.
type completion struct {
	at     time.Time // when the line was read
	task   int
	prompt int // tokens evaluated: those from the cache are left out
	output int
}

// env gives the value of a variable that make test-real sets.
func env(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set; run the tests by make test-real", name)
	}
	return value
}

// startLlamaServer starts a server that has answered a real request when this
// returns, and that is ended, with all its children, when the test ends.
func startLlamaServer(t *testing.T) *llamaServer {
	t.Helper()
	program, models := env(t, "EVABENCH_LLAMA_SERVER"), env(t, "EVABENCH_MODELS")
	port := freePort(t)
	cmd := exec.Command(program,
		"-m", filepath.Join(models, "text.gguf"), "--mmproj", filepath.Join(models, "mmproj.gguf"),
		"--host", "127.0.0.1", "--port", strconv.Itoa(port), "--alias", modelName,
		"-np", strconv.Itoa(slots), "-c", strconv.Itoa(slots*4096), "-t", "1",
		"--metrics", "--slots",
		// A random model ends its answer at random, also at once.
		"--ignore-eos")
	// A group of its own, so that it can be ended with what it may start; and
	// it ends when the test is killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	log, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	s := &llamaServer{
		url: fmt.Sprintf("http://127.0.0.1:%d", port), ended: make(chan struct{}),
		changed: make(chan struct{}), prompt: map[int]int{}, output: map[int]int{},
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start llama-server: %v", err)
	}
	read := make(chan struct{})
	go func() { defer close(read); s.read(log) }()
	go func() {
		defer close(s.ended)
		cmd.Wait() // how it ended is told by the log
		writer.Close()
		<-read
	}()
	t.Cleanup(func() { s.stop(t, cmd.Process.Pid) })

	s.await(t, "listening", func() bool { return s.listening })
	a, err := s.chat(t.Context(), chatRequest{text: "Are you there?", maxTokens: 1}, nil)
	if err != nil {
		t.Fatalf("first request: %v", err)
	}
	s.version = a.fingerprint
	s.await(t, "first request's completion", func() bool { return len(s.completions) == 1 })
	return s
}

// stop ends the server's process group, by force if it does not end itself.
func (s *llamaServer) stop(t *testing.T, pid int) {
	syscall.Kill(-pid, syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(20 * time.Second):
		t.Error("llama-server did not end on SIGTERM")
		syscall.Kill(-pid, syscall.SIGKILL)
		<-s.ended
	}
	if t.Failed() {
		t.Logf("end of llama-server's log:\n%s", strings.Join(s.tail, "\n"))
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

var (
	timingLine  = regexp.MustCompile(`print_timing: .*task (\d+) \| +(prompt eval|eval|total) time = .* / +(\d+) tokens`)
	releaseLine = regexp.MustCompile(`slot +release: .*task \d+ \| stop processing`)
	cancelLine  = regexp.MustCompile(`cancel task, id_task = \d+`)
)

// read takes the log in until it ends.
func (s *llamaServer) read(log io.Reader) {
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		s.line(time.Now(), lines.Text())
	}
	io.Copy(io.Discard, log) // after a line that was too long
}

const tailLines = 40

func (s *llamaServer) line(at time.Time, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tail = append(s.tail, text); len(s.tail) > tailLines {
		s.tail = s.tail[1:]
	}
	switch {
	case strings.Contains(text, "listening on http"):
		s.listening = true
	case releaseLine.MatchString(text):
		s.released++
	case cancelLine.MatchString(text):
		s.cancelled++
	}
	if m := timingLine.FindStringSubmatch(text); m != nil {
		// Both are digits only.
		task, _ := strconv.Atoi(m[1])
		tokens, _ := strconv.Atoi(m[3])
		switch m[2] {
		case "prompt eval":
			s.prompt[task] = tokens
		case "eval":
			s.output[task] = tokens
		case "total":
			s.completions = append(s.completions, completion{at, task, s.prompt[task], s.output[task]})
			delete(s.prompt, task)
			delete(s.output, task)
		}
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// await waits until a line of the log makes met true. met is called with the
// lock held.
func (s *llamaServer) await(t *testing.T, what string, met func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		s.mu.Lock()
		ok, changed := met(), s.changed
		s.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-s.ended:
			t.Fatalf("llama-server ended before this was seen: %s", what)
		case <-deadline:
			t.Fatalf("not seen within a minute in llama-server's log: %s", what)
		}
	}
}

// counts are the server's own, from its log.
func (s *llamaServer) counts() (completed, cancelled, released int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.completions), s.cancelled, s.released
}

// completed gives the completions whose line came from from until before to.
func (s *llamaServer) completed(from, to time.Time) []completion {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []completion
	for _, c := range s.completions {
		if !c.at.Before(from) && c.at.Before(to) {
			all = append(all, c)
		}
	}
	return all
}

// page reads /metrics: series without labels, by name without its prefix.
func (s *llamaServer) page(ctx context.Context) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("/metrics: %s", answer.Status)
	}
	page := map[string]float64{}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		name, ours := strings.CutPrefix(name, "llamacpp:")
		if !ours {
			continue
		}
		if page[name], err = strconv.ParseFloat(value, 64); err != nil {
			return nil, fmt.Errorf("/metrics: %s: %w", name, err)
		}
	}
	return page, nil
}

// mustPage is page for a test that cannot go on without it; every series that
// it asks for must be there.
func (s *llamaServer) mustPage(t *testing.T) map[string]float64 {
	t.Helper()
	page, err := s.page(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"tokens_predicted_total", "prompt_tokens_total", "prompt_tokens_cached_total",
		"requests_processing", "requests_deferred",
	} {
		if _, ok := page[name]; !ok {
			t.Fatalf("/metrics has no llamacpp:%s", name)
		}
	}
	return page
}
