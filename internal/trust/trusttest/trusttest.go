// Package trusttest makes servers that trust only who is signed by an authority of
// their own and tells their key, as a company's gateway does.
package trusttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/trust"
)

// Name is the one name that the servers' certificates have, so that a client that
// reaches one by its address has to be told it.
const Name = "gateway.test"

// Key is what the servers ask for, as a bearer's.
const Key = "sk-planted-7f3a-do-not-tell"

// KeyHeader is the field that may carry Key alone.
const KeyHeader = "X-Api-Key"

// An Authority signs a server's certificate and a client's. The files are PEM, in
// the test's folder.
type Authority struct {
	TLS     trust.TLS // of a client that trusts the server and is trusted
	KeyFile string    // holds Key
	server  tls.Certificate
	roots   *x509.CertPool
}

// New makes an authority with its two certificates.
func New(t testing.TB) *Authority {
	t.Helper()
	dir := t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca, caKey, caPEM, _ := sign(t, nil, nil, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	_, _, serverPEM, serverKey := sign(t, ca, caKey, &x509.Certificate{DNSNames: []string{Name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	_, _, clientPEM, clientKey := sign(t, ca, caKey, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	a := &Authority{
		TLS: trust.TLS{
			CAFile: file("ca.pem", caPEM), ServerName: Name,
			CertFile: file("client.pem", clientPEM), KeyFile: file("client.key", clientKey),
		},
		KeyFile: file("api.key", []byte(Key+"\n")), roots: x509.NewCertPool(),
	}
	a.roots.AddCert(ca)
	var err error
	if a.server, err = tls.X509KeyPair(serverPEM, serverKey); err != nil {
		t.Fatal(err)
	}
	return a
}

// sign makes a key and a certificate for it, which its own key signs if by is nil.
func sign(t testing.TB, by *x509.Certificate, byKey *ecdsa.PrivateKey, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, []byte, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: "evabench test"}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if by == nil {
		by, byKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by, &key.PublicKey, byKey)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return made, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
}

// Server serves h over TLS on loopback until the test's end, to clients that the
// authority signed and that tell Key, as a bearer's or in the field KeyHeader. To others with a
// certificate it answers 401, with what they sent in its body, as badly written servers do.
func (a *Authority) Server(t testing.TB, h http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+Key && r.Header.Get(KeyHeader) != Key {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, "who is "+r.Header.Get("Authorization"))
			return
		}
		h.ServeHTTP(w, r)
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{a.server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.roots}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail as they should
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}
