package doctor

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// An answer is any status line; what only takes the connection, ends it or speaks
// otherwise is silent, and where nothing listens it is not even that.
func TestReaches(t *testing.T) {
	status := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://192.0.2.1/")
		w.WriteHeader(http.StatusFound) // which is not followed
	})
	plain, secured := httptest.NewServer(status), httptest.NewTLSServer(status)
	defer plain.Close()
	defer secured.Close()
	for _, url := range []string{plain.URL, secured.URL} {
		if err := reaches(t.Context(), url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	for what, serve := range map[string]func(net.Conn, context.CancelFunc){
		"hangs":  func(_ net.Conn, giveUp context.CancelFunc) { giveUp() },
		"ends":   func(c net.Conn, _ context.CancelFunc) { c.Close() },
		"no web": func(c net.Conn, _ context.CancelFunc) { c.Write([]byte("220 mail\r\n")); c.Close() },
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, giveUp := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() {
			defer close(over)
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			c.Read(make([]byte, 1000)) // the request
			serve(c, giveUp)
			c.Read(make([]byte, 1000)) // until the client has gone
		}()
		if err := reaches(ctx, "http://"+l.Addr().String()); !errors.Is(err, ErrSilent) {
			t.Errorf("%s: %v, want %v", what, err, ErrSilent)
		}
		l.Close()
		<-over
		giveUp()
		if err := reaches(t.Context(), "http://"+l.Addr().String()); err == nil || errors.Is(err, ErrSilent) {
			t.Errorf("nothing listens: %v", err)
		}
	}
}
