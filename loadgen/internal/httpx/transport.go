package httpx

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/evabench/evabench/internal/trust"
)

// Transport says how the requests of an endpoint travel. Every endpoint has one
// under transport; the zero value is HTTP/1.1, straight, uncompressed.
type Transport struct {
	// HTTP is the version: "1.1" (the default) or "2", which is agreed on in the
	// TLS handshake, or known before for an http URL.
	HTTP string `yaml:"http" json:"http,omitempty"`
	// Proxy is the URL of an HTTP proxy. The environment's are not looked at.
	Proxy string `yaml:"proxy" json:"proxy,omitempty"`
	// Gzip asks for compressed answers, but for streams. They are unpacked on the
	// loop, when they are whole: a large one holds up all else of the step meanwhile,
	// which shows as lateness.
	Gzip bool `yaml:"gzip" json:"gzip,omitempty"`
	TLS  TLS  `yaml:"tls" json:"tls,omitzero"`
	// IdleLimit is how long a connection may have been idle when it is used again,
	// 3s by default: uvicorn, under vLLM, closes one after 5 s.
	IdleLimit time.Duration `yaml:"idle_limit" json:"idle_limit_ns,omitempty"`
	// ConnectTimeout is after how long a connection that is not made is given up,
	// TLS included; 5s by default. A server whose queue of connections is full
	// drops the first packet, and the request would hang for its whole timeout.
	ConnectTimeout time.Duration `yaml:"connect_timeout" json:"connect_timeout_ns,omitempty"`
}

// TLS says whom to trust and who we are, of an https URL.
type TLS = trust.TLS

const (
	http11 = "1.1"
	http2  = "2"
)

// complete puts in the defaults, and tells all faults.
func (t *Transport) complete(scheme string) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if t.HTTP == "" {
		t.HTTP = http11
	}
	if t.HTTP != http11 && t.HTTP != http2 {
		fault("http %q is neither %q nor %q", t.HTTP, http11, http2)
	}
	if t.Proxy != "" {
		u, err := url.Parse(t.Proxy)
		if err != nil || u.Scheme != "http" || u.Hostname() == "" || u.User != nil {
			fault("proxy is not of the form http://host:port")
		} else if t.HTTP == http2 && scheme != "https" {
			fault("a proxy cannot be asked in HTTP/2 for an http URL")
		}
	}
	if t.IdleLimit == 0 {
		t.IdleLimit = 3 * time.Second
	}
	if t.ConnectTimeout == 0 {
		t.ConnectTimeout = 5 * time.Second
	}
	if t.IdleLimit < 0 || t.ConnectTimeout < 0 {
		fault("idle_limit %v and connect_timeout %v must be positive", t.IdleLimit, t.ConnectTimeout)
	}
	if t.TLS != (TLS{}) && scheme != "https" {
		fault("tls is for https URLs")
	}
	return errors.Join(faults...)
}

// secure makes the TLS configuration; it is nil for an http URL.
func (t *Transport) secure(base *url.URL) (*tls.Config, error) {
	if base.Scheme != "https" {
		return nil, nil
	}
	c, err := t.TLS.Config(base.Hostname())
	if err != nil {
		return nil, err
	}
	c.NextProtos = []string{"http/1.1"}
	if t.HTTP == http2 {
		c.NextProtos[0] = "h2"
	}
	return c, nil
}
