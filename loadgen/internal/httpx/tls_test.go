package httpx

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/evabench/evabench/internal/hostile"
	"github.com/evabench/evabench/internal/leaks"
	"github.com/evabench/evabench/results"
)

// A certificate is a server's own, which it signed itself.
type certificate struct {
	tls.Certificate
	file, keyFile string // in PEM
}

// certify makes a certificate for a name, or for the servers of these tests if
// it is empty, that is valid until a year. Virtual time begins in 2000.
func certify(t *testing.T, name string, until int) certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{name},
		NotBefore: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(until, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	if name == "" {
		template.DNSNames, template.IPAddresses = []string{"server", "localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := certificate{file: filepath.Join(t.TempDir(), "cert.pem"), keyFile: filepath.Join(t.TempDir(), "key.pem")}
	c.Certificate = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	for file, b := range map[string]*pem.Block{c.file: {Type: "CERTIFICATE", Bytes: der}, c.keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// What goes wrong before there is a trusted connection is no connection.
func TestConformanceTLS(t *testing.T) {
	good, expired, other := certify(t, "", 2100), certify(t, "", 1999), certify(t, "elsewhere", 2100)
	with := func(c certificate) func(net.Conn) net.Conn {
		return func(raw net.Conn) net.Conn {
			return tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{c.Certificate}, ClientAuth: tls.RequestClientCert})
		}
	}
	plain := func(c net.Conn) net.Conn { return c }
	answer := "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + hostile.Good
	serve := func(c *hostile.Conn, _ int) {
		for c.Request() && c.Say(answer) {
		}
	}
	untrusted := func(detail string) hostile.Case {
		return hostile.Case{Serve: serve, Want: []results.Outcome{results.Connect, results.Connect}, Detail: detail}
	}
	connect := []results.Outcome{results.Connect}
	for name, c := range map[string]struct {
		wrap  func(net.Conn) net.Conn
		trust TLS
		hostile.Case
	}{
		"good":         {with(good), TLS{CAFile: good.file}, hostile.Case{Serve: serve, Want: []results.Outcome{results.OK, results.OK}, Status: 200, Conns: 1, Ask: hostile.Ask{Size: 1 << 20}}},
		"not trusted":  {with(good), TLS{}, untrusted("certificate")},
		"expired":      {with(expired), TLS{CAFile: expired.file}, untrusted("expired")},
		"another name": {with(other), TLS{CAFile: other.file}, untrusted("certificate")},
		"the other name": {with(other), TLS{CAFile: other.file, ServerName: "elsewhere"}, hostile.Case{
			Serve: serve, Want: []results.Outcome{results.OK}, Status: 200,
		}},
		"trust anyone": {with(expired), TLS{InsecureSkipVerify: true}, hostile.Case{Serve: serve, Want: []results.Outcome{results.OK}, Status: 200}},
		"client certificate": {with(good), TLS{CAFile: good.file, CertFile: good.file, KeyFile: good.keyFile}, hostile.Case{Serve: func(c *hostile.Conn, n int) {
			if c.Request() && len(c.Conn.(*tls.Conn).ConnectionState().PeerCertificates) == 1 {
				c.Say(answer)
			}
		}, Want: []results.Outcome{results.OK}, Status: 200}},
		"not TLS": {plain, TLS{}, hostile.Case{Serve: func(c *hostile.Conn, _ int) { c.Say("HTTP/1.1 400 Bad Request\r\n\r\n"); c.Wait() }, Want: connect, Detail: "handshake"}},
		"hang":    {plain, TLS{}, hostile.Case{Serve: func(c *hostile.Conn, _ int) { c.Hang() }, Want: []results.Outcome{results.Timeout}, Detail: "before there was a connection"}},
		"close":   {plain, TLS{}, hostile.Case{Serve: func(c *hostile.Conn, _ int) {}, Want: connect}},
	} {
		for _, s := range subjects {
			t.Run(name+"/"+s.name, func(t *testing.T) {
				config := Config{Transport: Transport{TLS: c.trust}}
				if s.memory {
					synctest.Test(t, func(t *testing.T) { s.try(t, c.Case, c.wrap, config) })
					return
				}
				defer leaks.None(t, goleak.IgnoreCurrent())
				s.try(t, c.Case, c.wrap, config)
			})
		}
	}
}

// HTTP/2 that the server does not speak is not replaced by HTTP/1.1 in silence.
func TestNoHTTP2(t *testing.T) {
	cert := certify(t, "", 2100)
	wrap := func(raw net.Conn) net.Conn {
		return tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{cert.Certificate}})
	}
	inMemory(t, func(t *testing.T, s subject) {
		s.try(t, hostile.Case{
			Serve: func(c *hostile.Conn, _ int) {
				if c.Request() {
					c.Say("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + hostile.Good)
				}
			},
			Want: []results.Outcome{results.Connect}, Detail: "does not speak HTTP/2",
		}, wrap, Config{Transport: Transport{HTTP: "2", TLS: TLS{CAFile: cert.file}}})
	})
}
