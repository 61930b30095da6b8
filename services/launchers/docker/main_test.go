package docker

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/leaks"
	"github.com/evabench/evabench/internal/supervise"
	"github.com/evabench/evabench/services"
)

// TestMain makes the test program the supervisor, the fake docker command, the
// fake's containers, and an evabench that is killed.
func TestMain(m *testing.M) {
	switch {
	case filepath.Base(os.Args[0]) == "docker":
		exit(fakeCommand(os.Args[1:]))
	case len(os.Args) > 1 && os.Args[1] == supervise.Command:
		exit(supervise.Serve(context.Background(), os.Stdin, os.Stdout))
	case len(os.Args) > 1 && os.Args[1] == "serve":
		exit(serve(os.Args[2]))
	case len(os.Args) > 1 && os.Args[1] == "hold":
		exit(hold(os.Args[2], os.Args[3]))
	}
	leaks.Main(m)
}

// exit ends this process. Not by os.Exit: under the race detector that takes a
// second.
func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		syscall.Exit(1)
	}
	syscall.Exit(0)
}

// forward gives signals to f for the rest of the process's life.
func forward(f func(syscall.Signal)) {
	got := make(chan os.Signal, 8)
	signal.Notify(got, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for s := range got {
			f(s.(syscall.Signal))
		}
	}()
}

// serve PORT is what runs in a container of the fake.
func serve(port string) error {
	http.HandleFunc("/env", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Join(os.Environ(), "\n")) })
	http.HandleFunc("/die", func(http.ResponseWriter, *http.Request) {
		fmt.Println("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB")
		syscall.Exit(3)
	})
	// The fake bounds no memory; it is told.
	http.HandleFunc("/oom", func(http.ResponseWriter, *http.Request) {
		_ = os.WriteFile(os.Getenv("EVABENCH_FAKE_OOM"), nil, 0o600)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	})
	http.HandleFunc("/{$}", func(http.ResponseWriter, *http.Request) {})
	fmt.Println("serving on", port, os.Getenv("TEST_API_TOKEN"))
	return http.ListenAndServe("127.0.0.1:"+port, nil)
}

// hold COMMAND FOLDER launches a container, tells its URL and goes on until it is
// killed.
func hold(command, folder string) error {
	l, err := New(config(command))
	if err != nil {
		return err
	}
	s, err := l.Launch(context.Background(), services.Instance{Service: "eyes", Name: "eyes-0", LogDir: folder})
	if err != nil {
		return err
	}
	fmt.Println(s.Info().URL)
	select {}
}

// config is a server of this program, in a container of the fake.
func config(command string) Config {
	c := Kind.Config.(Config)
	c.Command, c.Image, c.Argv, c.Health = command, "server:1", []string{"{port}"}, "/"
	return c
}

func build(t *testing.T, c Config) services.Launcher {
	t.Helper()
	l, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func launch(t *testing.T, c Config, i services.Instance) services.Service {
	t.Helper()
	if i.Name == "" {
		i.Name = "eyes-0"
	}
	i.LogDir = t.TempDir()
	s, err := build(t, c).Launch(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// get asks until there is an answer, and gives its text.
func get(ctx context.Context, url string) (string, error) {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return "", err
		}
		a, err := http.DefaultClient.Do(q)
		if err == nil {
			defer a.Body.Close()
			text, err := io.ReadAll(a.Body)
			return string(text), err
		}
		select {
		case <-ctx.Done():
			return "", err
		case <-again.C:
		}
	}
}

// text is what a page says.
func text(t *testing.T, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s, err := get(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// eventually asks until it is so; only what is broken takes so long.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for limit := time.Now().Add(2 * time.Minute); !so(); <-again.C {
		if time.Now().After(limit) {
			t.Fatalf("not so: %s", what)
		}
	}
}
