// Package process starts services as processes of this machine, each pinned to
// its device by its environment, and ends them with all of their descendants.
package process

import (
	"context"
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

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/services"
)

// Config says how an instance is started. Texts marked "template" may hold
// {port}, {port+1} and so on, {models} (their names, with commas), {name},
// {device} (its UUID), {dir} (a folder of the instance's own), {params.NAME} and
// {workers.MODEL}. A name in braces that is none of them is a fault; {{name}}
// stands for {name}, and other braces for themselves.
type Config struct {
	// Argv is the program and its arguments, each a template. A program without
	// a slash is looked for in the PATH of Env, else in ours.
	Argv []string `yaml:"argv"`
	// Env is added to the environment, over what is passed from ours: [Passed]
	// and PassEnv. The device's own variables win over it. Values are templates.
	Env map[string]string `yaml:"env"`
	// PassEnv names variables of our environment that are passed on: secrets,
	// which stand in no scenario. Their values are hidden in logs.
	PassEnv []string `yaml:"pass_env"`
	// Folder is the working folder, a template; empty means ours.
	Folder string `yaml:"folder"`
	// CPUs are the processors that an instance may use, such as "0-3,8"; empty
	// means all of ours.
	CPUs string `yaml:"cpus"`
	// Instances is how many there are, placed on no device; 0 means one on each
	// device that the placement gives.
	Instances int `yaml:"instances"`
	// Port is the first port of the first instance, the next has those that
	// follow; 0 means free ones.
	Port int `yaml:"port"`
	// URL is where requests go, a template.
	URL string `yaml:"url"`
	// Health is the path of a page that answers 2xx when the instance is up;
	// empty means that real requests alone tell.
	Health string `yaml:"health"`
	// Scrapes gives the page of each kind of source: a path below URL
	// ("/metrics"), or a port ("port+2", "port+2/metrics"). A kind that stands
	// not here is read at URL.
	Scrapes map[string]string `yaml:"scrapes"`
	// Ready is the longest time from launch to the first right answer.
	Ready time.Duration `yaml:"ready"`
	// Stop says how an instance is ended.
	Stop Stop `yaml:"stop"`
	// Log bounds the log of each instance.
	Log Log `yaml:"log"`
}

// Stop says how an instance is ended: by its signal and, if it goes on after
// Grace, by SIGKILL.
type Stop struct {
	Signal string        `yaml:"signal"` // SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2 or SIGKILL
	Grace  time.Duration `yaml:"grace"`  // 0 to 50 s
}

// Log bounds a log: Keep files beside the newest, each of at most MaxBytes and
// at least one line.
type Log struct {
	MaxBytes int64 `yaml:"max_bytes"`
	Keep     int   `yaml:"keep"`
}

// Kind is the launcher for processes of this machine.
var Kind = kind.New("process", "processes of this machine, pinned to their devices", Config{
	URL:   "http://127.0.0.1:{port}",
	Ready: 5 * time.Minute,
	Stop:  Stop{Signal: "SIGTERM", Grace: 10 * time.Second},
	Log:   Log{MaxBytes: 16 << 20, Keep: 3},
}, New)

// maxGrace leaves the runner, which waits a minute for all, time to see the end.
const maxGrace = 50 * time.Second

