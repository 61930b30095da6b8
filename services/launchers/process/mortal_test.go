package process

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/services"
)

// A server that makes no fault, or makes one and goes on, is told as it is, and
// runs on.
func TestFaultThatEndsNothing(t *testing.T) {
	for _, c := range []struct{ page, want string }{
		{"", `"fault" is no way to end it; known: [kill]`},
		{"/nothing", "answers 404 Not Found: it makes no fault there"},
		{"/busy", "it was asked for a fault at"},
	} {
		config := config(t)
		config.Fault.Path = c.page
		s := launch(t, build(t, config), services.Instance{Name: "x", Service: "s"})
		text(t, s.Info().URL)
		err := context.DeadlineExceeded // alone: before there was an answer
		for limit := 100 * time.Millisecond; err == context.DeadlineExceeded; limit *= 2 {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			err = s.(services.Mortal).Crash(ctx, services.CrashFault)
			cancel()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("page %q: Crash() = %v, want %q", c.page, err, c.want)
		}
		if err := s.Err(); err != nil {
			t.Errorf("page %q: %v", c.page, err)
		}
	}
}

func TestNewRefusesFaults(t *testing.T) {
	for _, c := range []struct{ method, path, want string }{
		{"", "/fault", `fault.method: "" is none`},
		{"P ST", "/fault", `fault.method: "P ST" is none`},
		{"POST", "fault", `fault.path: "fault" is neither a path`},
		{"POST", "/{sneeze}", "fault.path: "},
	} {
		config := config(t)
		config.Fault.Method, config.Fault.Path = c.method, c.path
		if _, err := New(config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: New() = %v", c, err)
		}
	}
}
