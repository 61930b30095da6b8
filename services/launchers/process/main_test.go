package process

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/leaks"
	"github.com/evabench/evabench/internal/supervise"
	"github.com/evabench/evabench/services"
)

// TestMain makes the test program the supervisor and the servers too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case supervise.Command:
			exit(supervise.Serve(context.Background(), os.Stdin, os.Stdout))
		case "serve":
			exit(serve(os.Args[2], os.Args[3:]))
		}
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

// serve PORT ARG… is a server that tells its arguments, environment and folder,
// and ends when it is asked to.
func serve(port string, args []string) error {
	http.HandleFunc("/args", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Join(args, "\n")) })
	http.HandleFunc("/env", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Join(os.Environ(), "\n")) })
	http.HandleFunc("/folder", func(w http.ResponseWriter, _ *http.Request) {
		dir, err := os.Getwd()
		fmt.Fprint(w, dir, err)
	})
	http.HandleFunc("/die", func(http.ResponseWriter, *http.Request) {
		fmt.Println("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB")
		syscall.Exit(3)
	})
	http.HandleFunc("/busy", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "loading", http.StatusServiceUnavailable) })
	http.HandleFunc("/{$}", func(http.ResponseWriter, *http.Request) {})
	fmt.Println("serving on", port, os.Getenv("TEST_API_TOKEN"))
	return http.ListenAndServe("127.0.0.1:"+port, nil)
}

// config is a server of this program; args come after the port.
func config(t *testing.T, args ...string) Config {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := Kind.Config.(Config)
	c.Argv = append([]string{exe, "serve", "{port}"}, args...)
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

func launch(t *testing.T, l services.Launcher, i services.Instance) services.Service {
	t.Helper()
	if i.LogDir == "" {
		i.LogDir = t.TempDir()
	}
	s, err := l.Launch(t.Context(), i)
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
		again := time.NewTimer(10 * time.Millisecond)
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