// New checks all that can be seen without a side effect, and tells all faults at
// once. What it makes implements [services.Probed] and [services.Patient], and
// [services.Fixed] if Instances says so.
func New(c Config) (services.Launcher, error) {
	l := &launcher{config: c, ports: &ports{used: map[int]bool{}}}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if len(c.Argv) == 0 || c.Argv[0] == "" {
		fault("argv is empty; give the program and its arguments")
	}
	faults = append(faults, l.readTemplates()...)
	faults = append(faults, checkEnv(c)...)
	var err error
	if l.cpus, err = parseCPUs(c.CPUs); err != nil {
		fault("cpus: %w", err)
	}
	if c.Instances < 0 {
		fault("instances: %d is negative; 0 means one on each device", c.Instances)
	}
	if c.Port < 0 || c.Port+max(c.Instances, 1)*l.width-1 > 65535 {
		fault("port: %d is none, or the ports that follow it are none", c.Port)
	}
	if c.Health != "" && !strings.HasPrefix(c.Health, "/") {
		fault("health: %q is no path; it begins with /", c.Health)
	}
	if c.Ready <= 0 {
		fault("ready: %s is no time to wait", c.Ready)
	}
	if l.signal = unix.SignalNum(c.Stop.Signal); !slices.Contains(stopSignals, l.signal) {
		fault("stop.signal: %q is none of SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGKILL", c.Stop.Signal)
	}
	if c.Stop.Grace < 0 || c.Stop.Grace > maxGrace {
		fault("stop.grace: %s is not from 0 to %s", c.Stop.Grace, maxGrace)
	}
	if c.Log.MaxBytes < 1 || c.Log.Keep < 0 || c.Log.Keep > 1000 {
		fault("log: max_bytes is at least 1 and keep 0 to 1000; got %d and %d", c.Log.MaxBytes, c.Log.Keep)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("launcher process: %w", err)
	}
	if c.Instances > 0 {
		return fixed{l}, nil
	}
	return l, nil
}

var stopSignals = []syscall.Signal{
	unix.SIGTERM, unix.SIGINT, unix.SIGQUIT, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGKILL,
}

// A launcher starts instances of one service.
type launcher struct {
	config Config
	signal syscall.Signal
	cpus   []int
	ports  *ports
	width  int // ports of an instance: as many as the templates name

	argv    []template
	env     map[string]template
	folder  template
	url     template
	scrapes map[string]template // whole URLs
}

// fixed is a launcher that counts its instances itself.
type fixed struct{ *launcher }

// Instances is how many there are.
func (f fixed) Instances() int { return f.config.Instances }

// Patience is the longest time from launch to the first right answer.
func (l *launcher) Patience() time.Duration { return l.config.Ready }

// readTemplates reads every template and counts the ports that they name.
func (l *launcher) readTemplates() (faults []error) {
	read := func(where, text string) template {
		t, err := parseTemplate(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", where, err))
		}
		l.width = max(l.width, t.ports())
		return t
	}
	for i, text := range l.config.Argv {
		l.argv = append(l.argv, read(fmt.Sprintf("argv[%d]", i), text))
	}
	l.env = map[string]template{}
	for _, name := range slices.Sorted(maps.Keys(l.config.Env)) {
		l.env[name] = read("env."+name, l.config.Env[name])
	}
	l.folder = read("folder", l.config.Folder)
	l.url = read("url", l.config.URL)
	// A port's number in the place of its template shows what the URL is.
	if shown, err := l.url.expand(func(string) (string, error) { return "1", nil }); err == nil {
		if err := checkURL(shown); err != nil {
			faults = append(faults, fmt.Errorf("url: %w", err))
		}
	}
	l.scrapes = map[string]template{}
	for _, kind := range slices.Sorted(maps.Keys(l.config.Scrapes)) {
		text, err := pageURL(l.config.Scrapes[kind], l.config.URL)
		if err != nil {
			faults = append(faults, fmt.Errorf("scrapes.%s: %w", kind, err))
			continue
		}
		l.scrapes[kind] = read("scrapes."+kind, text)
	}
	l.width = max(l.width, 1)
	return faults
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

// Probe tells, before anything is changed, what is missing: program, folder,
// processors, variables, ports.
func (l *launcher) Probe(context.Context) error {
	faults := []error{l.checkCPUs(), l.checkPassed()}
	folder, err := l.workingFolder(nil)
	if !errors.Is(err, errNotYet) {
		faults = append(faults, err)
	}
	if err == nil && l.argv[0].fixed() {
		_, err := l.program(folder, l.config.Argv[0])
		faults = append(faults, err)
	}
	for i := range max(l.config.Instances, 1) {
		if l.config.Port > 0 {
			faults = append(faults, checkPorts(l.config.Port+i*l.width, l.width))
		}
	}
	return errors.Join(faults...)
}
