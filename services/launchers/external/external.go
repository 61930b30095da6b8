// Package external stands for services that run already: it tells where they are,
// and changes them by the user's own commands alone.
package external

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/identity"
	"github.com/evabench/evabench/services/spawn"
)

// Config lists the running instances, and what changes them.
type Config struct {
	Instances []Instance `yaml:"instances"`
	// Adapt is run on each cell, before its instances are used, to make the
	// servers fit its configuration.
	Adapt Command `yaml:"adapt"`
	// Release is run after the last cell on a layout, before that is put back, to
	// make the servers let their devices go.
	Release Command `yaml:"release"`
	// Restore is run once, after the last cell, to put them back as they were.
	Restore Command `yaml:"restore"`
	// Identity is what an instance's pages must say for it to be the one that the
	// configuration asks for; its texts are templates.
	Identity []identity.Question `yaml:"identity"`
	// Pages says how the pages of Identity are reached.
	Pages trust.Access `yaml:"pages"`
	// Crash ends one instance, and Revive starts it again at the same address, for
	// steps of failover. Both or none are given.
	Crash  Command `yaml:"crash"`
	Revive Command `yaml:"revive"`
}

// An Instance is one running server.
type Instance struct {
	// URL is where requests go, without the protocol's path:
	// http://10.0.0.7:8000.
	URL string `yaml:"url"`
	// Device is the UUID of the device it runs on, if it is known.
	Device string `yaml:"device"`
	// Scrapes gives the base URL of the page of each kind of source. A kind
	// that the service scrapes and that stands not here is read at URL.
	Scrapes map[string]string `yaml:"scrapes"`
}

// Kind is the launcher for services that run already.
var Kind = kind.New("external", "services that run already, at given URLs", Config{}, New)

// New checks all that can be seen without a side effect, and tells all faults at
// once; it opens no connection. What it makes is [services.Fixed],
// [services.Probed], [services.Templated] and [services.Crashing], with Adapt
// [services.Adapting] and [services.Releasing] too, and with Restore [services.Restoring].
func New(c Config) (services.Launcher, error) {
	l := &launcher{instances: c.Instances}
	var faults []error
	if len(c.Instances) == 0 {
		faults = append(faults, errors.New("instances is empty; give at least one {url: …}"))
	}
	for i, in := range c.Instances {
		if err := checkURL(in.URL); err != nil {
			faults = append(faults, fmt.Errorf("instance %d: %w", i, err))
		}
		for _, kind := range slices.Sorted(maps.Keys(in.Scrapes)) {
			if err := checkURL(in.Scrapes[kind]); err != nil {
				faults = append(faults, fmt.Errorf("instance %d: page of %s: %w", i, kind, err))
			}
		}
	}
	if len(faults) == 0 { // else a URL may hold what is secret
		faults = twice(c.Instances)
	}
	settings := spawn.Defaults // of a server that is never started, for its questions
	settings.Identity, settings.Pages, settings.Instances = c.Identity, c.Pages, len(c.Instances)
	l.texts = spawn.Read(settings)
	faults = append(faults, l.texts.Check()...)
	if l.texts.Width() > 1 || slices.ContainsFunc(c.Identity, namesPort) {
		faults = append(faults, errors.New("identity: {port} means nothing here; give the whole URL"))
	}
	faults = append(faults, l.readCommands(c)...)
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("launcher external: %w", err)
	}
	switch {
	case l.restore != nil:
		return restoring{adapting{l}}, nil
	case l.adapt != nil:
		return adapting{l}, nil
	default:
		return l, nil
	}
}

// twice finds servers, and pages of their metrics, that are told of two instances: what they
// do would be counted twice. A router is the server of several instances, each with a page
// of its own. A page of the kind prometheus holds whatever series are asked for.
func twice(all []Instance) (faults []error) {
	page := func(in Instance, kind string) string { return strings.TrimRight(cmp.Or(in.Scrapes[kind], in.URL), "/") }
	for i, in := range all {
		for j, other := range all[:i] {
			kinds := slices.AppendSeq(slices.Collect(maps.Keys(in.Scrapes)), maps.Keys(other.Scrapes))
			slices.Sort(kinds)
			kinds = slices.Compact(kinds)
			apart := slices.ContainsFunc(kinds, func(kind string) bool { return page(in, kind) != page(other, kind) })
			if page(in, "") == page(other, "") && !apart {
				faults = append(faults, fmt.Errorf("instance %d: %s is instance %d's, too; if it is a router, give each of its engines' pages in scrapes", i, page(in, ""), j))
				continue
			}
			for _, kind := range kinds {
				if kind != "prometheus" && page(in, kind) == page(other, kind) {
					faults = append(faults, fmt.Errorf("instance %d: the page of %s, %s, is instance %d's, too", i, kind, page(in, kind), j))
				}
			}
		}
	}
	return faults
}

func namesPort(q identity.Question) bool {
	return strings.Contains(q.Page+q.Has+q.Equals, "{port}")
}

// readCommands reads the commands, and what they must be together.
func (l *launcher) readCommands(c Config) (faults []error) {
	for _, x := range []struct {
		into       **command
		what       string
		config     Command
		ofInstance bool
	}{
		{&l.adapt, "adapt", c.Adapt, false}, {&l.release, "release", c.Release, false}, {&l.restore, "restore", c.Restore, false},
		{&l.crash, "crash", c.Crash, true}, {&l.revive, "revive", c.Revive, true},
	} {
		k, wrong := read(x.what, x.config, x.ofInstance)
		*x.into = k
		faults = append(faults, wrong...)
	}
	if l.restore != nil && l.adapt == nil {
		faults = append(faults, errors.New("restore: there is no adapt, so nothing is changed that could be put back"))
	}
	if l.release != nil && l.adapt == nil {
		faults = append(faults, errors.New("release: there is no adapt, so the servers hold what they held before"))
	}
	if (l.crash == nil) != (l.revive == nil) {
		faults = append(faults, errors.New("crash and revive: one is given without the other; a server that is ended must be started again"))
	}
	return faults
}

