package identity

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"testing"
	"unicode"

	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/internal/trust/trusttest"
)

// What a hostile server says in its status, in a redirect and where it breaks the
// protocol is told in one printable line without the key.
func TestHostileHead(t *testing.T) {
	t.Setenv("EVABENCH_TEST_KEY", trusttest.Key)
	for name, head := range map[string]string{
		"status":   "HTTP/1.1 500 \x1b[2J KEY\r\nContent-Length: 0\r\n\r\n",
		"location": "HTTP/1.1 302 Found\r\nLocation: http://x/\u009b?k=KEY\r\nContent-Length: 0\r\n\r\n",
		"no head":  "HTTP/1.1 200 OK\r\n\x1b[2J KEY\r\n\r\n",
		"trailer":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\x1b KEY\r\n\r\n",
	} {
		url := saying(t, strings.ReplaceAll(head, "KEY", trusttest.Key))
		of := Server{Base: url, Access: trust.Access{Key: trust.Key{APIKeyEnv: "EVABENCH_TEST_KEY"}}}
		_, err := Ask(t.Context(), of, []Question{{Page: "/v1/models", Has: "qwen"}})
		if err == nil || !strings.Contains(err.Error(), "[key]") || strings.Contains(err.Error(), trusttest.Key) || strings.ContainsFunc(err.Error(), unicode.IsControl) {
			t.Errorf("%s: %q, want it with [key], and printable", name, err)
		}
		a, _, err := of.Send(t.Context(), http.MethodGet, url+"/health")
		if err == nil {
			a.Body.Close()
			if text := a.Status + a.Header.Get("Location"); strings.Contains(text, trusttest.Key) || strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("%s: Send tells %q", name, text)
			}
		}
	}
}

// saying is a server that gives each connection those bytes once it was asked.
func saying(t *testing.T, answer string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = c.Write([]byte(answer))
			_ = c.Close()
		}
	}()
	return "http://" + l.Addr().String()
}
