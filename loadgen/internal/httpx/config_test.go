package httpx

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseBaseRefusesUsers(t *testing.T) {
	for _, u := range []string{
		"http://eva:sesame@host:80", "http://eva:sesame@host:x", "eva:sesame@host", "http://eva:ses%ame@host", "http://sesame@host",
	} {
		_, err := ParseBase(u)
		if err == nil || strings.Contains(err.Error(), "sesame") || !strings.Contains(err.Error(), "api_key_env") {
			t.Errorf("%s: %v", u, err)
		}
	}
	for _, u := range []string{"ftp://host?key=sesame", "http://host?key=sesame", "http://host#sesame", "http://ho st?key=sesame", "host:x?sesame", "http://host/%zz#sesame"} {
		if _, err := ParseBase(u); err == nil || strings.Contains(err.Error(), "sesame") || !strings.Contains(err.Error(), "host") {
			t.Errorf("%s: %v", u, err)
		}
	}
	if u, err := ParseBase("http://host/@x"); err != nil || u.Path != "/@x" {
		t.Errorf("%v, %v", u, err)
	}
	for _, u := range []string{"", "localhost:8080", "ftp://host", "http://", "http://:80", "http://host?x=1", "http://ho st", "http://host#x"} {
		if _, err := ParseBase(u); err == nil {
			t.Errorf("%q was accepted", u)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]struct {
		base string
		Transport
	}{
		"":                            {"https://host", Transport{HTTP: "2", Proxy: "http://proxy:3128", Gzip: true, IdleLimit: 1, ConnectTimeout: 1, TLS: TLS{ServerName: "x"}}},
		`http "3"`:                    {"http://host", Transport{HTTP: "3"}},
		"http://host:port":            {"http://host", Transport{Proxy: "socks5://host"}},
		"proxy is not":                {"http://host", Transport{Proxy: "http://eva:sesame@host"}},
		"HTTP/2":                      {"http://host", Transport{HTTP: "2", Proxy: "http://proxy"}},
		"idle_limit -1ns":             {"http://host", Transport{IdleLimit: -1}},
		"connect_timeout -1s":         {"http://host", Transport{ConnectTimeout: -time.Second}},
		"tls is for https":            {"http://host", Transport{TLS: TLS{InsecureSkipVerify: true}}},
		"read ca_file":                {"https://host", Transport{TLS: TLS{CAFile: empty + "x"}}},
		"no certificate in PEM":       {"https://host", Transport{TLS: TLS{CAFile: empty}}},
		"read cert_file and key_file": {"https://host", Transport{TLS: TLS{CertFile: empty}}},
	} {
		base, err := url.Parse(c.base)
		if err != nil {
			t.Fatal(err)
		}
		_, err = New(Config{Base: base, Transport: c.Transport, NewReader: func() Reader { return nil }})
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sesame")) {
			t.Errorf("%+v: %v, want %q", c.Transport, err, want)
		}
	}
	if _, err := New(Config{}); err == nil {
		t.Error("a client of nothing was made")
	}
}

func TestCheck(t *testing.T) {
	good := Request{Method: "POST", Path: "/a%20b?c=d", Fields: []Field{{"Authorization", "Bearer é \t"}}}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Request){
		"method":      func(r *Request) { r.Method = "POST /" },
		"no method":   func(r *Request) { r.Method = "" },
		"path":        func(r *Request) { r.Path = "a" },
		"path, space": func(r *Request) { r.Path = "/a b" },
		"path, line":  func(r *Request) { r.Path = "/a\r\nX: y" },
		"escape":      func(r *Request) { r.Path = "/a%zz" },
		"half escape": func(r *Request) { r.Path = "/a?b=%4" },
		"fragment":    func(r *Request) { r.Path = "/a#b" },
		"field":       func(r *Request) { r.Fields = []Field{{"A b", "c"}} },
		"field, line": func(r *Request) { r.Fields = []Field{{"A", "sesame\nX: y"}} },
		"our field":   func(r *Request) { r.Fields = []Field{{"content-length", "1"}} },
		"host":        func(r *Request) { r.Fields = []Field{{"Host", "a"}} },
	} {
		r := good
		change(&r)
		if err := r.Check(); err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
