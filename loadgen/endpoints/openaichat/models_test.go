package openaichat

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/loadgen"
)

// The list of models is beside the path of requests, and asked with the key, of which no
// error tells.
func TestModels(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/base/v3/models" || r.Header.Get("Authorization") != "Bearer secret-key" {
			http.Error(w, "nothing for secret-key", http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte(`{"data": [{"id": "a"}, {"id": "b/c"}]}`))
	}))
	defer server.Close()
	t.Setenv("MODELS_API_KEY", "secret-key")
	c := Default
	c.Key = trust.Key{APIKeyEnv: "MODELS_API_KEY"}
	for path, want := range map[string][]string{"/v3/chat/completions": {"a", "b/c"}, "/ask": nil} {
		c.Path = path
		d, err := New(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		e, err := d.Dial(server.URL + "/base")
		if err != nil {
			t.Fatal(err)
		}
		page, names, err := e.(loadgen.Listing).Models(t.Context())
		if !slices.Equal(names, want) || (err == nil) != (want != nil) || !strings.HasPrefix(page, server.URL+"/base/v") {
			t.Errorf("%s: %s gives %q, %v, want %q", path, page, names, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret-key") {
			t.Errorf("%s: %v tells the key", path, err)
		}
	}
}
