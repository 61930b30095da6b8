package runner

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/spawn"
)

// notReady is the fault of an instance that runs and is not ready, with its
// device and the end of its log.
func (u running) notReady(why string) error {
	info := u.service.Info()
	on, log := onDevice(u.on), ""
	if on == "" && info.Device != "" {
		on = " on " + info.Device
	}
	if l, ok := u.service.(services.Logged); ok {
		log = services.LogText(l.LogTail())
	}
	return fmt.Errorf("%s at %s%s is not ready: %s%s", info.Name, info.URL, on, why, log)
}

// got tells what was asked and what came.
func (u running) got(q *loadgen.Request, a loadgen.Answer) string {
	asked := "a request"
	if p, err := u.endpoint.Prepare(q); err == nil {
		if s, ok := p.(fmt.Stringer); ok {
			asked = s.String()
		}
	}
	if a.Status != 0 && a.Status != http.StatusOK {
		return fmt.Sprintf("%s is answered %d: %s", asked, a.Status, brief(a.Detail))
	}
	return fmt.Sprintf("%s: %s: %s", asked, a.Outcome, brief(a.Detail))
}

// brief is the beginning of another's words, in one printable line.
func brief(text string) string {
	const most = 300
	line := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.Join(strings.Fields(text), " ")))
	if len(line) > most {
		return string(line[:most]) + " …"
	}
	return string(line)
}

// next is what to do after an answer that is not right.
func (u running) next(ctx context.Context, a loadgen.Answer) string {
	_, fixed := u.of.Launcher.(services.Fixed)
	_, patient := u.of.Launcher.(services.Patient)
	switch a.Outcome {
	case results.HTTP4xx:
		if a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden {
			return "; give the server's key by api_key_env or api_key_file of the service's endpoint, or correct the one that is given"
		}
		return u.otherModel(ctx)
	case results.HTTP5xx, results.Shed:
		if patient {
			return u.longer()
		}
		return "; begin again when its models are loaded and their workers run" + u.look()
	case results.Connect:
		if fixed && !patient {
			return u.look() + "; or correct " + u.of.key("launcher.instances")
		}
		return "; let it listen there" + u.longer()
	case results.Timeout:
		if u.of.Timeout < u.waits.answer {
			return fmt.Sprintf("; raise %s, which is %s, if an answer takes longer", u.of.key("timeout"), u.of.Timeout)
		}
		return u.longer() + u.look()
	case results.WrongAnswer, results.Malformed:
		return fmt.Sprintf("; compare %s with what the server is%s", u.of.key("endpoint"), u.look())
	}
	return ""
}

// longer says how an instance is given more time; nothing if that is not told.
func (u running) longer() string {
	p, ok := u.of.Launcher.(services.Patient)
	if !ok {
		return ""
	}
	return fmt.Sprintf("; it runs: mend what its log tells, or, if it only takes longer, set %s: %s (now %s)", u.of.key("launcher.ready"), 2*p.Patience(), p.Patience())
}

// look is a command that shows whether the server is there.
func (u running) look() string {
	p, ok := u.endpoint.(loadgen.Paged)
	if !ok {
		return ""
	}
	return "; see with: " + Curl(p.Page())
}

// Curl is the command line that gets a page.
func Curl(page string) string { return "curl -sv --max-time 5 " + spawn.Quote(page) }

// listWithin bounds the question for a list of models.
const listWithin = 2 * time.Second

// otherModel says which models the server serves, or how that is seen, and where another
// is told.
func (u running) otherModel(ctx context.Context) string {
	key := u.of.key("models")
	l, ok := u.endpoint.(loadgen.Listing)
	if !ok {
		return fmt.Sprintf("; compare %s and %s with what the server knows", key, u.of.key("endpoint"))
	}
	ctx, cancel := context.WithTimeout(ctx, listWithin)
	defer cancel()
	page, names, err := l.Models(ctx)
	switch {
	case page == "":
		return fmt.Sprintf("; compare %s with the models that the server serves", key)
	case err != nil || len(names) == 0:
		return fmt.Sprintf("; compare %s with the models that the server serves: %s", key, Curl(page))
	}
	known := !slices.ContainsFunc(u.models, func(m services.Model) bool { return !slices.Contains(names, m.Name) })
	if known {
		return fmt.Sprintf("; its models are right (%s lists them): compare %s with what it takes", page, u.of.key("endpoint"))
	}
	const most = 8
	more := ""
	if len(names) > most {
		names, more = names[:most], fmt.Sprintf(" and %d more", len(names)-most)
	}
	return fmt.Sprintf("; %s lists %s%s: give such a name by %s", page, brief(strings.Join(names, ", ")), more, key)
}

// key names a key of the service as whoever began the run can change it.
func (s *Service) key(name string) string {
	if s.Key != nil {
		return s.Key(name)
	}
	return "services." + s.Name + "." + name
}
