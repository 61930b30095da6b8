package httpx

import (
	"slices"
	"testing"
)

// What of the way is not safe is told: anyone who is trusted, and a key that leaves
// this machine as it is.
func TestWarnings(t *testing.T) {
	const key = "sk-sesame-sesame"
	for _, c := range []struct {
		url, key string
		tls      TLS
		want     []string
	}{
		{"http://10.0.0.7:8000", "", TLS{}, nil},
		{"http://10.0.0.7:8000", key, TLS{}, []string{WarnClearKey}},
		{"http://vllm.internal", key, TLS{}, []string{WarnClearKey}},
		{"http://127.0.0.2:8000", key, TLS{}, nil},
		{"http://[::1]:8000", key, TLS{}, nil},
		{"http://localhost:8000", key, TLS{}, nil},
		{"https://10.0.0.7", key, TLS{}, nil},
		{"https://10.0.0.7", key, TLS{InsecureSkipVerify: true}, []string{WarnUnverified}},
	} {
		u, err := ParseBase(c.url)
		if err != nil {
			t.Fatal(err)
		}
		client, err := New(Config{Base: u, Secret: c.key, Transport: Transport{TLS: c.tls}, NewReader: func() Reader { return nil }})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range client.Warnings() {
			got = append(got, w.Code)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s with key %q and %+v: %v, want %v", c.url, c.key, c.tls, got, c.want)
		}
	}
}
