package spawn

import (
	"context"
	"fmt"
	"net/http"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
)

// Fault is the request that makes a server fault by itself on its device, as a
// bad kernel does: a page of it that is there for that.
type Fault struct {
	Method string `yaml:"method"` // such as POST
	// Path is the page: a path below URL ("/debug/gpu-fault"), or a port ("port+1/fault").
	// Empty means that the server has none.
	Path string `yaml:"path"`
}

// readFault reads the page and checks the method.
func (s *Server) readFault(f Fault) {
	if f.Path == "" {
		return
	}
	text, err := pageURL(f.Path, s.Config.URL)
	if err != nil {
		s.fault("fault.path: %w", err)
		return
	}
	s.faultPage = s.Template("fault.path", text)
	if _, err := http.NewRequest(f.Method, "http://127.0.0.1/", nil); err != nil || f.Method == "" {
		s.fault("fault.method: %q is none; say POST", f.Method)
	}
}

// Crashes lists the ways in which instances can be made to end.
func (s *Server) Crashes() []string {
	if s.Config.Fault.Path == "" {
		return []string{services.CrashKill}
	}
	return []string{services.CrashKill, services.CrashFault}
}

// FaultPage is where an instance is asked to make a fault; empty if nowhere.
func (s *Server) FaultPage(v *Values) (string, error) {
	if s.Config.Fault.Path == "" {
		return "", nil
	}
	page, err := s.faultPage.Expand(v.Of)
	if err != nil {
		return "", fmt.Errorf("fault.path: %w", err)
	}
	return page, nil
}

// AskFault asks a server to make a fault. No answer is one: it may have ended
// first. Whether it does end is for the caller to see.
func (s *Server) AskFault(ctx context.Context, info results.Instance, page string) error {
	a, _, err := s.Of(info).Send(ctx, s.Config.Fault.Method, page)
	if err != nil {
		return context.Cause(ctx)
	}
	defer a.Body.Close()
	if a.StatusCode >= 300 && a.StatusCode <= 499 {
		return fmt.Errorf("%s %s answers %s: it makes no fault there", s.Config.Fault.Method, page, a.Status)
	}
	return nil
}