// checkURL tells what is wrong with a URL, without what may be secret in it.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if strings.Contains(text, "@") && (err != nil || u.User != nil || u.Host == "") {
		return errors.New("a URL holds a user name or password, which would stand in the results; use the endpoint's api_key_env or api_key_file")
	}
	if fault, ok := errors.AsType[*url.Error](err); ok {
		err = fault.Err // it says the URL
	}
	text = text[:strings.IndexAny(text+"?", "?#")]
	switch {
	case err != nil:
		return fmt.Errorf("URL %q: %w", text, err)
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("URL %q does not begin with http:// or https://", text)
	case u.Host == "":
		return fmt.Errorf("URL %q has no host", text)
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("URL %q has a query or fragment; give the base only", text)
	}
	return nil
}

// A launcher stands for the running instances of one service.
type launcher struct {
	instances []Instance
	texts     *spawn.Server // the templates of the questions

	adapt, release, restore, crash, revive *command // nil: none
	last                                   last
}

// Instances is how many servers there are.
func (l *launcher) Instances() int { return len(l.instances) }

// Names lists the names of the templates that stand for a configuration's values.
func (l *launcher) Names() []string {
	names := l.texts.Names()
	for _, k := range []*command{l.adapt, l.release, l.restore, l.crash, l.revive} {
		if k != nil {
			names = append(names, k.server.Names()...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Scrapes lists the kinds of source whose pages are told of an instance.
func (l *launcher) Scrapes() []string {
	var kinds []string
	for _, in := range l.instances {
		kinds = slices.AppendSeq(kinds, maps.Keys(in.Scrapes))
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// Reaches reports that the servers learn of every value, by Adapt, or of none.
func (l *launcher) Reaches(string) bool { return l.adapt != nil }

// Changes tells which commands are run, and when.
func (l *launcher) Changes() (lines []string) {
	for _, x := range []struct {
		k    *command
		when string
	}{
		{l.adapt, "before each cell"}, {l.release, "before a layout is put back"}, {l.restore, "after the last cell"}, {l.crash, "where an instance is to end"}, {l.revive, "to start it again"},
	} {
		if x.k != nil {
			lines = append(lines, fmt.Sprintf("run %s: %s", x.when, x.k.server.Config.Show(x.k.config.Folder, x.k.config.Argv)))
		}
	}
	return lines
}

// Crashes lists the ways in which an instance can be ended.
func (l *launcher) Crashes() []string {
	if l.crash == nil {
		return nil
	}
	return mortal{}.Crashes()
}

// probeWithin bounds the wait for one connection.
const probeWithin = 5 * time.Second

// Probe connects to every instance once and sends nothing, and looks for the
// programs of the commands. With Adapt the servers need not run yet.
func (l *launcher) Probe(ctx context.Context) error {
	var faults []error
	for _, k := range []*command{l.adapt, l.release, l.restore, l.crash, l.revive} {
		faults = append(faults, k.probe())
	}
	if l.adapt != nil {
		return errors.Join(faults...)
	}
	for _, in := range l.instances {
		c, err := dial(ctx, in.URL)
		if err != nil {
			faults = append(faults, &services.UnreachableError{URL: in.URL, Err: plainly(err)})
			continue
		}
		faults = append(faults, c.Close())
	}
	return errors.Join(faults...)
}

// plainly is the fault of a connection without what its URL says already.
func plainly(err error) error {
	if fault, ok := errors.AsType[*net.OpError](err); ok {
		err = fault.Err
	}
	if call, ok := errors.AsType[*os.SyscallError](err); ok {
		return call.Err
	}
	return err
}

// Launch tells where the i.Index-th server is. Whether it answers is found
// by the readiness request.
func (l *launcher) Launch(_ context.Context, i services.Instance) (services.Service, error) {
	if i.Index >= len(l.instances) {
		return nil, fmt.Errorf("launch %s: only %d instances of %s run", i.Name, len(l.instances), i.Service)
	}
	in := l.instances[i.Index]
	info := results.Instance{Service: i.Service, Name: i.Name, Device: in.Device, URL: in.URL}
	if info.Device == "" {
		info.Device = i.Device.UUID
	}
	for _, kind := range slices.Sorted(maps.Keys(in.Scrapes)) {
		info.Scrapes = append(info.Scrapes, results.Scrape{Kind: kind, URL: in.Scrapes[kind]})
	}
	questions, err := l.texts.Identity(&spawn.Values{Instance: i})
	if err != nil {
		return nil, fmt.Errorf("launch %s: %w", i.Name, err)
	}
	s := &service{info: info, pages: l.texts, questions: questions, crash: l.crash, revive: l.revive}
	s.about = call{about: i.Name, instance: i, variables: instanceVariables(i, info), logDir: i.LogDir}
	switch {
	case l.crash != nil && len(questions) > 0:
		return identifiedMortal{mortal{s}}, nil
	case l.crash != nil:
		return mortal{s}, nil
	case len(questions) > 0:
		return identified{s}, nil
	default:
		return s, nil
	}
}
