package external

import (
	"net"
	"strings"
	"testing"

	"github.com/evabench/evabench/services"
)

func TestNewRefuses(t *testing.T) {
	check := func(url, want string) {
		t.Helper()
		_, err := New(Config{Instances: []Instance{{URL: url}}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("URL %q: got %v, want an error with %q", url, err, want)
		}
	}
	check("", "http://")
	check("127.0.0.1:8000", "first path segment")
	check("ftp://127.0.0.1", "http://")
	check("http://", "no host")
	check("http://127.0.0.1/?a=b", "query")
	check("http://user:hidden@127.0.0.1", "user name or password")
	for _, url := range []string{
		"127.0.0.1:8000?key=sesame", "ftp://host?key=sesame", "http://?key=sesame", "http://host?key=sesame", "http://host#sesame",
		"http://ho st?key=sesame", "http://eva:sesame@host:x", "ftp://eva:sesame@host", "http://eva:ses%ame@host", "http://host/%zz?sesame",
	} {
		_, err := New(Config{Instances: []Instance{{URL: url}}})
		if err == nil || strings.Contains(err.Error(), "ses") {
			t.Errorf("URL %q: %v", url, err)
		}
	}
	if _, err := New(Config{}); err == nil {
		t.Error("no instance passed")
	}
}

// A server, or a page, that is told of two instances would count twice.
func TestNewRefusesOneServerTwice(t *testing.T) {
	page := func(url string) map[string]string { return map[string]string{"vllm": url} }
	for _, c := range []struct {
		a, b Instance
		want string // empty: good
	}{
		{Instance{URL: "http://127.0.0.1:1"}, Instance{URL: "http://127.0.0.1:1/"}, "instance 1: http://127.0.0.1:1 is instance 0's, too"},
		{Instance{URL: "http://127.0.0.1:1", Scrapes: page("http://127.0.0.1:3")}, Instance{URL: "http://127.0.0.1:2", Scrapes: page("http://127.0.0.1:3")}, "instance 1: the page of vllm, http://127.0.0.1:3, is instance 0's, too"},
		{Instance{URL: "http://127.0.0.1:1", Scrapes: page("http://127.0.0.1:3")}, Instance{URL: "http://127.0.0.1:2", Scrapes: map[string]string{"vllm-load": "http://127.0.0.1:3"}}, ""},
		{Instance{URL: "http://127.0.0.1:1"}, Instance{URL: "http://127.0.0.1:2", Scrapes: page("http://127.0.0.1:1")}, "instance 1: the page of vllm, http://127.0.0.1:1, is instance 0's, too"},
		{Instance{URL: "http://127.0.0.1:1"}, Instance{URL: "http://127.0.0.1:1/b"}, ""},
		// A router with two engines.
		{Instance{URL: "http://127.0.0.1:1", Scrapes: page("http://127.0.0.1:3")}, Instance{URL: "http://127.0.0.1:1", Scrapes: page("http://127.0.0.1:4")}, ""},
		{Instance{URL: "http://127.0.0.1:1", Scrapes: page("http://127.0.0.1:3")}, Instance{URL: "http://127.0.0.1:1", Scrapes: page("http://127.0.0.1:3")}, "instance 1: http://127.0.0.1:1 is instance 0's, too; if it is a router"},
		// One exporter of both.
		{Instance{URL: "http://127.0.0.1:1", Scrapes: map[string]string{"prometheus": "http://127.0.0.1:3"}}, Instance{URL: "http://127.0.0.1:2", Scrapes: map[string]string{"prometheus": "http://127.0.0.1:3"}}, ""},
	} {
		_, err := New(Config{Instances: []Instance{c.a, c.b}})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v and %v: got %v, want %q", c.a, c.b, err, c.want)
		}
	}
}

func TestLaunchTellsAddresses(t *testing.T) {
	l, err := New(Config{Instances: []Instance{
		{URL: "http://127.0.0.1:1"},
		{URL: "http://127.0.0.1:2", Device: "GPU-x", Scrapes: map[string]string{"vllm": "http://127.0.0.1:3"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if n := l.(services.Fixed).Instances(); n != 2 {
		t.Errorf("Instances() = %d, want 2", n)
	}
	s, err := l.Launch(t.Context(), services.Instance{Service: "agent", Name: "agent-1", Index: 1})
	if err != nil {
		t.Fatal(err)
	}
	info := s.Info()
	if info.URL != "http://127.0.0.1:2" || info.Device != "GPU-x" || info.Scrapes[0].URL != "http://127.0.0.1:3" {
		t.Errorf("Info() = %+v", info)
	}
	if _, err := l.Launch(t.Context(), services.Instance{Index: 2}); err == nil {
		t.Error("a third of two instances was launched")
	}
}

func TestProbe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	probe := func() error {
		x, err := New(Config{Instances: []Instance{{URL: url}}})
		if err != nil {
			t.Fatal(err)
		}
		return x.(services.Probed).Probe(t.Context())
	}
	if err := probe(); err != nil {
		t.Errorf("a server that listens: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := probe(); err == nil || !strings.Contains(err.Error(), url+" cannot be reached") {
		t.Errorf("a server that is gone: %v", err)
	}
}
