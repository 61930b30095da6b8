package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/progress"
)

// One run on a terminal, with a page and events at once: bars are drawn, the page and the
// metrics tell of the step that runs, standard output is events alone, and a signal in the
// midst is told above the bars, which are gone at the end.
func TestProgressOnATerminal(t *testing.T) {
	evabench, err := exec.LookPath("evabench")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	data, err := os.ReadFile("testdata/small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	long := bytes.Replace(data, []byte("window: 1s"), []byte("window: 10m"), 1)
	if err := os.WriteFile(filepath.Join(dir, "long.yaml"), long, 0o600); err != nil {
		t.Fatal(err)
	}
	ours, theirs := terminal(t)
	if err := unix.IoctlSetWinsize(int(ours.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 110}); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(evabench, "sweep", "long.yaml", "--yes", "--no-selftest", "--out", "run", "--live", ":0", "--json-events", "-")
	c.Dir, c.Stderr = dir, theirs
	c.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "CI=") }), "TERM=xterm", "TMPDIR="+dir)
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close() // the command has its own: ours ends with it
	shown := make(chan string)
	url, drawn := make(chan string, 1), make(chan bool)
	bars := []string{"sweep [", "cell  [", "step  [", "  vision  offered "}
	go func() { shown <- watchTerminal(ours, url, bars, drawn) }()

	page, told := <-url, []string(nil)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		var e progress.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("standard output holds %q: %v", lines.Text(), err)
		}
		told = append(told, string(e.Kind))
		if e.Kind == progress.StepRuns && slices.Index(told, string(e.Kind)) == len(told)-1 { // the first
			for path, want := range map[string]string{
				"":           "<title>evabench",
				"state.json": `"cell":"000-2x2g.48gb-mps-r1"`,
				"metrics":    `evabench_step_window_seconds 600`,
			} {
				if got := ask(t, page+path); !strings.Contains(got, want) {
					t.Errorf("/%s has no %q: %.500q", path, want, got)
				}
			}
			<-drawn // bars come in their own time, events as things happen
			if err := c.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
		}
	}
	screen := <-shown
	_ = c.Wait() // its status tells
	if got := c.ProcessState.ExitCode(); got != exitInterrupted {
		t.Errorf("exit status %d, want %d", got, exitInterrupted)
	}
	if len(told) == 0 || told[0] != string(progress.SweepBegins) || told[len(told)-1] != string(progress.SweepEnds) {
		t.Errorf("events %v", told)
	}
	for _, want := range append(bars, "SIMULATED", "every user of this machine can read the page", "Aevabench: interrupt: stopping", "put back and verified", "evabench: interrupted") {
		if !strings.Contains(screen, want) {
			t.Errorf("the terminal was never sent %q", want)
		}
	}
	if end := screen[strings.LastIndex(screen, "\x1b[J"):]; strings.Contains(end, "sweep [") {
		t.Errorf("the bars were left on the terminal: %q", end)
	}
	if t.Failed() {
		t.Logf("the terminal was sent:\n%q", screen)
	}
}

// watchTerminal reads what a terminal is sent until its other side is closed, gives the
// page's address as soon as that is told, and closes drawn when all bars were sent, or
// nothing more can be.
func watchTerminal(terminal io.Reader, url chan<- string, bars []string, drawn chan<- bool) string {
	var all bytes.Buffer
	chunk := make([]byte, 4096)
	missing := func(bar string) bool { return !bytes.Contains(all.Bytes(), []byte(bar)) }
	for told, whole := false, false; ; {
		n, err := terminal.Read(chunk)
		all.Write(chunk[:n])
		if _, after, ok := strings.Cut(all.String(), "evabench: live at "); ok && !told && strings.Contains(after, "\n") {
			line, _, _ := strings.Cut(after, "\n")
			url <- strings.TrimSpace(line)
			told = true
		}
		if !whole && (err != nil || !slices.ContainsFunc(bars, missing)) {
			close(drawn)
			whole = true
		}
		if err != nil { // EIO: nobody has it open any more
			if !told {
				close(url)
			}
			return strings.ReplaceAll(all.String(), "\r", "")
		}
	}
}

func ask(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
