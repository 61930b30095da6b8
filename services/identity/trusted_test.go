package identity

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/internal/trust/trusttest"
)

// A server with an authority of its own, which asks for a certificate and a key, is
// asked its questions.
func TestAskTrusted(t *testing.T) {
	a := trusttest.New(t)
	s := a.Server(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"model": "qwen", "asked by": "`+r.Header.Get("Authorization")+`"}`)
	}))
	full := trust.Access{TLS: a.TLS, Key: trust.Key{APIKeyFile: a.KeyFile}}
	for name, c := range map[string]struct {
		access trust.Access
		has    string
		want   string // of the error; empty for none
	}{
		"right":        {full, "qwen", ""},
		"wrong":        {full, "llama", `Bearer [key]`},
		"no key":       {trust.Access{TLS: a.TLS}, "qwen", "401 Unauthorized"},
		"no authority": {trust.Access{Key: full.Key}, "qwen", "certificate"},
	} {
		_, err := Ask(t.Context(), Server{Base: s.URL, Access: c.access}, []Question{{Page: "/v1/models", Has: c.has}})
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), trusttest.Key)) {
			t.Errorf("%s: %v, want %q and no key", name, err, c.want)
		}
	}
}

// The key is told to the server's host, on any port, and to no other host, which a
// question's whole URL may name.
func TestKeyStaysWithHost(t *testing.T) {
	var told []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told = append(told, r.Header.Get("Authorization"))
		_, _ = io.WriteString(w, "qwen")
	}))
	defer s.Close()
	t.Setenv("EVABENCH_TEST_KEY", trusttest.Key)
	of := Server{Base: "http://127.0.0.1:1", Access: trust.Access{Key: trust.Key{APIKeyEnv: "EVABENCH_TEST_KEY"}}}
	elsewhere := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	for _, page := range []string{s.URL + "/management", elsewhere + "/other"} {
		if _, err := Ask(t.Context(), of, []Question{{Page: page, Has: "qwen"}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(told) != 2 || told[0] != "Bearer "+trusttest.Key || told[1] != "" {
		t.Errorf("the pages were told %q, want the key and nothing", told)
	}
}
