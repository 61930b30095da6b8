package endpoints

import (
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/internal/trust/trusttest"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/loadgen/pace"
	"github.com/evabench/evabench/results"
)

// Every kind reaches a server that has an authority of its own, asks for a
// certificate and for a key; and without one of the three it does not.
func TestEveryKindIsTrusted(t *testing.T) {
	a := trusttest.New(t)
	server := a.Server(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusTeapot) // an answer that no kind takes for another
	}))
	other, key := trusttest.New(t), trust.Key{APIKeyFile: a.KeyFile}
	stranger := a.TLS
	stranger.CertFile, stranger.KeyFile = other.TLS.CertFile, other.TLS.KeyFile
	nameless := a.TLS
	nameless.ServerName = ""
	wrong := trust.Key{APIKeyEnv: "EVABENCH_TEST_KEY"}
	t.Setenv("EVABENCH_TEST_KEY", "sk-another-key")
	for name, c := range map[string]struct {
		tls    trust.TLS
		key    trust.Key
		status int
		detail string
	}{
		"trusted":           {a.TLS, key, http.StatusTeapot, ""},
		"no authority":      {trust.TLS{ServerName: trusttest.Name}, key, 0, "unknown authority"},
		"another authority": {other.TLS, key, 0, "unknown authority"},
		"another name":      {nameless, key, 0, "certificate"},
		"no certificate":    {trust.TLS{CAFile: a.TLS.CAFile, ServerName: trusttest.Name}, key, 0, "certificate required"},
		"a stranger's":      {stranger, key, 0, "certificate"},
		"no key":            {a.TLS, trust.Key{}, http.StatusUnauthorized, ""},
		"another key":       {a.TLS, wrong, http.StatusUnauthorized, "Bearer [key]"},
	} {
		for _, k := range Kinds {
			got := ask(t, k, c.tls, c.key, server.URL)
			// With TLS 1.3 the server refuses us after we have begun to send: its reset may
			// come before its reason.
			if late := c.tls.CAFile == a.TLS.CAFile && c.tls.CertFile != a.TLS.CertFile; late && got.Outcome == results.Reset {
				continue
			}
			if got.Status != c.status || !strings.Contains(got.Detail, c.detail) || c.status == 0 && got.Outcome != results.Connect {
				t.Errorf("%s, %s: %v, status %d, %q; want status %d, %q", name, k.Name, got.Outcome, got.Status, got.Detail, c.status, c.detail)
			}
		}
	}
}

// ask sends one request by a kind with these arguments over its defaults.
func ask(t *testing.T, k kind.Kind[loadgen.Dialer], secure trust.TLS, key trust.Key, url string) loadgen.Answer {
	t.Helper()
	dialer, err := Kinds.Build(kind.Spec{Name: k.Name, Decode: func(into any) error {
		c := reflect.ValueOf(into).Elem()
		c.FieldByName("Transport").Set(reflect.ValueOf(httpx.Transport{TLS: secure, ConnectTimeout: time.Hour}))
		c.FieldByName("Key").Set(reflect.ValueOf(key))
		return nil
	}})
	if err != nil {
		t.Fatalf("%s: %v", k.Name, err)
	}
	endpoint, err := dialer.Dial(url)
	if err != nil {
		t.Fatalf("%s: %v", k.Name, err)
	}
	defer endpoint.Close()
	request, err := endpoint.Prepare(&loadgen.Request{Class: "c", Model: "m", Image: []byte("\xff\xd8 jpeg"), Messages: []loadgen.Message{{Role: "user", Text: "hello"}}})
	if err != nil {
		t.Fatalf("%s: %v", k.Name, err)
	}
	loop, err := pace.New(results.NewOrigin(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	line, err := endpoint.Open(loop)
	if err != nil {
		t.Fatalf("%s: %v", k.Name, err)
	}
	answered := make(chan loadgen.Answer, 1)
	var running sync.WaitGroup
	running.Go(loop.Run)
	loop.Post(func() {
		line.Send(request, &loadgen.Exchange{Done: func(x *loadgen.Exchange) { answered <- x.Answer }})
	})
	answer := <-answered
	loop.Post(func() { line.Close(); loop.Quit() })
	running.Wait()
	if err := loop.Close(); err != nil {
		t.Error(err)
	}
	return answer
}
