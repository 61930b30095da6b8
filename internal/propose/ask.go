package propose

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What is asked of a server is bounded: so long for a page, so many bytes of it, and
// so many models.
const (
	patience   = 2 * time.Second
	mostBytes  = 1 << 20
	mostModels = 32
)

// asker asks the very address: it obeys no proxy, follows nowhere and keeps no
// connection.
var asker = &http.Client{
	Timeout:       patience,
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// get reads a page as JSON. A page that is not 2xx or not JSON is an error.
func get(ctx context.Context, base, page string, into any) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, base+page, nil)
	if err != nil {
		return err
	}
	a, err := asker.Do(q)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	if a.StatusCode < 200 || a.StatusCode > 299 {
		return fmt.Errorf("%s answers %s", page, a.Status)
	}
	return json.NewDecoder(io.LimitReader(a.Body, mostBytes)).Decode(into)
}

// Ask asks a server what it is, by GET requests that make it do no work: the list of
// models of OpenAI's API, TorchServe's health and management pages, and KServe's
// description. The management page is at the next port, unless management names its
// base URL. It is an error if nothing answers, or nothing that is known; an address
// that refuses connections wraps the network's error.
func Ask(ctx context.Context, base, management string) (Server, error) {
	if err := CheckURLs(base, management); err != nil {
		return Server{}, err
	}
	base = strings.TrimRight(base, "/")
	s := Server{URL: base, Page: strings.TrimRight(management, "/"), Asked: true}
	var lines error
	for _, try := range []func(context.Context, *Server) error{askOpenAI, askTorchServe, askTriton} {
		err := try(ctx, &s)
		if err == nil {
			return s, nil
		}
		if refused, ok := errors.AsType[*net.OpError](err); ok {
			// So would all others. Only what passed check is written.
			return s, fmt.Errorf("ask %s: %w; see whether it runs with: curl -sv --max-time 5 %s/v1/models", base, refused, base)
		}
		if ctx.Err() != nil {
			return s, context.Cause(ctx)
		}
		lines = errors.Join(lines, err)
	}
	return s, fmt.Errorf("ask %s: it is no server that evabench knows (%s)", base, strings.ReplaceAll(lines.Error(), "\n", "; "))
}

// CheckURLs refuses what Ask cannot be given: no address, or one that holds a secret.
// management may be empty.
func CheckURLs(base, management string) error {
	if err := check(base); err != nil || management == "" {
		return err
	}
	return check(management)
}

// check refuses what is no address.
func check(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%q is no URL; say http://HOST:PORT", text)
	}
	if u.User != nil {
		return errors.New("the URL holds a user name or password, which would stand in the scenario")
	}
	return nil
}

func askOpenAI(ctx context.Context, s *Server) error {
	var list struct {
		Data []struct {
			ID      string `json:"id"`
			OwnedBy string `json:"owned_by"`
		} `json:"data"`
	}
	const page = "/v1/models"
	if err := get(ctx, s.URL, page, &list); err != nil {
		return err
	}
	if list.Data == nil {
		return errors.New(page + " lists nothing")
	}
	s.Kind, s.Seen, s.Page = openai, page+" answers", ""
	for _, m := range list.Data {
		if m.ID != "" && len(s.Models) < 1 { // others are adapters of the first
			s.Models = append(s.Models, m.ID)
		}
		switch m.OwnedBy {
		case vllm, sglang:
			s.Kind = m.OwnedBy
		case "llamacpp":
			s.Kind = llamaServer
		}
	}
	return nil
}

// askTorchServe goes by the health page, whose words are TorchServe's own (Inference
// API, Health check).
func askTorchServe(ctx context.Context, s *Server) error {
	var health struct {
		Status string `json:"status"`
	}
	const page = "/ping"
	if err := get(ctx, s.URL, page, &health); err != nil {
		return err
	}
	if !slices.Contains([]string{"Healthy", "Partial Healthy", "Unhealthy"}, health.Status) {
		return fmt.Errorf("%s says %.40q, which TorchServe does not", page, health.Status)
	}
	s.Kind, s.Seen = torchserve, page+" answers"
	at := cmp.Or(s.Page, managementOf(s.URL))
	var list struct {
		Models []struct {
			Name string `json:"modelName"`
		} `json:"models"`
	}
	s.Page = ""
	if at == "" || get(ctx, at, "/models", &list) != nil {
		return nil // it is one, and tells no models: Server.unusable says so
	}
	s.Page = at
	for _, m := range list.Models {
		if m.Name != "" && len(s.Models) < mostModels {
			s.Models = append(s.Models, m.Name)
		}
	}
	slices.Sort(s.Models)
	return nil
}

// managementOf is where a TorchServe of this address has its management page if
// nobody moved it: at the next port.
func managementOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil || port >= 65535 {
		return ""
	}
	u.Host = net.JoinHostPort(u.Hostname(), strconv.Itoa(port+1))
	return u.String()
}

func askTriton(ctx context.Context, s *Server) error {
	var about struct {
		Name string `json:"name"`
	}
	const page = "/v2"
	if err := get(ctx, s.URL, page, &about); err != nil {
		return err
	}
	if about.Name != triton {
		return fmt.Errorf("%s is of %q", page, about.Name)
	}
	s.Kind, s.Seen, s.Page = triton, page+" answers", ""
	return nil
}

// Probe asks what listens on this machine, at the given addresses, and adds what it
// learns to the servers that are known. An address that is of no known server is
// left out, as is the management page of one that is.
func Probe(ctx context.Context, known []Server, at []netip.AddrPort) ([]Server, error) {
	var all []Server
	var done []string
	ask := func(base string, was *Server) {
		if slices.Contains(done, base) {
			return
		}
		done = append(done, base)
		management := ""
		if was != nil {
			management = was.Page
		}
		s, err := Ask(ctx, base, management)
		switch {
		case err == nil && was != nil:
			s.Seen = was.Seen + ", " + s.Seen
			fallthrough
		case err == nil:
			all = append(all, s)
			done = append(done, s.Page)
		case was != nil:
			all = append(all, *was)
		}
	}
	for _, k := range known {
		ask(k.URL, &k)
	}
	for _, a := range at {
		ask("http://"+a.String(), nil)
	}
	return all, ctx.Err()
}
