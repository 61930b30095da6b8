// Package spawn is what the launchers that start servers have in common: what a
// scenario says of a server, and what becomes of that in one instance.
package spawn

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/services/identity"
)

// Config is what every such launcher is told of its server. Texts marked
// "template" may hold {port}, {port+1} and so on, {models} (their names, with
// commas), {name}, {device} (its UUID), {dir} (a folder of the instance's own),
// {params.NAME} and {workers.MODEL}. A name in braces that is none of them is a
// fault; {{name}} stands for {name}, and other braces for themselves.
type Config struct {
	// Env is added to the environment, over what is passed from ours. The
	// device's own variables win over it. Values are templates.
	Env map[string]string `yaml:"env"`
	// PassEnv names variables of our environment that are passed on: secrets,
	// which stand in no scenario. Their values are hidden in logs.
	PassEnv []string `yaml:"pass_env"`
	// CPUs are the processors that an instance may use, such as "0-3,8"; empty
	// means all of ours.
	CPUs string `yaml:"cpus"`
	// Instances is how many there are, placed on no device; 0 means one on each
	// device that the placement gives.
	Instances int `yaml:"instances"`
	// Port is the first port of the first instance, the next has those that
	// follow; 0 means free ones.
	Port int `yaml:"port"`
	// URL is where requests go, a template; http://127.0.0.1:{port} unless it is told.
	URL string `yaml:"url"`
	// Health is the path of a page that answers 2xx when the instance is up;
	// empty means that real requests alone tell.
	Health string `yaml:"health"`
	// Scrapes gives the page of each kind of source: a path below URL
	// ("/metrics"), or a port ("port+2", "port+2/metrics"). A kind that stands
	// not here is read at URL.
	Scrapes map[string]string `yaml:"scrapes"`
	// Identity is what an instance's pages must say for it to be the one that the
	// configuration asks for; its texts are templates.
	Identity []identity.Question `yaml:"identity"`
	// Pages says how the instance's pages of Health, Identity and Fault are reached.
	Pages trust.Access `yaml:"pages"`
	// Fault is how an instance is asked to make a fault on its device.
	Fault Fault `yaml:"fault"`
	// Ready is the longest time from launch to the first right answer; 5m unless it is
	// told.
	Ready time.Duration `yaml:"ready"`
	// Stop says how an instance is ended.
	Stop Stop `yaml:"stop"`
	// Log bounds the log of each instance.
	Log Log `yaml:"log"`
}

// Stop says how an instance is ended: by its signal and, if it goes on after
// Grace, by SIGKILL.
type Stop struct {
	Signal string        `yaml:"signal"` // SIGTERM (the default), SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2 or SIGKILL
	Grace  time.Duration `yaml:"grace"`  // 0 to 50 s; 10 s unless it is told
}

// Log bounds a log: Keep files beside the newest, each of at most MaxBytes and
// at least one line.
type Log struct {
	MaxBytes int64 `yaml:"max_bytes"` // of each file, at least 1; 16 MiB unless it is told
	Keep     int   `yaml:"keep"`      // files beside the newest, 0 to 1000; 3 unless it is told
}

// Defaults are the values of what a scenario leaves out.
var Defaults = Config{
	URL:   "http://127.0.0.1:{port}",
	Fault: Fault{Method: "POST"},
	Ready: 5 * time.Minute,
	Stop:  Stop{Signal: "SIGTERM", Grace: 10 * time.Second},
	Log:   Log{MaxBytes: 16 << 20, Keep: 3},
}

// maxGrace leaves the runner, which waits a minute for all, time to see the end.
const maxGrace = 50 * time.Second

// A Server is a Config that was read. It is made by [Read] and completed by
// [Server.Check]; after that it is safe for concurrent use.
type Server struct {
	Config Config
	Signal syscall.Signal // of Stop
	CPUs   []int          // none: all of ours
	Env    map[string]Template

	url Template
	// faultPage is the whole URL of Fault.
	faultPage Template
	scrapes   map[string]Template // whole URLs
	ports     Ports
	width     int      // ports of an instance: as many as the templates name
	names     []string // of all templates
	reached   []string // of those that the server itself learns of
	faults    []error
}

// Read reads the templates of a Config. Its faults are told by [Server.Check].
func Read(c Config) *Server {
	s := &Server{Config: c, width: 1, Env: map[string]Template{}, scrapes: map[string]Template{}}
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		s.Env[name] = s.Template("env."+name, c.Env[name])
	}
	s.url = s.Template("url", c.URL)
	// A port's number in the place of its template shows what the URL is.
	if shown, err := s.url.Expand(func(string) (string, error) { return "1", nil }); err == nil {
		if err := checkURL(shown); err != nil {
			s.fault("url: %w", err)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(c.Scrapes)) {
		text, err := pageURL(c.Scrapes[kind], c.URL)
		if err != nil {
			s.fault("scrapes.%s: %w", kind, err)
			continue
		}
		s.scrapes[kind] = s.Template("scrapes."+kind, text)
	}
	s.readIdentity(c.Identity)
	s.readFault(c.Fault)
	return s
}

