package trust

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// Access is how a server's pages are reached: whom to trust, and what it asks
// for. The zero value is any page that is open to all.
type Access struct {
	TLS TLS `yaml:"tls" json:"tls,omitzero" doc:"of https: ca_file, server_name, cert_file and key_file, insecure_skip_verify"`
	Key `yaml:",inline"`
}

// Check reads the files and the variable, and tells all that is wrong with them.
func (a Access) Check() error {
	_, _, err := a.Key.Read()
	_, wrong := a.TLS.Config("")
	if wrong != nil {
		wrong = fmt.Errorf("tls: %w", wrong)
	}
	return errors.Join(err, wrong)
}

// Credentials is an Access that was read, for the pages of one host. It is safe
// for concurrent use.
type Credentials struct {
	TLS   *tls.Config // to be cloned before it is changed; nil: the system's trust and no certificate
	host  string
	plain bool // the base is http
	key   string
	field Field
}

// For reads the Access for the server at a base URL. TLS for an http URL is an
// error: what was meant to be sent to a trusted server only would go to any.
func (a Access) For(base *url.URL) (Credentials, error) {
	c := Credentials{host: base.Hostname(), plain: base.Scheme == "http"}
	var err, wrong error
	if c.key, c.field, err = a.Key.Read(); a.TLS != (TLS{}) {
		if c.TLS, wrong = a.TLS.Config(a.TLS.ServerName); base.Scheme != "https" {
			wrong = errors.Join(wrong, errors.New("is for https URLs"))
		}
	}
	if wrong != nil {
		wrong = fmt.Errorf("tls: %w", wrong)
	}
	return c, errors.Join(err, wrong)
}

// Sign puts the key into a request to the host, whichever of its ports; to other
// hosts it is not told, nor over http if the base is https.
func (c Credentials) Sign(q *http.Request) {
	if c.field != (Field{}) && q.URL.Hostname() == c.host && (c.plain || q.URL.Scheme == "https") {
		q.Header.Set(c.field.Name, c.field.Value)
	}
}

// Hide is [Hide] of the key.
func (c Credentials) Hide(text string) string { return Hide(text, c.key) }

// Secret reports whether there is a key to be hidden.
func (c Credentials) Secret() bool { return c.key != "" }
