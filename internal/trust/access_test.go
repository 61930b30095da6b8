package trust

import (
	"net/http"
	"net/url"
	"testing"
)

// The key goes to the base's host alone, and in plain text only where the base says so.
func TestSign(t *testing.T) {
	t.Setenv("EVABENCH_TEST_KEY", sesame)
	for _, c := range []struct {
		base, page string
		told       bool
	}{
		{"https://h", "https://h/v1/models", true},
		{"https://h", "https://h:9000/v1/models", true},
		{"https://h", "http://h:9000/v1/models", false},
		{"https://h", "https://other/v1/models", false},
		{"http://h", "http://h:9000/v1/models", true},
		{"http://h", "https://h/v1/models", true},
		{"http://h", "http://other/v1/models", false},
	} {
		base, err := url.Parse(c.base)
		if err != nil {
			t.Fatal(err)
		}
		credentials, err := Access{Key: Key{APIKeyEnv: "EVABENCH_TEST_KEY"}}.For(base)
		if err != nil {
			t.Fatal(err)
		}
		q, err := http.NewRequest(http.MethodGet, c.page, nil)
		if err != nil {
			t.Fatal(err)
		}
		if credentials.Sign(q); (q.Header.Get("Authorization") != "") != c.told {
			t.Errorf("base %s, page %s: told %q, want told: %v", c.base, c.page, q.Header.Get("Authorization"), c.told)
		}
	}
}