// Template reads one more template, of the launcher's own keys: where names it
// in faults. The ports that it names are counted.
func (s *Server) Template(where, text string) Template {
	t, err := ParseTemplate(text)
	if err != nil {
		s.fault("%s: %w", where, err)
	}
	s.width = max(s.width, t.ports())
	s.names, s.reached = append(s.names, t.Names()...), append(s.reached, t.Names()...)
	return t
}

func (s *Server) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Errorf(format, args...))
}

// Check looks at all that can be seen without a side effect, and gives every
// fault, those of the templates too. It is called once, when each template has
// been read.
func (s *Server) Check() []error {
	c := s.Config
	s.faults = append(s.faults, checkEnv(c)...)
	var err error
	if s.CPUs, err = ParseCPUs(c.CPUs); err != nil {
		s.fault("cpus: %w", err)
	}
	if c.Instances < 0 {
		s.fault("instances: %d is negative; 0 means one on each device", c.Instances)
	}
	if c.Instances > 0 && slices.Contains(s.names, "device") {
		s.fault("{device}: instances that are counted are placed on no device; write what it stands for, or leave instances out where they are started")
	}
	if c.Instances > 1 && s.url.Fixed() {
		s.fault("url: it is the same for all %d instances; put {port} in it, or {name}", c.Instances)
	}
	if c.Port < 0 || c.Port+max(c.Instances, 1)*s.width-1 > 65535 {
		s.fault("port: %d is none, or the ports that follow it are none", c.Port)
	}
	if c.Health != "" && !strings.HasPrefix(c.Health, "/") {
		s.fault("health: %q is no path; it begins with /", c.Health)
	}
	if c.Ready <= 0 {
		s.fault("ready: %s is no time to wait", c.Ready)
	}
	if s.Signal = unix.SignalNum(c.Stop.Signal); !slices.Contains(stopSignals, s.Signal) {
		s.fault("stop.signal: %q is none of SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGKILL", c.Stop.Signal)
	}
	if c.Stop.Grace < 0 || c.Stop.Grace > maxGrace {
		s.fault("stop.grace: %s is not from 0 to %s", c.Stop.Grace, maxGrace)
	}
	if c.Log.MaxBytes < 1 || c.Log.Keep < 0 || c.Log.Keep > 1000 {
		s.fault("log: max_bytes is at least 1 and keep 0 to 1000; got %d and %d", c.Log.MaxBytes, c.Log.Keep)
	}
	if err := c.Pages.Check(); err != nil {
		s.fault("pages: %w", err)
	}
	return s.faults
}

var stopSignals = []syscall.Signal{
	unix.SIGTERM, unix.SIGINT, unix.SIGQUIT, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGKILL,
}

// Patience is the longest time from launch to the first right answer.
func (s *Server) Patience() time.Duration { return s.Config.Ready }

// Width is how many ports an instance has.
func (s *Server) Width() int { return s.width }

// CheckPorts asks that the ports which Config fixes are free.
func (s *Server) CheckPorts() error {
	if s.Config.Port == 0 {
		return nil
	}
	var faults []error
	for i := range max(s.Config.Instances, 1) {
		faults = append(faults, CheckPorts(s.Config.Port+i*s.width, s.width))
	}
	return errors.Join(faults...)
}

// pageURL makes a page, as [Config] tells it, the template of a URL.
func pageURL(page, base string) (string, error) {
	if strings.HasPrefix(page, "/") {
		return strings.TrimRight(base, "/") + page, nil
	}
	port, path, _ := strings.Cut(page, "/")
	if n, ok := strings.CutPrefix(port, "port"); ok {
		if _, err := strconv.Atoi(strings.TrimPrefix(n, "+")); n == "" || err == nil && n[0] == '+' {
			return "http://127.0.0.1:{" + port + "}" + strings.TrimSuffix("/"+path, "/"), nil
		}
	}
	return "", fmt.Errorf("%q is neither a path (/metrics) nor a port (port+1, port+1/metrics)", page)
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return errors.New("it is no URL with http:// or https:// and a host")
	case u.User != nil:
		return errors.New("it holds a user name or password, which would stand in the results")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("it has a query or fragment; give the base only")
	}
	return nil
}
