package sources

import (
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sources/prometheus"
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/internal/trust/trusttest"
	"github.com/evabench/evabench/results"
)

// Every source of pages reaches a server that has an authority of its own, asks
// for a certificate and for a key; and without one of the three it does not.
func TestEveryKindIsTrusted(t *testing.T) {
	a := trusttest.New(t)
	server := a.Server(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	key := trust.Key{APIKeyFile: a.KeyFile}
	t.Setenv("EVABENCH_TEST_KEY", "sk-another-key")
	tried := 0
	for name, c := range map[string]struct {
		access trust.Access
		want   string
	}{
		"trusted":        {trust.Access{TLS: a.TLS, Key: key}, "status 418"},
		"no authority":   {trust.Access{TLS: trust.TLS{ServerName: trusttest.Name}, Key: key}, "unknown authority"},
		"nothing":        {trust.Access{}, "certificate"},
		"no certificate": {trust.Access{TLS: trust.TLS{CAFile: a.TLS.CAFile, ServerName: trusttest.Name}, Key: key}, "certificate required"},
		"no key":         {trust.Access{TLS: a.TLS}, "status 401"},
		"another key":    {trust.Access{TLS: a.TLS, Key: trust.Key{APIKeyEnv: "EVABENCH_TEST_KEY"}}, "who is Bearer [key]"},
	} {
		for _, k := range Kinds {
			tried++
			_, err := read(t, k.Name, c.access, server.URL)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "sk-") {
				t.Errorf("%s, %s: %v; want %q and no key", name, k.Name, err, c.want)
			}
		}
	}
	if tried == 0 {
		t.Error("no kind was tried")
	}
}

// TLS for an address without it is refused, not left out.
func TestTLSWithoutHTTPS(t *testing.T) {
	for _, k := range Kinds {
		source, err := build(k.Name, trust.Access{TLS: trust.TLS{InsecureSkipVerify: true}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := source.Collector(collectors.Target{URL: "http://127.0.0.1:1"}); err == nil || !strings.Contains(err.Error(), "https") {
			t.Errorf("%s: %v, want that TLS is for https URLs", k.Name, err)
		}
	}
}

// A page that says our key back, in what stands in the results, does not put it there.
func TestPageSaysKey(t *testing.T) {
	a := trusttest.New(t)
	server := a.Server(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "# TYPE q gauge\nq{who=\""+r.Header.Get("Authorization")+"\"} 1\n")
	}))
	readings, err := read(t, prometheus.Kind.Name, trust.Access{TLS: a.TLS, Key: trust.Key{APIKeyFile: a.KeyFile}}, server.URL)
	if err != nil || len(readings) != 1 || readings[0].Subject.Detail != "Bearer [key]" {
		t.Errorf("%+v, %v; want one reading of Bearer [key]", readings, err)
	}
}

func build(name string, access trust.Access) (collectors.Source, error) {
	return Kinds.Build(kind.Spec{Name: name, Decode: func(into any) error {
		c := reflect.ValueOf(into).Elem()
		if at := c.FieldByName("Access"); at.IsValid() {
			at.Set(reflect.ValueOf(access))
		}
		if p, ok := into.(*prometheus.Config); ok {
			p.Series = []prometheus.Series{{Name: "q", Unit: "1", Type: "gauge", By: "who"}}
		}
		return nil
	}})
}

func read(t *testing.T, name string, access trust.Access, url string) ([]collectors.Reading, error) {
	t.Helper()
	source, err := build(name, access)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	c, err := source.Collector(collectors.Target{URL: url, Subject: results.Subject{Kind: results.SubjectEndpoint, ID: "a"}})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if closer, ok := c.(io.Closer); ok {
		defer closer.Close()
	}
	return c.Read(t.Context())
}

// A page whose server is not checked is told of, by every kind; one that is checked is not.
func TestUncheckedPageIsTold(t *testing.T) {
	for _, k := range Kinds {
		for _, unchecked := range []bool{true, false} {
			source, err := build(k.Name, trust.Access{TLS: trust.TLS{ServerName: "a", InsecureSkipVerify: unchecked}})
			if err != nil {
				t.Fatal(err)
			}
			c, err := source.Collector(collectors.Target{URL: "https://gpu.example:8443", Subject: results.Subject{ID: "agent-0"}})
			if err != nil {
				t.Fatal(err)
			}
			w, ok := c.(collectors.Warned)
			if !ok {
				t.Fatalf("%s tells of nothing", k.Name)
			}
			got := w.Warnings()
			if !unchecked && len(got) > 0 || unchecked && (len(got) != 1 || got[0].Code != "tls-unverified" || got[0].Subject != "agent-0" ||
				!strings.Contains(got[0].Text, "stands on the way to gpu.example:8443 may answer in its place")) {
				t.Errorf("%s, unchecked %v: %+v", k.Name, unchecked, got)
			}
		}
	}
}
