package propose

import (
	"bytes"
	_ "embed" // for the template
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
)

//go:embed scenario.yaml.tmpl
var scenarioTemplate string

// scale is how many seconds of a simulated server pass in one of the clock: half of
// the presets', which are known loads, as a first look may be at a machine that is
// busy. A search needs latencies that HTTP itself does not blur.
const (
	scale       = 30
	searchScale = 20
)

// Write gives the scenario's text, with the reasons as comments. File is the name
// that the comments call it by.
func (p Proposal) Write(file string) ([]byte, error) {
	t := template.New("scenario").Funcs(template.FuncMap{
		"comment": comment, "text": quote, "literal": literal, "span": short, "seconds": func(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'g', -1, 64) + " s" }, "number": func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) },
	})
	t, err := t.Parse(scenarioTemplate)
	if err != nil {
		return nil, fmt.Errorf("read the scenario's template: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, sheet{p, file}); err != nil {
		return nil, fmt.Errorf("write the scenario: %w", err)
	}
	return out.Bytes(), nil
}

// A sheet is what the template sees.
type sheet struct {
	Proposal
	File string
}

func (p sheet) Machine() string { return p.Facts.Name }

func (p sheet) Simulated() string { return p.Facts.Simulated }

func (p sheet) Running() bool { return len(p.found()) > 0 }

// Has reports whether a program is in PATH.
func (p sheet) Has(program string) bool { return slices.Contains(p.Facts.Programs, program) }

// About is one line for people.
func (p sheet) About() string {
	what := fmt.Sprintf("%d configurations", len(p.Layouts)*len(p.Sharing))
	if p.Running() {
		what = "servers that run already, as they were found"
	}
	if p.Answers.Goal == Capacity {
		return "The largest load that meets the conditions: " + what + "."
	}
	return "The same loads for each: " + what + "."
}

// Raise is the service whose load a search raises.
func (p sheet) Raise() string {
	for _, s := range p.Services {
		if s.Role == vision {
			return s.Name
		}
	}
	return p.Services[0].Name
}

// Scale is that of the simulated server.
func (p sheet) Scale() int {
	if p.Answers.Goal == Capacity {
		return searchScale
	}
	return scale
}

// Kilobytes is the size of an image: a simulated server's pass through this machine at
// its scale.
func (p sheet) Kilobytes() int {
	if p.Facts.Simulated != "" {
		return 40
	}
	return 100
}

// Budget bounds a search: twelve probes of a window.
func (p sheet) Budget() time.Duration { return 12 * p.Window() }

// Levels is the ladder of a service's users: a quarter, half, and all of them, so that a
// load which is too much leaves one that is not. It has as many steps for each service, so
// fewer where one has few users; a search has the one that it begins with.
func (p sheet) Levels(users int) string {
	a := p.Answers
	steps := 3
	if a.Goal == Capacity {
		steps = 1
	}
	for least := min(a.VisionUsers, a.AgentUsers); steps > 1 && least>>(steps-1) == 0; {
		steps--
	}
	var list []string
	for i := steps - 1; i >= 0; i-- {
		list = append(list, strconv.Itoa(users>>i))
	}
	return strings.Join(list, ", ")
}

// Window is a step's that counts. A search has many, which may be shorter.
func (p sheet) Window() time.Duration {
	if p.Answers.Goal == Capacity {
		return max(p.Answers.Window/3, 10*time.Second).Round(time.Second)
	}
	return p.Answers.Window
}

// Warmup is a tenth of the window, and half a minute where that is less.
func (p sheet) Warmup() time.Duration {
	return min(max(p.Window()/10, 30*time.Second), max(p.Window(), 5*time.Second)).Round(time.Second)
}

// Collect is how often pages are read: no sooner than each 100 ms of the clock.
func (p sheet) Collect() time.Duration {
	if p.Facts.Simulated == "" {
		return time.Second
	}
	return time.Duration(p.Scale()) * 100 * time.Millisecond
}

// Scrapes is the kind of page that a service's servers have, empty if none is known.
func (p sheet) Scrapes(s Service) string {
	switch {
	case len(s.Servers) == 0 && s.Role == vision:
		return "torchserve"
	case len(s.Servers) == 0:
		return "vllm"
	}
	switch first := s.Servers[0]; first.Kind {
	case vllm, sglang, llamaServer:
		return first.Kind
	case torchserve:
		if !slices.ContainsFunc(s.Servers, func(x Server) bool { return x.Page == "" }) {
			return first.Kind
		}
	}
	return ""
}

// plain are texts that YAML reads as they are: no number, and none of the words that
// it takes for truth values or nothing.
var plain = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9]*[./_-][A-Za-z0-9./_-]*[A-Za-z0-9]|[a-z]{3,}|[0-9]+x[0-9]+g\.[0-9]+gb)$`)

// quote writes a text so that YAML reads the same, whatever is in it: JSON is YAML.
func quote(text string) (string, error) {
	if plain.MatchString(text) && !slices.Contains([]string{"yes", "off", "true", "false", "null"}, text) {
		return text, nil
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// literal is quote for the templates of launchers, in which braces name values.
func literal(text string) (string, error) {
	return quote(strings.NewReplacer("{", "{{", "}", "}}").Replace(text))
}

// comment keeps a text within a line's comment.
func comment(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029
	}), " ")
}

// short writes a duration without zeros at its end: 5m, not 5m0s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
