package spawn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/evabench/evabench/internal/supervise"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/identity"
)

// Values are what the names of templates stand for in one instance.
type Values struct {
	Instance services.Instance
	Port     int // the first of its ports
}

// Begin takes the ports of an instance and gives its values. Free gives the
// ports back; it may be called more than once.
func (s *Server) Begin(i services.Instance) (v *Values, free func(), err error) {
	if n := s.Config.Instances; n > 0 && i.Index >= n {
		return nil, nil, fmt.Errorf("%s is instance %d of %d", i.Name, i.Index+1, n)
	}
	if i.Name == "" || strings.ContainsAny(i.Name, "/\x00") || i.LogDir == "" {
		return nil, nil, fmt.Errorf("instance %q has no name for files, or no folder for its log", i.Name)
	}
	if err := s.CheckPassed(); err != nil {
		return nil, nil, err
	}
	var first int
	if s.Config.Port == 0 {
		first, err = s.ports.Free(s.width)
	} else {
		first = s.Config.Port + i.Index*s.width
		err = s.ports.Fixed(first, s.width)
	}
	if err != nil {
		return nil, nil, err
	}
	free = sync.OnceFunc(func() { s.ports.GiveBack(first, s.width) })
	return &Values{Instance: i, Port: first}, free, nil
}

// Log is where an instance's log goes, and its bounds.
func (s *Server) Log(i services.Instance) supervise.Log {
	return supervise.Log{
		Path: filepath.Join(i.LogDir, i.Name+".log"), MaxBytes: s.Config.Log.MaxBytes, Keep: s.Config.Log.Keep, Hide: s.hidden(),
	}
}

// Of gives one of them by its name in braces.
func (v *Values) Of(name string) (string, error) {
	if n, ok := portOf(name); ok {
		return strconv.Itoa(v.Port + n), nil
	}
	i := v.Instance
	switch name {
	case "name":
		return i.Name, nil
	case "device":
		if i.Device.UUID == "" {
			return "", errors.New("{device}: the instance is on no device")
		}
		return i.Device.UUID, nil
	case "dir":
		dir := filepath.Join(i.LogDir, i.Name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", fmt.Errorf("{dir}: %w", err)
		}
		return filepath.Abs(dir)
	case "models":
		var names []string
		for _, m := range i.Models {
			names = append(names, m.Name)
		}
		return strings.Join(names, ","), nil
	}
	if of, ok := strings.CutPrefix(name, "params."); ok {
		if value, ok := i.Params[of]; ok {
			return value, nil
		}
		return "", fmt.Errorf("{%s}: the configuration has no parameter %s.%s; give it in matrix: params", name, i.Service, of)
	}
	of := strings.TrimPrefix(name, "workers.")
	for _, m := range i.Models {
		if m.Name == of {
			return strconv.Itoa(m.Workers), nil
		}
	}
	return "", fmt.Errorf("{%s}: service %s has no model %q", name, i.Service, of)
}

// Info tells an instance's addresses.
func (s *Server) Info(v *Values) (results.Instance, error) {
	i := v.Instance
	info := results.Instance{Service: i.Service, Name: i.Name, Device: i.Device.UUID}
	var err error
	if info.URL, err = s.url.Expand(v.Of); err != nil {
		return info, fmt.Errorf("url: %w", err)
	}
	for _, kind := range slices.Sorted(maps.Keys(s.scrapes)) {
		page, err := s.scrapes[kind].Expand(v.Of)
		if err != nil {
			return info, fmt.Errorf("scrapes.%s: %w", kind, err)
		}
		info.Scrapes = append(info.Scrapes, results.Scrape{Kind: kind, URL: page})
	}
	for _, m := range i.Models {
		if info.Workers == nil {
			info.Workers = map[string]int{}
		}
		info.Workers[m.Name] = m.Workers
	}
	return info, nil
}

// Page is the address of the page that tells whether an instance is up; empty
// if Config has none.
func (s *Server) Page(info results.Instance) string {
	if s.Config.Health == "" {
		return ""
	}
	return strings.TrimRight(info.URL, "/") + s.Config.Health
}

// Of is the server at an instance's address, for questions.
func (s *Server) Of(info results.Instance) identity.Server {
	return identity.Server{Base: info.URL, Access: s.Config.Pages}
}

// Ask asks a page of an instance once: nil is an answer of 2xx.
func (s *Server) Ask(ctx context.Context, info results.Instance, page string) error {
	a, by, err := s.Of(info).Send(ctx, http.MethodGet, page)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	if a.StatusCode < 200 || a.StatusCode > 299 {
		said, _ := io.ReadAll(io.LimitReader(a.Body, 200)) // what came is enough
		return fmt.Errorf("%s answers %s: %.200q", page, a.Status, by.Hide(string(said)))
	}
	return nil
}
