package torchserve

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"testing"

	"github.com/evabench/evabench/loadgen"
)

// The models stand on the management page, at the port after the service's.
func TestModels(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/models" {
			fmt.Fprint(w, `{"models": [{"modelName": "owl-v2", "modelUrl": "owl.mar"}, {"modelName": "rt-detrv2"}]}`)
		}
	}))
	defer server.Close()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(Default, nil)
	if err != nil {
		t.Fatal(err)
	}
	for base, want := range map[string][]string{
		"http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port-1)): {"owl-v2", "rt-detrv2"},
		"http://127.0.0.1": nil,
	} {
		e, err := d.Dial(base)
		if err != nil {
			t.Fatal(err)
		}
		page, names, err := e.(loadgen.Listing).Models(t.Context())
		if !slices.Equal(names, want) || (err == nil) != (want != nil) || want != nil && page != server.URL+"/models" {
			t.Errorf("%s: %q gives %q, %v, want %q", base, page, names, err, want)
		}
	}
}
