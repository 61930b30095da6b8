// Package trust says whom the program trusts over TLS, and how it proves who it
// is: by a certificate, or by a key that a scenario names and never holds.
package trust

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLS says whom to trust and who we are, of an https URL. The zero value trusts
// what the system does and has no certificate of its own.
type TLS struct {
	// CAFile holds the certificates to trust, in PEM; empty means the system's.
	CAFile string `yaml:"ca_file" json:"ca_file,omitempty"`
	// ServerName is the name to ask and check for; empty means the URL's host.
	ServerName string `yaml:"server_name" json:"server_name,omitempty"`
	// InsecureSkipVerify trusts anyone.
	InsecureSkipVerify bool `yaml:"insecure_skip_verify" json:"insecure_skip_verify,omitempty"`
	// CertFile and KeyFile are our own certificate, in PEM. Both or none are given.
	CertFile string `yaml:"cert_file" json:"cert_file,omitempty"`
	KeyFile  string `yaml:"key_file" json:"key_file,omitempty"`
}

// Config reads the files and gives the configuration of a client of the host,
// which is the caller's to change. TLS 1.2 is the least that it speaks.
func (t TLS) Config(host string) (*tls.Config, error) {
	c := &tls.Config{ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify, MinVersion: tls.VersionTLS12}
	if c.ServerName == "" {
		c.ServerName = host
	}
	var faults []error
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		c.RootCAs = x509.NewCertPool()
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("read ca_file: %w", err))
		case !c.RootCAs.AppendCertsFromPEM(pem):
			faults = append(faults, fmt.Errorf("ca_file %s holds no certificate in PEM", t.CAFile))
		}
	}
	if t.CertFile != "" || t.KeyFile != "" {
		own, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			faults = append(faults, fmt.Errorf("read cert_file and key_file: %w", err))
		}
		c.Certificates = []tls.Certificate{own}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return c, nil
}
