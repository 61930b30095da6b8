package vllmload

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sourcetest"
	"github.com/evabench/evabench/internal/kind"
)

func build(t testing.TB) collectors.Source {
	t.Helper()
	s, err := kind.Set[collectors.Source]{Kind}.Build(kind.Spec{Name: "vllm-load"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func serving(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/load" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, text)
	}
}

func TestConformance(t *testing.T) { sourcetest.Page(t, build(t), serving(`{"server_load":3}`)) }

// The answer is that of FastAPI's JSONResponse: no blanks. What is not a count is unknown,
// with the reason.
func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		path, text string
		want       float64 // -1: unknown
		fault      string
	}{
		{"", `{"server_load":17}`, 17, ""},
		{"/v1", `{"server_load":17}`, 17, ""},
		{"/load/", `{"server_load":17}`, 17, ""},
		{"", `{"server_load":0}`, 0, ""},
		{"", `{"server_load":4,"more":[1]}`, 4, ""},
		{"", `{"server_load":-1}`, -1, "server_load is -1"},
		{"", `{"server_load":null}`, -1, "does not tell server_load"},
		{"", `{"server_load":1.5}`, -1, "1.5"},
		{"", `{"server_load":"3"}`, -1, "string"},
		{"", `{"load":3}`, -1, "--enable-server-load-tracking"},
		{"", `[3]`, -1, "array"},
		{"", `{"server_load":3`, -1, "unexpected end"},
		{"", `3`, -1, "number"},
		{"/elsewhere", `{"server_load":3}`, -1, "status 404"},
	} {
		server := httptest.NewServer(serving(tt.text))
		c, err := build(t).Collector(collectors.Target{URL: server.URL + tt.path})
		if err != nil {
			t.Fatal(err)
		}
		readings, err := c.Read(t.Context())
		got := -1.0
		if len(readings) == 1 && readings[0].Series == SeriesLoad {
			got = readings[0].Value
		}
		if got != tt.want || (err != nil) != (tt.fault != "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
			t.Errorf("%s at %q: got %v, %v; want %v, %q", tt.text, tt.path, got, err, tt.want, tt.fault)
		}
		_ = c.(io.Closer).Close()
		server.Close()
	}
}
